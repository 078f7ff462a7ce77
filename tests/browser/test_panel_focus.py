"""The keyboard's focus stays in the panel, whatever goes from under it, and what changes is announced in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from tests import states
from tests.browser.stage import Stage
from tests.browser.test_panel_stage import under_way

pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)
pytestmark = pytest.mark.browser

FOCUSED = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  return e === document.body ? 'BODY' : e.getAttribute('aria-label') || e.textContent.trim();
}"""
ROWS = [{"entry": name, "name": name, "in": "1", "out": "2"} for name in ("opus", "gpt", "gemini")]


@pytest.fixture
def stage(browser: Browser) -> Iterator:
    contexts = []

    def opened(width: int = 900) -> Stage:
        context = browser.new_context(viewport={"width": width, "height": 900})
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Stage(context.new_page())

    yield opened
    for context in contexts:
        context.close()


def focused(page: Stage) -> str:
    page.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return str(page.page.evaluate(FOCUSED))


def press(page: Stage, name: str) -> str:
    """Enter on the button of that name; where the focus is then."""
    page.page.locator(".fnb-live").get_by_role("button", name=name, exact=True).focus()
    page.page.keyboard.press("Enter")
    return focused(page)


def test_a_removed_member_gives_the_focus_to_the_next(stage) -> None:
    """Then to the one before it, and when none is left to the input, whose list stays closed."""
    page = stage()
    panel = page.open(None, pool=["a", "b*2", "c"], offers={"rows": ROWS})
    assert press(page, "Remove b") == "Remove c"
    assert press(page, "Remove c") == "Remove a"
    assert press(page, "One a fewer") == "Add a model to the pool"
    expect(panel.locator("[role=option]:visible")).to_have_count(0)
    page.page.keyboard.press("ArrowDown")
    expect(panel.locator("[role=option]:visible").first).to_be_visible()


def test_counting_keeps_the_focus(stage) -> None:
    """More and fewer of one model: up to nine and back to one the same button keeps the focus."""
    page = stage()
    panel = page.open(None, pool=["a"])
    more = panel.get_by_role("button", name="One more a")
    more.focus()
    for _ in range(10):
        page.page.keyboard.press("Enter")
    expect(panel.locator(".fnb-times")).to_have_text("×9")
    assert focused(page) == "One more a"
    assert press(page, "One a fewer") == "One a fewer"
    for _ in range(7):
        page.page.keyboard.press("Enter")
    expect(panel.locator(".fnb-times")).to_have_text("×1")
    assert focused(page) == "One a fewer"


def test_the_judge_is_picked_and_left_by_keyboard(stage) -> None:
    """Picking leaves the focus on the input, for a jury's next judge; taking one out does too."""
    page = stage()
    panel = page.open(None, offers={"rows": ROWS})
    panel.get_by_role("combobox", name="Judge").focus()
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    assert focused(page) == "Judge"
    page.page.keyboard.press("Shift+Tab")
    assert focused(page).startswith("Remove ")
    page.page.keyboard.press("Enter")
    assert focused(page) == "Judge"
    expect(panel.locator("[role=option]:visible")).to_have_count(0)


def test_tab_goes_through_the_form_without_a_gap(stage) -> None:
    """Forwards and backwards, with the lists opening on the way, the focus is never on the page's body."""
    page = stage()
    panel = page.open(states.merge(), pool=["a"], offers={"rows": ROWS, "presets": [{"name": "fast", "pool": ["x"]}]})
    panel.get_by_role("textbox", name="Prompt").focus()
    forwards = [focused(page)]
    while forwards[-1] != "Run":
        page.page.keyboard.press("Tab")
        forwards.append(focused(page))
        assert forwards[-1] != "BODY", forwards
        assert len(forwards) < 30, forwards
    backwards = [focused(page)]
    while backwards[-1] != "Prompt":
        page.page.keyboard.press("Shift+Tab")
        backwards.append(focused(page))
        assert len(backwards) < 30, backwards
    assert backwards == forwards[::-1]


def test_judge_again_keeps_the_focus_in_the_run(stage) -> None:
    """The button goes when the new run begins: the focus is on the run that takes its place."""
    page = stage()
    panel = page.open(states.merge())
    panel.get_by_role("button", name="Judge again").focus()
    page.page.keyboard.press("Enter")
    assert page.asked()["kind"] == "rejudge"
    page.answer()
    page.set(busy=True)
    page.show(replace(under_way(3), run="20260301T101600-aaaaaaaaaa"))
    expect(panel.locator(".fnb-lane").first).to_be_visible()
    assert focused(page) == "Run"
    assert (
        page.page.evaluate("document.querySelector('main > div').shadowRoot.activeElement.className") == "fnb-outcome"
    )
    page.page.keyboard.press("Tab")
    assert focused(page) != "BODY"


def test_a_choice_keeps_the_focus_in_its_tab(stage) -> None:
    """The button goes when the choice is made: the focus is on the candidate it belonged to."""
    page = stage()
    panel = page.open(states.merge())
    panel.get_by_role("tab").nth(1).click()
    panel.get_by_role("button", name="Use this one instead").focus()
    page.page.keyboard.press("Enter")
    page.answer()
    page.show(_chosen())
    expect(panel.get_by_role("button", name="Use this one instead")).to_have_count(0)
    expect(panel.get_by_role("tabpanel")).to_be_focused()


def _chosen():
    from fusion_nb.core.events import ChoiceMade
    from fusion_nb.core.fold import fold

    return fold(states.merge(), ChoiceMade(seq=99, at=9.0, call=2))


def test_a_lane_that_goes_at_the_end_of_the_run(stage) -> None:
    """Who stood on a lane's button is in the result when the run ends."""
    page = stage()
    panel = page.open(under_way(4), busy=True)
    panel.locator(".fnb-lane").nth(3).get_by_role("button", name=re.compile("Stop")).focus()
    page.set(busy=False)
    page.show(states.many(4))
    expect(panel.get_by_role("tab")).to_have_count(4)
    assert focused(page) == "Run"
    expect(panel.get_by_role("status")).to_have_text("The run has ended: done.")


def test_one_live_region_stays_from_the_form_to_the_result(stage) -> None:
    """The same node announces the members, the judge, the end, and what a button did."""
    page = stage()
    panel = page.open(None)
    regions = panel.locator("[role=status], [aria-live]")
    expect(regions).to_have_count(1)
    regions.evaluate("e => { e.mine = true; }")
    page.set(busy=True)
    page.show(under_way(4))
    expect(regions).to_have_text(re.compile("of 4 members answered"))
    page.set(busy=False)
    page.show(states.merge())
    expect(regions).to_have_text("The run has ended: done.")
    panel.get_by_role("button", name="To DataFrame").click()
    page.answer(rows=4, columns=26)
    expect(regions).to_contain_text("4 rows")
    expect(regions).to_have_count(1)
    assert regions.evaluate("e => e.mine")


def test_a_click_elsewhere_is_left_alone(stage) -> None:
    """The panel takes no focus back that a person took away."""
    page = stage()
    panel = page.open(None, pool=["a", "b"])
    page.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input id=other>')")
    panel.get_by_role("button", name="Remove a").focus()
    page.page.locator("#other").focus()
    page.set(pool=["b"])
    expect(panel.locator(".fnb-chip")).to_have_count(1)
    expect(page.page.locator("#other")).to_be_focused()
