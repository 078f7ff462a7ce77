"""Every attack of the shared lists on the panel's own path: Python's renderer, a message, DOMPurify, the shadow root."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from fusion_nb.core import RunState
from fusion_nb.views import candidates, markdown_to_html, mathml, panel_messages
from tests import states
from tests.browser.stage import Stage

pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)
pytestmark = pytest.mark.browser

VECTORS = Path(__file__).parents[2] / "../shared/vectors"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")
BATCH = 240
# Elements of the panel's own beside those of rendered text, and the attributes that only the panel's own have.
MATHML = {tag: sorted(mathml.ATTRIBUTES.get(tag, ())) for tag in sorted(mathml.TAGS)}
STRANGE = r"""frame => {
  const mathml = MATHML;
  const isFormula = e => e.namespaceURI === 'http://www.w3.org/1998/Math/MathML' && e.closest('.fnb-mathml')
    && e.localName in mathml && [...e.attributes].every(({ name }) => mathml[e.localName].includes(name));
  const rendered = 'h1 h2 h3 h4 h5 h6 p br hr strong em s b i code pre blockquote ul ol li a span sup div section details summary '
    + 'table thead tbody tfoot tr th td button';
  const own = 'form textarea label input select option datalist mark';
  const plain = ['class', 'href', 'title', 'start', 'colspan', 'style', 'target', 'rel', 'referrerpolicy', 'tabindex', 'aria-level',
    'hidden'];
  const strange = [];
  for (const e of frame.querySelectorAll('*')) {
    if (isFormula(e)) continue;
    const box = e.closest('.fnb-md, .fnb-piece');
    const inside = box && box !== e && !e.classList.contains('fnb-copy');
    const tags = (inside ? rendered : `${rendered} ${own}`).split(' ');
    if (e.namespaceURI !== 'http://www.w3.org/1999/xhtml' || !tags.includes(e.localName)) strange.push(e.outerHTML.slice(0, 200));
    for (const { name, value } of e.attributes) {
      const fits = inside ? plain.includes(name) : !/^on|^(src|srcset|action|formaction|href|xlink|background|ping|poster)/i.test(name);
      const width = name !== 'style' || !inside || /^width: ?[\d.]+%;?$/.test(value);
      const goes = name !== 'href' || (e.localName === 'a' && /^(https?|mailto):$/.test(e.protocol) && e.target === '_blank');
      if (!fits || !width || !goes) strange.push(`<${e.localName} ${name}=${value.slice(0, 100)}>`);
    }
  }
  return strange;
}""".replace("MATHML;", f"{json.dumps(MATHML)};")


def payloads() -> tuple[str, ...]:
    """6,613 attacks and 515 naughty strings."""
    lines = (VECTORS / "xss-payloadbox.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    naughty = json.loads((VECTORS / "blns.json").read_text(encoding="utf-8"))
    return (*filter(None, lines), *naughty)


def together(runs: list[RunState]) -> dict[str, Any]:
    """One snapshot whose rendered pieces are those of all `runs`, side by side."""
    whole = [panel_messages.snapshot(run, 1.0) for run in runs]
    html = whole[0]["html"]
    for name in html:
        if isinstance(html[name], str):
            html[name] = "".join(one["html"].get(name) or "" for one in whole)
    html["calls"] = {call: "".join(one["html"]["calls"].get(call, "") for one in whole) for call in html["calls"]}
    return whole[0]


@pytest.fixture
def stage(browser: Browser) -> Iterator[Stage]:
    context = browser.new_context(viewport={"width": 900, "height": 800})
    yield Stage(context.new_page())
    context.close()


def answers(attacks: Sequence[str]) -> dict[str, Any]:
    """A snapshot in which each attack is a candidate's whole text."""
    script = states.Script(pool=[states.CLAUDE])
    script.reply(states.CLAUDE, "x")
    state = script.close()
    said = [candidates.candidate_body(state, replace(state.replies[0], text=attack)) for attack in attacks]
    shown = panel_messages.snapshot(state, 1.0)
    shown["html"] |= {"calls": {"1": "".join(said)}, "answer": "".join(map(markdown_to_html.render_markdown, attacks))}
    return shown


@needs_vectors
def test_no_attack_gets_through_the_panel(stage: Stage) -> None:
    """7,128 attacks, each as a candidate's text and as the answer: no script, dialog, request or strange attribute."""
    attacks = payloads()
    assert len(attacks) > 7000
    panel = stage.open(states.merge())
    for start in range(0, len(attacks), BATCH):
        stage.set(snapshot=answers(attacks[start : start + BATCH]))
        expect(panel.get_by_role("tabpanel").locator(".fnb-panel")).to_have_count(len(attacks[start : start + BATCH]))
        assert panel.evaluate(STRANGE) == []
    assert stage.events == []


@needs_vectors
def test_no_place_of_the_panel_lets_an_attack_through(stage: Stage) -> None:
    """As names, notes, reasons, lanes, verdicts and criteria too, running and ended: one in ten, all with the variable."""
    attacks = payloads()[:: 1 if os.environ.get("FUSION_NB_ATTACKS") == "all" else 10]
    panel = stage.open(states.merge())
    for start in range(0, len(attacks), BATCH):
        batch = attacks[start : start + BATCH]
        # What the front end writes itself: names, prompt, notes, lanes and texts, all attacks in each.
        said = "\n\n".join(batch)
        live = together([states.hostile_running(one) for one in batch])
        stage.set(
            busy=True, snapshot={**live, "state": panel_messages.snapshot(states.hostile_running(said), 1.0)["state"]}
        )
        expect(panel.locator(".fnb-lane")).to_have_count(3)
        assert panel.evaluate(STRANGE) == []
        done = together([states.hostile(one) for one in batch])
        stage.set(busy=False, snapshot={**done, "state": panel_messages.snapshot(states.hostile(said), 1.0)["state"]})
        for tab in panel.get_by_role("tab").all():
            tab.evaluate("tab => tab.click()")
            assert panel.evaluate(STRANGE) == []
    panel.get_by_text("Compare", exact=False).first.evaluate("summary => summary.click()")
    expect(panel.locator(".fnb-difftext")).to_have_count(2)
    assert panel.evaluate(STRANGE) == []
    assert stage.events == []


def test_the_watch_sees_what_it_watches_for(stage: Stage) -> None:
    """Were an attack in the panel, the test above would fail: a handler, a foreign element, a script's link, a request."""
    panel = stage.open(states.merge())
    plant = """(frame, html) => { frame.querySelector('.fnb-md').innerHTML = html; }"""
    for attack in (
        "<p onclick=x>",
        "<svg></svg>",
        "<a href='javascript:1' target=_blank>x</a>",
        "<p style='color:red'>x",
    ):
        panel.evaluate(plant, attack)
        assert panel.evaluate(STRANGE), attack
    with stage.page.expect_event("requestfailed"):
        panel.evaluate(plant, "<img src='http://127.0.0.1:9/x.png' onerror='alert(1)'>")
    expect(panel).to_be_visible()
    assert "http://127.0.0.1:9/x.png" in stage.events
