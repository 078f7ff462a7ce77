"""The panel's hands on what selects: settings of one member, checks, how short answers are read, the cascade."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = """import os; os.environ['FUSION_NB_DEMO_SPEED'] = '1'
%load_ext fusion_nb
import fusion_nb

def says(text, name):
    def member(prompt):
        return text
    member.__name__ = name
    return member

def short(text):
    return len(text) < 40
"""
WORD = "How many times does the letter r occur in the word strawberry?"


def test_one_member_has_settings_of_its_own(open_notebook) -> None:
    """Typed in its popover, refused in a sentence where they cannot be, shown on its chip, sent, and in the frame."""
    cell = f"panel = fusion_nb.Panel({WORD!r}, 'demo:swift,demo:careful', mode='best-of')\npanel"
    show = "print(panel.frame.label.tolist())"
    notebook = open_notebook("member-settings.ipynb", SETUP, cell, show, height=1500)
    notebook.run(0)
    notebook.run(1)
    panel = notebook.output(1).locator(".fnb-live")
    panel.get_by_role("button", name="Settings of demo:swift").click()
    dialog = panel.get_by_role("dialog", name="Settings of demo:swift")
    dialog.get_by_label("temperature").fill("hot")
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog.get_by_role("alert")).to_contain_text("temperature")
    # What to do about it is in sight, without scrolling.
    expect(dialog.get_by_role("button", name="Apply")).to_be_in_viewport(ratio=1)
    notebook.screenshot("settings-refused")
    dialog.get_by_label("temperature").fill("0.3")
    dialog.get_by_label("reasoning").fill("high")
    notebook.screenshot("settings-open")
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_have_count(0)
    chip = panel.get_by_role("list", name="Pool").get_by_role("listitem").first
    expect(chip.locator(".fnb-own-settings")).to_contain_text("0.3")
    panel.get_by_role("button", name="Run", exact=True).click()
    expect(panel.get_by_role("tab")).to_have_count(2, timeout=60_000)
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("reasoning=high")
    expect(notebook.output(2)).to_contain_text("demo:careful")
    # The settings are still there to be taken away again.
    panel.get_by_role("button", name="Settings of demo:swift").click()
    expect(dialog.get_by_label("temperature")).to_have_value("0.3")
    dialog.get_by_label("temperature").press("Escape")
    expect(panel.get_by_role("button", name="Settings of demo:swift")).to_be_focused()


@pytest.mark.parametrize("width", [1280, 520])
def test_more_ways_to_an_answer(open_notebook, width: int) -> None:
    """Under "More": how short answers are found and who is asked where they differ; a check of the notebook's own. Each
    acts in the run that follows."""
    cell = (
        f"panel = fusion_nb.Panel({WORD!r}, [says('Answer: 3', 'one'), says('Answer: 2', 'two'), "
        "says('I would say that it occurs exactly three times, all counted.', 'wordy')], mode='vote', check=[short], "
        "functions=[says('Answer: 3', 'stronger')])\npanel"
    )
    show = "print(panel.result.selection)\nprint(panel.result.escalation)\nprint(panel.result.answer)"
    notebook = open_notebook(f"more-{width}.ipynb", SETUP, cell, show, width=width, height=1700)
    notebook.run(0)
    notebook.run(1)
    panel = notebook.output(1).locator(".fnb-live")
    check = panel.get_by_role("button", name="short")
    expect(check).to_have_attribute("aria-pressed", "true")
    panel.locator(".fnb-options-more > summary").click()
    panel.get_by_label("Short answers are found").fill("number")
    panel.get_by_label("Short answers are found").press("Tab")
    adder = panel.get_by_role("combobox", name="Add a model to escalate to")
    adder.fill("stronger")
    adder.press("Enter")
    expect(panel.get_by_role("list", name="Escalate to").get_by_role("listitem").first).to_contain_text("stronger")
    panel.get_by_label("Agreement needed").fill("1.5")
    panel.get_by_label("Agreement needed").press("Tab")
    expect(panel.get_by_text("agree must be a share")).to_be_visible()
    panel.get_by_label("Agreement needed").fill("4/5")
    panel.get_by_label("Agreement needed").press("Tab")
    expect(panel.get_by_text("agree must be a share")).to_have_count(0)
    notebook.screenshot(f"more-{width}")
    panel.get_by_role("button", name="Run", exact=True).click()
    expect(panel.get_by_role("tab")).to_have_count(4, timeout=60_000)
    notebook.screenshot(f"more-{width}-done")
    notebook.run(2)
    told = notebook.output(2)
    expect(told).to_contain_text("checks=('short',)")
    expect(told).to_contain_text("extract='number'")
    expect(told).to_contain_text("needed=True")
    expect(told).to_contain_text("Answer: 3")
