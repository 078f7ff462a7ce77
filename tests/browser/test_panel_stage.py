"""The panel in every state and width, with the real bundle in a real Chromium, and a test in the kernel's place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from fusion_nb.core import Ref, Reply, RunState
from tests import states
from tests.browser.stage import AXE, RULES, WIDER, Stage

pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)
pytestmark = pytest.mark.browser

LONG = "openrouter:some-vendor/a-model-with-a-very-long-name-indeed-2026-preview"
OFFERS = {
    "presets": [{"name": name, "pool": [name]} for name in ("quality", "budget", "fast", "local", "demo")],
    "pools": [
        {"name": "reviewers", "pool": ["opus", "gpt"]},
        {"name": "a name of its own that does not end " * 3, "pool": ["q"]},
    ],
    "rows": [{"entry": "opus", "name": "Claude Opus", "in": "5", "out": "25", "context": 200_000, "takes": "image"}],
}


@pytest.fixture
def stage(browser: Browser) -> Iterator:
    contexts = []

    def opened(width: int = 900, **options) -> Stage:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Stage(context.new_page())

    yield opened
    for context in contexts:
        context.close()


def under_way(count: int) -> RunState:
    """Some have ended, one has failed, one says nothing yet; the others are at it."""
    full = states.many(count)
    members = [reply for reply in full.replies if reply.role == "candidate"]
    return replace(full, status="running", verdict=None, seconds=None, replies=tuple(map(_at_it, members)))


def _at_it(reply: Reply) -> Reply:
    if reply.call == 1:
        return replace(reply, status="error", detail="The service is overloaded. " * 9)
    if reply.call == 2:
        return replace(reply, status=None, text="", ttft=None, latency=None, cost=None)
    return reply if reply.call % 3 == 0 else replace(reply, status=None, latency=None, cost=None)


def long_names() -> RunState:
    state = states.hostile("x" * 300)
    return replace(state, replies=(replace(state.replies[0], warnings=()), *state.replies[1:]))


STATES = {
    "form": (None, {"pool": ["opus", "gpt*2", "demo:careful", LONG]}),
    "eight": (under_way(8), {"busy": True}),
    "many": (under_way(24), {"busy": True, "pool": [f"vendor/model-{i}" for i in range(24)]}),
    "many-done": (states.many(24), {}),
    "one": (states.one(), {}),
    "merge": (states.merge(), {}),
    "debate": (states.debate(), {}),
    "one-failed": (states.one_failed(), {}),
    "all-failed": (states.all_failed(), {}),
    "long": (states.long_texts(), {}),
    "long-names": (long_names(), {"pool": ["y" * 200]}),
    "jury": (states.jury(), {"pool": ["claude{reasoning=high}", "gemini", "gpt4o{temperature=0}"]}),
    "jury-split": (states.jury_split(), {}),
    "checked": (states.checks_decide(), {}),
    "none-passed": (states.none_passed(), {}),
    "vote": (states.vote_tied(), {"mode": "vote"}),
    "cascade": (states.last_word(), {}),
}


@pytest.mark.parametrize("width", [320, 480, 900, 1800])
def test_every_state_fits_every_width(stage, width: int) -> None:
    """From 320 to 1,800 pixels, with 1, 8 and 24 members, failures, long texts and endless names: nothing runs out."""
    page = stage(width)
    for name, (state, traits) in STATES.items():
        panel = page.open(state, offers=OFFERS, dark=width == 480, **traits)
        if name == "form":
            panel.get_by_role("button", name="Save pool").click()
            panel.get_by_role("combobox", name="Add a model").focus()
            expect(panel.get_by_role("option").first).to_be_visible()
        expect(panel.locator(".fnb-form")).to_be_visible()
        page.screenshot(f"{name}-{width}")
        assert panel.evaluate(WIDER) == [], name
        assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    assert page.events == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_any_state(stage, dark: bool) -> None:
    """Names, roles, contrast and structure hold in every state, everything unfolded, in both themes."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run `npm ci` in js/")
    page = stage()
    for name, (state, traits) in STATES.items():
        panel = page.open(state, offers=OFFERS, dark=dark, **traits)
        page.page.evaluate(AXE.read_text())
        expect(panel.locator(".fnb-form")).to_be_visible()
        panel.evaluate("frame => frame.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert page.page.evaluate(RULES) == [], name


def test_one_member_is_stopped_and_asked_again(stage) -> None:
    """A lane's button names its call; what the kernel says against it stands in that lane, and the focus stays."""
    page = stage()
    panel = page.open(under_way(4), busy=True)
    page.screenshot("hands")
    lane = panel.locator(".fnb-lane").nth(3)
    stop = lane.get_by_role("button", name="Stop: model-4")
    stop.focus()
    page.page.keyboard.press("Enter")
    assert page.asked() | {"id": 0} == {"kind": "stop_member", "call": 4, "id": 0}
    expect(stop).to_have_text("Stopping")
    page.answer(error="This call has ended already.")
    expect(lane.get_by_role("alert")).to_have_text("This call has ended already.")
    expect(panel.locator(".fnb-lane").nth(2).get_by_role("alert")).to_have_count(0)
    page.screenshot("hands-refused")
    expect(stop).to_have_text("Stop")
    stop.click()
    page.answer()
    stopped = replace(under_way(4).replies[3], status="cancelled", error="stopped", detail="Stopped by hand.")
    page.show(replace(under_way(4), replies=(*under_way(4).replies[:3], stopped)))
    again = lane.get_by_role("button", name="Retry: model-4")
    expect(again).to_be_focused()
    page.page.keyboard.press("Enter")
    assert page.asked() | {"id": 0} == {"kind": "retry_member", "call": 4, "id": 0}
    expect(panel.locator(".fnb-lane").nth(0).get_by_role("button", name="Retry: model-1")).to_be_visible()
    expect(panel.locator(".fnb-lane").nth(2).get_by_role("button")).to_have_count(0)


def test_a_silent_call_can_be_sent_anew(stage) -> None:
    """After ten seconds without a sign of life a lane offers Retry beside Stop, not before."""
    page = stage()
    state = under_way(4)
    panel = page.open(state, busy=True, now=state.replies[1].started + 5)
    lane = panel.locator(".fnb-lane").nth(1)
    expect(lane.get_by_role("button", name="Stop")).to_be_visible()
    expect(lane.get_by_role("button", name="Retry")).to_have_count(0)
    page.show(state, now=state.replies[1].started + 11)
    expect(lane.get_by_role("button", name="Retry")).to_be_visible()


def test_a_failed_candidate_is_asked_again_after_the_run(stage) -> None:
    """Its tab offers it, the others' do not; a refusal is said there."""
    page = stage()
    panel = page.open(states.one_failed())
    panel.get_by_role("tab", name=re.compile("gemini")).click()
    panel.get_by_role("button", name="Ask again").click()
    assert page.asked()["kind"] == "retry_member"
    page.answer(error="A run is under way in this panel.")
    expect(panel.get_by_role("tabpanel").locator("..").get_by_role("alert")).to_contain_text("under way")
    page.screenshot("ask-again")
    panel.get_by_role("tab", name=re.compile("claude")).click()
    expect(panel.get_by_role("button", name="Ask again")).to_have_count(0)


def test_an_older_kernel_gets_no_button_it_cannot_answer(stage) -> None:
    """Without its word that it hears of them, no lane has buttons and no pool can be kept; all else is there."""
    page = stage()
    panel = page.open(under_way(4), busy=True, hears=[], offers={"presets": OFFERS["presets"]})
    expect(panel.locator(".fnb-lane")).to_have_count(5)
    expect(panel.locator(".fnb-lane").get_by_role("button")).to_have_count(0)
    expect(panel.get_by_role("button", name="quality")).to_be_visible()
    expect(panel.get_by_role("button", name="Save pool")).to_have_count(0)


def test_pools_are_kept_and_forgotten(stage) -> None:
    """A name is written in place; Enter keeps the pool and does not run; Escape leaves; the focus goes nowhere else."""
    page = stage()
    panel = page.open(None, offers={**OFFERS, "pools": []}, pool=["opus", "gpt"])
    save = panel.get_by_role("button", name="Save pool")
    name = panel.get_by_role("textbox", name="Name")
    save.click()
    expect(name).to_be_focused()
    page.page.keyboard.press("Escape")
    expect(save).to_be_focused()
    page.page.keyboard.press("Enter")
    expect(name).to_be_focused()
    page.page.keyboard.type(" mine ")
    page.page.keyboard.press("Enter")
    assert page.asked() | {"id": 0} == {
        "kind": "save_pool",
        "name": "mine",
        "pool": ["opus", "gpt"],
        "judge": "",
        "id": 0,
    }
    page.answer(error="A pool's name has letters in it.")
    expect(panel.get_by_role("alert")).to_contain_text("letters")
    expect(panel.get_by_role("button", name="Save", exact=True)).to_be_enabled()
    page.page.keyboard.press("Enter")
    page.answer()
    page.set(offers={**OFFERS, "pools": [{"name": "mine", "pool": ["opus", "gpt"]}]})
    expect(save).to_be_focused()
    expect(panel.get_by_role("button", name="mine", exact=True)).to_have_attribute("aria-pressed", "true")
    page.screenshot("pools")
    panel.get_by_role("button", name="Forget mine").click()
    assert page.asked() | {"id": 0} == {"kind": "forget_pool", "name": "mine", "id": 0}
    page.answer()
    page.set(offers={**OFFERS, "pools": []})
    expect(panel.get_by_role("button", name="mine", exact=True)).to_have_count(0)
    assert not [one for one in page.sent() if one["kind"] == "run"]


def warned(state: RunState, call: int, *warnings: str) -> RunState:
    """The same run, with warnings of one call."""
    replies = [replace(reply, warnings=warnings) if reply.call == call else reply for reply in state.replies]
    return replace(state, replies=tuple(replies))


@pytest.mark.parametrize("width", [320, 900])
def test_a_badge_fits_a_tab(stage, width: int) -> None:
    """A candidate that seems to speak to the judge is marked on its tab, from the narrowest panel on."""
    page = stage(width)
    panel = page.open(warned(states.merge(), 2, "suspect:plea"))
    expect(panel.get_by_role("tab").nth(1)).to_contain_text("speaks to the judge")
    expect(panel.get_by_role("tab").nth(0)).not_to_contain_text("speaks to the judge")
    panel.get_by_role("tab").nth(1).click()
    expect(panel.get_by_role("tabpanel").get_by_text("it asks to be chosen")).to_have_count(1)
    assert panel.evaluate(WIDER) == []
    page.screenshot(f"badge-{width}")


@pytest.mark.parametrize("width", [320, 900])
def test_every_warning_of_a_call_is_seen(stage, width: int) -> None:
    """In its lane when the call ends, on its tab, under it, and with the ledger: a mark and what it means."""
    page = stage(width)
    state = warned(under_way(4), 3, "seed_ignored", "suspect:plea")
    panel = page.open(state, busy=True)
    lane = panel.locator(".fnb-lane").nth(2)
    expect(lane.locator(".fnb-remark")).to_contain_text("The service takes no seed")
    expect(panel.locator(".fnb-lane").nth(0).locator(".fnb-remark")).to_have_count(0)
    page.screenshot(f"warned-lane-{width}")
    page.set(busy=False)
    page.show(warned(states.merge(), 2, "seed_ignored", "no_finish"))
    tab = panel.get_by_role("tab").nth(1)
    expect(tab).to_contain_text("2 warnings")
    expect(panel.get_by_role("tab").nth(0)).not_to_contain_text("warning")
    tab.click()
    expect(panel.get_by_role("tabpanel").get_by_text("The service takes no seed")).to_have_count(1)
    ledger = panel.locator(".fnb-ledger", has_text="Ledger")
    ledger.locator("summary").click()
    expect(ledger.get_by_text("The service did not say that the reply is whole")).to_have_count(1)
    assert panel.evaluate(WIDER) == []
    page.screenshot(f"warned-{width}")


def test_a_word_without_a_sentence_is_shown_itself(stage) -> None:
    """Where the kernel sends no sentence for a warning, its word stands there; what hides in a sentence is named."""
    page = stage()
    panel = page.open(warned(states.merge(), 2, "seed_ignored"))
    page.page.evaluate("""() => {
      delete values.snapshot.state.replies[1].remarks; values.snapshot.html.calls = {}; values.snapshot.html.ledger = '';
      values.snapshot.state.replies[2].remarks = ['A line\u202e turned']; fire('change:snapshot');
    }""")
    panel.get_by_role("tab").nth(1).click()
    expect(panel.get_by_role("tabpanel")).to_contain_text("seed_ignored")
    panel.get_by_role("tab").nth(2).click()
    expect(panel.get_by_role("tabpanel")).to_contain_text("A line[U+202E] turned")
    expect(panel.locator(".fnb-remarks")).to_contain_text("call 2, gemini: seed_ignored")


def test_a_run_from_which_someone_is_missing_says_so_first(stage) -> None:
    """The headline counts who answered; while the run goes on, who is asked."""
    page = stage()
    panel = page.open(states.one_failed())
    expect(panel.locator(".fnb-outcome .fnb-head")).to_contain_text("merge · 2 of 3 models")
    page.show(states.merge())
    expect(panel.locator(".fnb-outcome .fnb-head")).to_contain_text("merge · 3 models · judge")
    page.show(under_way(4))
    expect(panel.locator(".fnb-outcome .fnb-head")).to_contain_text(" · 4 models · judge")


def test_one_can_go_on_without_a_silent_member(stage) -> None:
    """Where all others are done and one has said nothing, its lane offers to go on without it, in a cell too."""
    page = stage()
    for kind in ("workbench", "live"):
        state = under_way(3)
        done = [replace(reply, status="ok", latency=2.0) for reply in state.replies]
        state = replace(state, replies=(done[0], state.replies[1], done[2]))
        panel = page.open(state, busy=True, kind=kind, now=2.2)
        button = panel.get_by_role("button", name="Go on without it")
        expect(panel.locator(".fnb-lane").nth(1)).to_be_visible()
        expect(button).to_have_count(0)
        page.show(state, now=40.0)
        lane = panel.locator(".fnb-lane").nth(1)
        expect(lane).to_contain_text("all others are done")
        expect(panel.get_by_role("status")).to_contain_text("nothing has come from model-2")
        assert panel.evaluate(WIDER) == []
        page.screenshot(f"waiting-{kind}")
        button.click()
        assert page.asked() | {"id": 0} == {"kind": "stop_member", "call": 2, "id": 0}
        expect(lane).to_contain_text("goes on without it")
        page.tell(
            {"kind": "news", "from": 0, "to": 0, "now": 41.0, "events": [
                {"event": "TextDelta", "seq": 0, "at": 41.0, "call": 2, "text": "At last"}
            ]}
        )  # fmt: skip
        expect(button).to_have_count(0)
        expect(lane.locator(".fnb-words")).to_contain_text("At last")


@pytest.mark.parametrize("width", [320, 900, 1800])
def test_compared_texts_take_the_whole_width(stage, width: int) -> None:
    """Two texts side by side fill the panel, and stand below one another where it is narrow."""
    page = stage(width)
    panel = page.open(states.merge())
    panel.get_by_text("Compare", exact=False).first.click()
    sides = panel.locator(".fnb-difftext")
    expect(sides).to_have_count(2)
    left, right, whole = sides.first.bounding_box(), sides.last.bounding_box(), panel.bounding_box()
    assert right["x"] + right["width"] > min(width, 1500) - 60
    assert (left["y"] == right["y"]) == (width > 600)
    assert left["width"] > (0.4 if width > 600 else 0.8) * whole["width"]
    page.screenshot(f"compare-{width}")


def test_an_unknown_price_is_said(stage) -> None:
    """Where nobody knows a model's price, words say so; a Python function has none."""
    page = stage()
    rows = [
        {"entry": "mine", "name": "mine(), a Python function", "kin": "python"},
        {"entry": "new", "name": "New"},
        *OFFERS["rows"],
    ]
    panel = page.open(None, offers={**OFFERS, "rows": rows}, pool=["mine", "new", "opus"])
    chips = panel.locator(".fnb-chip")
    expect(chips.nth(0)).to_have_text("mine−×1+✕")
    expect(chips.nth(1)).to_have_text("newprice unknown−×1+✕")
    expect(chips.nth(2)).to_have_text("opus$5.00 / $25.00−×1+✕")


def test_lanes_do_not_move_while_texts_arrive(stage) -> None:
    """What arrives is added at the end: no lane changes its place or height, and the newest words are seen."""
    page = stage()
    pool = [Ref("test", f"m{i}") for i in range(4)]
    script = states.Script(pool=pool)
    for ref in pool:
        script.start(ref)
    panel = page.open(script.state, kind="live", now=0.1)
    boxes = (
        "frame => [...frame.querySelectorAll('.fnb-lane')].map(e => JSON.stringify(e.getBoundingClientRect())).join()"
    )
    before = panel.evaluate(boxes)
    seq = -1
    for step in range(40):
        events = [
            {"event": "TextDelta", "seq": 0, "at": 0.1, "call": call, "text": f"word {step} of many, " * 5}
            for call in range(1, 5)
        ]
        page.tell({"kind": "news", "from": seq + 1, "to": seq + 4, "now": 0.2, "events": events})
        seq += 4
    expect(panel.locator(".fnb-words").nth(3)).to_contain_text("word 39 of many, word 39 of many")
    assert panel.evaluate(boxes) == before
    assert panel.locator(".fnb-words").nth(3).evaluate("e => e.textContent.length") < 3000
    page.screenshot("flowing")


def test_nothing_moves_for_those_who_asked(stage) -> None:
    """With reduced motion no animation runs, in a lane that waits as elsewhere; without, the waiting lane's does."""
    moving = "frame => frame.getAnimations({ subtree: true }).length"
    assert stage(reduced_motion="reduce").open(under_way(4), busy=True).evaluate(moving) == 0
    assert stage().open(under_way(4), busy=True).evaluate(moving) > 0


def test_a_thousand_views_leave_no_listener(stage) -> None:
    """Opened and closed a thousand times in a real browser, the model has as many listeners as before, and then none."""
    page = stage()
    page.open(None, kind="live")
    script = """async () => {
      const before = count();
      for (let i = 0; i < 1000; i++) widget.render({ model, el: document.createElement('div') })();
      await new Promise(done => setTimeout(done, 50));
      return [before, count()];
    }"""
    before, after = page.page.evaluate(script)
    assert before == after > 0


@pytest.mark.parametrize("dark", [False, True])
def test_a_missing_key_is_typed_unseen_and_sent_once(stage, dark: bool) -> None:
    """A masked field where a key is missing; Enter sends it in one message, and nothing of it stays on the page."""
    missing = {"error": "No API key for openrouter: set OPENROUTER_API_KEY, or try --pool demo.", "key": "openrouter"}
    page = stage()
    panel = page.open(dark=dark, advice=missing, pool=["claude"])
    field = panel.get_by_label("API key for openrouter")
    expect(field).to_have_attribute("type", "password")
    page.screenshot(f"key-{'dark' if dark else 'light'}")
    page.page.add_script_tag(path=AXE)
    assert page.page.evaluate(RULES) == []
    field.fill("sk-or-v1-secret")
    field.press("Enter")
    asked = page.asked()
    assert {name: asked[name] for name in ("kind", "service", "value")} == {
        "kind": "set_key", "service": "openrouter", "value": "sk-or-v1-secret",
    }  # fmt: skip
    expect(field).to_have_value("")
    assert "run" not in [one["kind"] for one in page.sent()]
    page.answer(error="The keyring is locked.")
    expect(panel.get_by_text("The keyring is locked.")).to_be_visible()
    page.set(advice={"pool": ["claude"]})
    expect(field).to_have_count(0)
    assert "secret" not in page.page.evaluate("JSON.stringify(values)")
