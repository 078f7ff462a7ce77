"""Text that is written from the right, in the panel and in the static view; and characters that hide, by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from fusion_nb.views import run_html
from tests import states
from tests.browser.stage import Stage

pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)
pytestmark = pytest.mark.browser

HEBREW = """C++ עדיף!

השמיים כחולים בגלל פיזור ריילי.

- סעיף ראשון
- סעיף שני

> ציטוט

| צבע | אורך |
|:--|--:|
| כחול | 450 |

An English paragraph.

```python
x = 1  # עברית
```
"""
SIDES = """(box, selector) => [...box.querySelectorAll(selector)].map(e => {
  const range = document.createRange(); range.selectNodeContents(e);
  const [text, place] = [range.getBoundingClientRect(), e.getBoundingClientRect()];
  return Math.abs(text.left - place.left) < Math.abs(place.right - text.right) ? 'left' : 'right';
})"""
"""On which side of its box each text stands."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 900, "height": 900})
    yield context.new_page()
    context.close()


def hebrew() -> states.RunState:
    merged = states.merge()
    return replace(merged, verdict=replace(merged.verdict, answer=HEBREW, citations=()))


def check(box) -> None:
    assert box.evaluate(SIDES, "p")[:2] == ["left", "right"], "by its first letter, as the writer's own editor does"
    assert box.evaluate(SIDES, "p")[-1] == "left"
    assert box.evaluate(SIDES, "li") == ["right", "right"]
    assert box.locator("pre").evaluate("e => getComputedStyle(e).direction") == "ltr"
    assert box.locator("td").last.evaluate("e => getComputedStyle(e).textAlign") == "right"


def test_a_hebrew_answer_in_the_panel(page: Page) -> None:
    """Paragraphs, bullets, quotations and tables stand on the right, English and code on the left; the prompt too."""
    stage = Stage(page)
    panel = stage.open(hebrew(), prompt="למה השמיים כחולים?")
    box = panel.locator(".fnb-answer .fnb-md")
    check(box)
    assert box.locator("ul").evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert box.locator("blockquote").evaluate("e => getComputedStyle(e).direction") == "rtl"
    expect(panel.get_by_role("textbox", name="Prompt")).to_have_attribute("dir", "auto")
    stage.screenshot("hebrew")


def test_a_hebrew_answer_in_the_static_view(page: Page) -> None:
    """The same by style alone."""
    page.set_content(f"<!doctype html><meta charset=utf-8>{run_html.render_html(hebrew())}")
    check(page.locator(".fnb-answer .fnb-md"))


def test_a_hebrew_lane(page: Page) -> None:
    """Each line of a lane stands where its own writing begins."""
    script = states.Script(pool=[states.CLAUDE])
    call = script.start(states.CLAUDE)
    script.say(call, "השמיים כחולים")
    stage = Stage(page)
    panel = stage.open(script.state, kind="live")
    place = panel.locator(".fnb-words").first
    right = """p => { const range = document.createRange(); range.selectNodeContents(p.querySelector('span span') ?? p);
      return p.getBoundingClientRect().right - range.getBoundingClientRect().right; }"""
    assert place.evaluate(right) < 2


def test_what_hides_is_shown_in_the_prompt_names_and_notes(page: Page) -> None:
    """Wherever the panel itself writes what others sent, hidden characters are named."""
    stage = Stage(page)
    state = replace(states.merge(), prompt="admin\u034f\u202e", notes=("note\u00ad",), error="err\U000e0041or")
    pool = (replace(state.pool[0], label="cla\u200bude"), *state.pool[1:])
    first = replace(state.replies[0], ref=pool[0])
    panel = stage.open(replace(state, pool=pool, replies=(first, *state.replies[1:])))
    outcome = panel.locator(".fnb-outcome")
    for shown in ("admin[U+034F][U+202E]", "note[U+00AD]", "err[U+E0041]or", "cla[U+200B]ude"):
        expect(outcome).to_contain_text(shown)
    left = outcome.evaluate("e => e.textContent.match(/.{0,30}[\\u034f\\u202e\\u200b\\u{e0041}]/gu)")
    assert left is None


def test_an_item_stands_at_the_side_of_its_first_letter(page: Page) -> None:
    """In a Hebrew answer `C++ ...` begins at the left, as an editor sets it, its bullet with it; the others at the right."""
    merged = states.merge()
    for text, sides in (
        ("השמיים כחולים.\n\n- C++ עדיף!\n- סעיף שני", ["left", "right"]),
        ("Blue.\n\n- C++!", ["left"]),
    ):
        state = replace(merged, verdict=replace(merged.verdict, answer=text, citations=()))
        page.set_content(f"<!doctype html><meta charset=utf-8>{run_html.render_html(state)}")
        assert page.locator(".fnb-answer .fnb-md").evaluate(SIDES, "li") == sides
