"""The panel as a guest: among other widgets, and with the notebook's own shortcuts, in a real JupyterLab."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_panel_picker import HIT

pytestmark = pytest.mark.browser

SETUP = "%load_ext fusion_nb\nimport fusion_nb, ipywidgets"
PANEL = "panel = fusion_nb.Panel('Why is the sky blue?', 'demo')\npanel"
UNSAVED = ".lm-TabBar-tab.jp-mod-dirty"


def test_ctrl_s_saves_with_the_focus_in_the_panel(open_notebook) -> None:
    """Chords reach the notebook from the prompt and from a button; what is typed stays, and no cell is cut or run."""
    notebook = open_notebook("chords.ipynb", SETUP, PANEL)
    notebook.run(0)
    notebook.run(1)
    panel, keys = notebook.output(1).locator(".fnb-live"), notebook.page.keyboard
    prompt = panel.get_by_role("textbox", name="Prompt")
    number = notebook.cells.nth(1).locator(".jp-InputArea-prompt")
    before, cells = number.text_content(), notebook.cells.count()
    for place in (prompt, panel.get_by_role("button", name="Remove demo")):
        notebook.cells.nth(0).locator(".cm-content").click()
        keys.type("#")
        expect(notebook.page.locator(UNSAVED)).to_have_count(1)
        place.focus()
        keys.press("Control+s")
        expect(notebook.page.locator(UNSAVED)).to_have_count(0, timeout=60_000)
        for key in ("x", "Backspace", "ArrowDown", "Control+x", "Control+z"):
            keys.press(key)
    expect(notebook.cells).to_have_count(cells)
    assert number.text_content() == before
    prompt.focus()
    keys.press("Control+a")
    keys.type("Is it?")
    expect(prompt).to_have_value("Is it?")


def test_beside_another_widget_it_keeps_its_width(open_notebook) -> None:
    """In an HBox with a button it takes the room the button leaves; in a narrow one it shrinks."""
    cells = ["ipywidgets.HBox([panel, ipywidgets.Button(description='Mine')])", "ipywidgets.VBox([panel])"]
    notebook = open_notebook("hbox.ipynb", SETUP, PANEL, *cells, height=1800)
    for cell in range(4):
        notebook.run(cell)
    alone, row, column = (notebook.output(cell).locator(".fnb-live") for cell in (1, 2, 3))
    expect(row.get_by_role("textbox", name="Prompt")).to_be_visible()
    width = {name: one.bounding_box()["width"] for name, one in (("alone", alone), ("row", row), ("column", column))}
    button = notebook.output(2).get_by_role("button", name="Mine").bounding_box()["width"]
    assert width["row"] > width["alone"] - button - 40
    assert abs(width["column"] - width["alone"]) < 40
    assert row.bounding_box()["height"] < 500
    notebook.screenshot("panel-hbox")
    notebook.page.set_viewport_size({"width": 560, "height": 1400})
    expect(row.get_by_role("textbox", name="Prompt")).to_be_visible()
    area = notebook.output(2).bounding_box()
    assert row.bounding_box()["x"] + row.bounding_box()["width"] <= area["x"] + area["width"] + 1


def test_the_list_of_models_is_whole_under_a_cell(open_notebook) -> None:
    """In a fresh workbench, whose cell is lower than the list, each row can be clicked, the last one too."""
    notebook = open_notebook("picker.ipynb", SETUP, PANEL, "1 + 1", width=900, height=1000)
    notebook.run(0)
    notebook.run(1)
    panel = notebook.output(1).locator(".fnb-live")
    for label in ("Add a model to the pool", "Judge"):
        panel.get_by_role("combobox", name=label).click()
        rows = panel.locator("[role=option]:visible")
        assert rows.first.evaluate(HIT)
        assert rows.nth(4).evaluate(HIT)
        notebook.screenshot(f"workbench-picker-{label[:3]}")
        notebook.page.keyboard.press("ArrowUp")
        expect(rows.last).to_have_attribute("aria-selected", "true")
        assert rows.last.evaluate(HIT)
        notebook.page.keyboard.press("Escape")
        expect(rows).to_have_count(0)
