"""The list of models in a fresh workbench: whole and usable from the narrowest panel to the widest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import AXE, RULES, Stage

pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)
pytestmark = pytest.mark.browser

ROWS = [
    {
        "entry": f"vendor/model-{i}",
        "name": f"Model {i}",
        "in": "1.25",
        "out": "10",
        "context": 200_000,
        "takes": "image",
    }
    for i in range(30)
]
HIT = """row => {
  const box = row.getBoundingClientRect();
  const root = row.getRootNode();
  const at = x => row.contains(root.elementFromPoint(x, box.top + box.height / 2));
  return box.height > 0 && [box.left + 3, box.left + box.width / 2, box.right - 3].every(at);
}"""
"""Whether a click on the row's left, middle and right end reaches the row."""
CUT = """row => [...row.children].filter(e => e.scrollWidth > e.clientWidth + 1 && !e.matches('.fnb-optname')).map(e => e.textContent)"""


@pytest.fixture
def stage(browser: Browser) -> Iterator:
    contexts = []

    def opened(width: int = 900, height: int = 800) -> Stage:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Stage(context.new_page())

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("label", ["Add a model to the pool", "Judge"])
@pytest.mark.parametrize("width", [320, 480, 900, 1800])
def test_the_list_is_whole_in_an_empty_panel(stage, width: int, label: str) -> None:
    """With no run below it, every row can be reached and clicked, the last one too; the hint stands first."""
    page = stage(width)
    panel = page.open(None, offers={"rows": ROWS}, pool=["a"])
    panel.get_by_role("combobox", name=label).click()
    rows = panel.locator("[role=option]:visible")
    expect(rows).to_have_count(30)
    hint = panel.get_by_text("Search by name").locator("visible=true")
    expect(hint).to_be_visible()
    assert hint.bounding_box()["y"] < rows.first.bounding_box()["y"]
    assert rows.first.evaluate(HIT)
    assert rows.nth(2).evaluate(HIT)
    assert rows.first.evaluate(CUT) == []
    page.screenshot(f"picker-{label[:3]}-{width}")
    page.page.keyboard.press("ArrowUp")
    expect(rows.last).to_have_attribute("aria-selected", "true")
    assert rows.last.evaluate(HIT)
    box = rows.last.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    rows.last.click()
    changed = page.page.evaluate("[values.pool, values.judge]")
    assert changed == ([["a", "vendor/model-29"], ""] if label != "Judge" else [["a"], "vendor/model-29"])


def test_arrow_keys_keep_the_active_row_in_sight(stage) -> None:
    """From the first row to the last and around, each active row can be seen whole."""
    page = stage()
    panel = page.open(None, offers={"rows": ROWS})
    panel.get_by_role("combobox", name="Add a model").focus()
    active = panel.locator("[role=option][aria-selected=true]:visible")
    for step in range(1, 32):
        page.page.keyboard.press("ArrowDown")
        expect(active).to_contain_text(f"model-{step % 30}")
        assert active.evaluate(HIT), step


def test_a_list_above_the_input_where_there_is_no_room_below(stage) -> None:
    """At the bottom of a window the list stands above its input."""
    page = stage(height=520)
    panel = page.open(None, offers={"rows": ROWS})
    page.page.evaluate("document.querySelector('main').style.paddingTop = '330px'")
    page.page.evaluate("scrollTo(0, 9999)")
    picker = panel.get_by_role("combobox", name="Judge")
    picker.click()
    rows = panel.locator("[role=option]:visible")
    assert rows.first.evaluate(HIT)
    assert rows.first.bounding_box()["y"] < picker.bounding_box()["y"]
    page.screenshot("picker-above")


def test_a_frame_as_high_as_its_content_grows_with_the_list(stage) -> None:
    """Hosts that show an output in a frame of its own height have no room over or under: the list takes room itself,
    and a click on what it pushed away still reaches it."""
    page = stage(height=240)
    panel = page.open(None, offers={"rows": ROWS})
    before = page.page.evaluate("document.documentElement.scrollHeight")
    panel.get_by_role("combobox", name="Add a model").click()
    rows = panel.locator("[role=option]:visible")
    expect(rows.first).to_be_visible()
    assert page.page.evaluate("document.documentElement.scrollHeight") > before + 200
    rows.last.scroll_into_view_if_needed()
    assert rows.last.evaluate(HIT)
    run = panel.get_by_role("button", name="Run", exact=True)
    run.scroll_into_view_if_needed()
    box = run.bounding_box()
    page.page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.page.mouse.down()
    page.page.mouse.up()
    expect(rows).to_have_count(0)
    assert page.asked()["kind"] == "run"


def test_the_scroll_bar_can_be_used(stage) -> None:
    """A press on the list, not on a row, neither closes it nor takes the focus from the input."""
    page = stage()
    panel = page.open(None, offers={"rows": ROWS})
    picker = panel.get_by_role("combobox", name="Add a model")
    picker.click()
    box = panel.locator(".fnb-options").locator("visible=true").bounding_box()
    page.page.mouse.click(box["x"] + 3, box["y"] + box["height"] - 2)
    expect(picker).to_be_focused()
    expect(panel.locator("[role=option]:visible").first).to_be_visible()


def test_what_is_said_of_a_search(stage) -> None:
    """The number of results is announced in the panel's one live region; no hint stands among the options."""
    page = stage()
    panel = page.open(None, offers={"rows": ROWS})
    expect(panel.locator("[role=status], [aria-live]")).to_have_count(1)
    picker = panel.get_by_role("combobox", name="Add a model")
    picker.click()
    page.page.keyboard.type("gpt")
    page.page.wait_for_function("() => sent.some(one => one.kind === 'search' && one.words === 'gpt')")
    page.answer(rows=ROWS[:2], count=12)
    expect(panel.get_by_role("status")).to_have_text("12 models found.")
    assert panel.get_by_role("listbox").evaluate_all(
        "all => all.every(e => [...e.children].every(c => c.role === 'option'))"
    )
    page.page.keyboard.type("x")
    page.page.wait_for_function("() => sent.some(one => one.kind === 'search' && one.words === 'gptx')")
    page.answer(rows=[], count=0)
    expect(panel.get_by_role("status")).to_contain_text("No model found")
    if AXE.exists():
        page.page.evaluate(AXE.read_text())
        assert page.page.evaluate(RULES) == []
