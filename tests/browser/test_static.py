"""The static view as a browser shows it: in light and dark, wide and narrow, and twice on one page. See also `test_attacks`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fusion_nb.views import run_html
from tests import states

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
BREAKS = """
() => [...document.querySelectorAll('.fusion-nb *')].filter(e => {
  const r = e.getBoundingClientRect();
  if (!r.width || !r.height || e.closest('pre, .fnb-wide, .fnb-md, .fnb-panel, .fnb-lanes')) return false;
  return r.right > innerWidth + 1 || r.left < -1;
}).map(e => e.outerHTML.slice(0, 120))
"""


class Sheet:
    """A page of its own that notes every dialog, request, error and message."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[str] = []
        page.on("dialog", lambda dialog: (self.events.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.events.append(f"request {request.url}"))
        page.on("pageerror", lambda error: self.events.append(f"error {error}"))
        page.on("popup", lambda popup: self.events.append(f"popup {popup.url}"))

    def show(self, *views: str, body: str = "") -> None:
        self.page.set_content(f"<!doctype html><meta charset=utf-8><body {body}>{'<hr>'.join(views)}</body>")

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"static-{name}.png", full_page=True)


@pytest.fixture
def sheet(browser: Browser) -> Iterator:
    contexts = []

    def opened(width: int = 1200, scheme: str = "light") -> Sheet:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Sheet(context.new_page())

    yield opened
    for context in contexts:
        context.close()


def panel(page: Page, name: str, within: str = ""):
    return (
        page.locator(f"{within} .fnb-tabs > details")
        .filter(has=page.locator(f"b:text-is('{name}')"))
        .locator(".fnb-panel")
    )


def brightness(page: Page, selector: str, prop: str) -> float:
    """0 is black, 1 white, of a computed colour."""
    script = """([s, p]) => { const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
      c.fillStyle = getComputedStyle(document.querySelector(s))[p]; c.fillRect(0, 0, 1, 1);
      const [r, g, b] = c.getImageData(0, 0, 1, 1).data; return (r + g + b) / 765; }"""
    return page.evaluate(script, [selector, prop])


@pytest.mark.parametrize("width", [320, 380, 700, 1200, 1800])
@pytest.mark.parametrize(
    "name",
    ["merge", "many", "one_failed", "judging", "debate", "long_texts", "jury", "jury_split", "checks_decide", "none_passed",
     "vote_tied", "last_word", "jury_reading"],
)  # fmt: skip
def test_every_width_holds_every_run(sheet, name: str, width: int) -> None:
    """From 320 to 1800 pixels nothing runs out of the page, with one candidate and with eight."""
    page = sheet(width)
    page.show(run_html.render_html(states.EXAMPLES[name](), now=2.0))
    page.screenshot(f"{name}-{width}")
    assert page.page.evaluate(BREAKS) == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.events == []


@pytest.mark.parametrize("width", [320, 1200])
def test_endless_names_stay_in_the_page(sheet, width: int) -> None:
    """Names, labels and words of 300 characters are cut or broken, never pushed out of the view."""
    page = sheet(width)
    page.show(
        run_html.render_html(states.hostile("x" * 300)),
        run_html.render_html(states.hostile_running("word " * 60), now=1.0),
    )
    page.screenshot(f"endless-{width}")
    assert page.page.evaluate(BREAKS) == []


def test_one_tab_is_open_at_a_time(sheet) -> None:
    """A click on a name shows that candidate in the other's place; a second click does not leave an empty space."""
    page = sheet()
    page.show(run_html.render_html(states.merge()))
    expect(panel(page.page, "claude")).to_be_visible()
    top = panel(page.page, "claude").bounding_box()["y"]
    names = page.page.locator(".fnb-tabs summary b")
    assert len({round(box["y"]) for i in range(3) if (box := names.nth(i).bounding_box())}) == 1
    page.page.locator("summary", has_text="gemini").click()
    expect(panel(page.page, "gemini")).to_be_visible()
    expect(panel(page.page, "claude")).to_be_hidden()
    assert abs(panel(page.page, "gemini").bounding_box()["y"] - top) < 1
    page.page.locator("summary", has_text="gemini").click(force=True)
    expect(panel(page.page, "gemini")).to_be_visible()


def test_tabs_work_with_the_keyboard(sheet) -> None:
    """Tab reaches a candidate's name, Enter opens it."""
    page = sheet()
    page.show(run_html.render_html(states.merge()))
    page.page.locator(".fnb-tabs summary", has_text="gpt4o").focus()
    page.page.keyboard.press("Enter")
    expect(panel(page.page, "gpt4o")).to_be_visible()
    expect(panel(page.page, "claude")).to_be_hidden()


def test_enter_on_the_open_tab_leaves_something_to_read(sheet) -> None:
    """Enter on the candidate that is open, twice and thrice, and leaving it then: one candidate is seen at every time."""
    page = sheet()
    page.show(run_html.render_html(states.merge()))
    page.page.locator(".fnb-tabs summary", has_text="gpt4o").focus()
    for _ in range(3):
        page.page.keyboard.press("Enter")
        expect(panel(page.page, "gpt4o")).to_be_visible()
        expect(panel(page.page, "claude")).to_be_hidden()
    page.page.keyboard.press("Enter")
    page.page.evaluate("document.activeElement.blur()")
    expect(page.page.locator(".fnb-tabs .fnb-panel:visible")).to_have_count(1)


def test_the_same_result_twice_does_not_interfere(sheet) -> None:
    """Shown in two cells, each has its own open tab, and a click in one leaves the other alone."""
    page, state = sheet(), states.merge()
    page.show(f"<div id=a>{run_html.render_html(state)}</div>", f"<div id=b>{run_html.render_html(state)}</div>")
    expect(panel(page.page, "claude", "#a")).to_be_visible()
    expect(panel(page.page, "claude", "#b")).to_be_visible()
    page.page.locator("#a summary", has_text="gemini").click()
    expect(panel(page.page, "gemini", "#a")).to_be_visible()
    expect(panel(page.page, "claude", "#b")).to_be_visible()


def test_narrow_tabs_become_a_list(sheet) -> None:
    """In 380 pixels the candidates stand below one another, and the judge below them."""
    page = sheet(380)
    page.show(run_html.render_html(states.merge()))
    tops = [page.page.locator(".fnb-tabs summary").nth(i).bounding_box()["y"] for i in range(3)]
    assert tops[0] < tops[1] < tops[2]
    assert page.page.locator(".fnb-judge").bounding_box()["y"] > tops[2]


def test_wide_has_two_columns(sheet) -> None:
    """At 1200 pixels the judge stands beside the candidates."""
    page = sheet()
    page.show(run_html.render_html(states.merge()))
    left, right = page.page.locator(".fnb-tabs").bounding_box(), page.page.locator(".fnb-judge").bounding_box()
    assert right["x"] > left["x"] + left["width"]
    assert abs(right["y"] - left["y"]) < 60


@pytest.mark.parametrize(
    ("scheme", "body", "dark"),
    [
        ("light", "", False),
        ("dark", "", True),
        ("dark", "data-jp-theme-light=true", False),
        ("light", "data-jp-theme-light=false", True),
        ("light", "class=vscode-dark", True),
        ("dark", "class=vscode-light", False),
        ("light", "data-theme=dark", True),
    ],
)
def test_the_theme_decides(sheet, scheme: str, body: str, dark: bool) -> None:
    """Light and dark follow the notebook's theme where it names one, else the system; text always stands out."""
    page = sheet(scheme=scheme)
    page.show(run_html.render_html(states.demo()), body=body)
    page.screenshot(f"demo-{'dark' if dark else 'light'}")
    ground, text = (brightness(page.page, ".fusion-nb", p) for p in ("backgroundColor", "color"))
    assert (ground < 0.3, text > 0.7) == (dark, dark)
    for part in (".fnb-demo", ".fnb-facts", ".fnb-title", "code"):
        over = brightness(page.page, part, "color")
        assert abs(over - ground) > 0.3, part


def test_without_styles_it_reads_well(sheet) -> None:
    """Where styles, classes and names are stripped (GitHub, an untrusted notebook): answer, candidates to unfold, ledger."""
    bare = re.sub(r"<style>.*?</style>", "", run_html.render_html(states.merge()), flags=re.DOTALL)
    bare = re.sub(r' (class|style|title|name)="[^"]*"', "", bare)
    page = sheet(800)
    page.show(bare)
    page.screenshot("stripped")
    text = page.page.locator("body").inner_text()
    assert text.index("Fused answer") < text.index("far more than long ones.[all 3]") < text.index("Candidates")
    assert "claude · rank 1 · 9.3 · 1.9 s · $0.0031" in text
    page.page.locator("summary", has_text="gemini").click()
    expect(page.page.locator("td", has_text="650 nm").first).to_be_visible()


def test_lanes_do_not_move_while_texts_arrive(sheet) -> None:
    """As words come in, every lane stays at its place and of its height; only the answer above may grow."""
    page = sheet()
    script = states.Script()
    calls = [script.start(ref) for ref in states.POOL]
    seen = set()
    for _ in range(6):
        page.show(run_html.render_html(script.state, now=1.0))
        boxes = [page.page.locator(".fnb-lanes > li").nth(i).bounding_box() for i in range(4)]
        seen.add(json.dumps(boxes))
        for call in calls:
            script.say(call, "some words that fill the lane, and\n\n more lines ")
    assert len(seen) == 1


def test_tabs_stand_in_even_rows_on_a_line(sheet) -> None:
    """Three candidates share one row and its whole width; of eight, every row has a line below it."""
    page = sheet(1300)
    page.show(run_html.render_html(states.merge()), run_html.render_html(states.many()))
    boxes = """all => all.map(e => [e.getBoundingClientRect().top, e.getBoundingClientRect().width,
      getComputedStyle(e).borderBottomColor])"""
    three, eight = (tabs.locator("summary").evaluate_all(boxes) for tabs in page.page.locator(".fnb-tabs").all())
    assert len({top for top, *_ in three}) == 1
    assert max(width for _, width, _ in three) - min(width for _, width, _ in three) < 1
    assert all(colour != "rgba(0, 0, 0, 0)" for _, _, colour in (*three, *eight))
