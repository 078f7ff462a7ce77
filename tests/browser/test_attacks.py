"""Every attack at every place of the static view, in a real browser: nothing runs, nothing is asked for, nothing acts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from fusion_nb.views import estimate_view, run_html
from tests import states
from tests.attacks import WRITTEN, needs_vectors, payloads
from tests.browser.audit import Watch
from tests.test_printed import estimate_of

pytestmark = pytest.mark.browser

STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
TOGETHER = int(os.environ.get("FUSION_NB_ATTACKS_TOGETHER", "12"))
"""Attacks in one view, a paragraph each. `1` takes two minutes and is the long form."""
VIEWS = 600
"""On one page."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield context.new_page()
    context.close()


def views(attack: str) -> list[str]:
    """The attack as prompt, name, model, note, reply, error, rationale, analysis, criterion, answer; ended and running."""
    return [run_html.render_html(states.hostile(attack)), run_html.render_html(states.hostile_running(attack), now=1.0)]


def without_styles(views: list[str]) -> list[str]:
    """One sheet is enough for a page."""
    return [views[0], *(STYLE.sub("", view) for view in views[1:])]


@needs_vectors
def test_every_attack_at_every_place(page: Page) -> None:
    """7,128 attacks, each in some thirty places of two views: 0 scripts, dialogs, requests, handlers, strange attributes."""
    watch, attacks = Watch(page), payloads()
    assert len(attacks) > 7000
    texts = ["\n\n".join(attacks[start : start + TOGETHER]) for start in range(0, len(attacks), TOGETHER)]
    for start in range(0, len(texts), VIEWS):
        shown = [view for text in texts[start : start + VIEWS] for view in views(text)]
        watch.show(without_styles(shown))
        assert page.locator(".fusion-nb").count() == len(shown)
        assert watch.strangers() == []
    assert watch.events == []


def test_every_known_way_in(page: Page) -> None:
    """What front ends and sanitisers got wrong before, styles on, everything unfolded and everything clicked and hovered."""
    watch = Watch(page)
    for attack in WRITTEN:
        watch.show([*views(attack), estimate_view.html(estimate_of(attack).forecast, [attack])])
        assert watch.strangers() == [], attack
        page.evaluate(
            "document.querySelectorAll('.fusion-nb *').forEach(e => { if (e.localName === 'details') e.open = true;"
            " for (const kind of ['mouseover', 'focus', 'pointerdown', 'toggle', 'error', 'load'])"
            " e.dispatchEvent(new Event(kind, {bubbles: true})); if (!e.closest('a')) e.click?.(); })"
        )
        assert watch.strangers() == [], attack
        for name in ("config", "getElementById", "jupyter-config-data"):
            assert page.evaluate("name => document.getElementById(name) === null && !(name in document.forms)", name)
    assert watch.events == []


def test_the_watch_sees_what_it_should(page: Page) -> None:
    """A page on which each of these does get through is noticed: handlers, dialogs, requests, attributes, strays."""
    watch = Watch(page)
    planted = '<div class="fusion-nb"><img src="https://evil.example/x"><p onclick="x" id="y" class="jp-z">x</p><a href="/x">x</a></div>'
    watch.show([planted, "<script>alert(1)</script><form></form>"])
    said = "\n".join(watch.strangers())
    for part in ("<img", "onclick=x", "id=y", "class=jp-z", "href=/x", "outside: <script>", "outside: <form>"):
        assert part in said
    assert {event.split()[0] for event in watch.events} == {"dialog", "request"}


def test_a_link_opens_without_telling_where_from(page: Page) -> None:
    """A click opens a new window that has no opener and no referrer, and the link has said where it leads."""
    context = page.context
    context.route(
        "https://example.org/**", lambda route: route.fulfill(body="<title>there</title>", content_type="text/html")
    )
    context.route("https://notebook.example/**", lambda route: route.fulfill(body=view, content_type="text/html"))
    script = states.Script(pool=(states.CLAUDE,), judge=None)
    script.reply(states.CLAUDE, "[the docs](https://example.org/a)")
    view = f"<meta charset=utf-8><meta name=referrer content=unsafe-url>{run_html.render_html(script.close())}"
    page.goto("https://notebook.example/private?token=x")
    link = page.locator(".fnb-panel a")
    assert "the docs (example.org)" in page.locator(".fnb-panel").inner_text()
    with page.expect_popup() as opened:
        link.click()
    opened.value.wait_for_load_state()
    assert opened.value.url == "https://example.org/a"
    assert opened.value.evaluate("[window.opener, document.referrer]") == [None, ""]


def test_what_is_copied_is_what_is_seen(page: Page) -> None:
    """Code with directions turned around ("Trojan source") shows them by number, and a copy has these numbers, no more."""
    trojan = "if level != 'user\u202e \u2066// admin\u2069 \u2066':\n    pay\u200bment()"
    script = states.Script(pool=(states.CLAUDE,), judge=None)
    script.reply(states.CLAUDE, f"```python\n{trojan}\n```\n\n`in\u2067line` te\u200bxt")
    page.set_content(run_html.render_html(script.close()))
    copied = page.evaluate(
        "getSelection().selectAllChildren(document.querySelector('.fnb-panel')), getSelection().toString()"
    )
    assert "if level != 'user[U+202E] [U+2066]// admin[U+2069] [U+2066]':\n    pay[U+200B]ment()" in copied
    assert "in[U+2067]line te[U+200B]xt" in copied
    assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069]", page.content())
