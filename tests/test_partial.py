"""Nothing damaged is passed off as whole: who is missing, who was cut, what a call warns of, who keeps all waiting."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

import fusion_nb
from fusion_nb import FusionResult
from fusion_nb.core import Ref, RunState
from fusion_nb.core.events import CallEnded, CallStarted, Event, RunStarted, TextDelta
from fusion_nb.views import bundle, run_html
from fusion_nb.views.dataframes import frame
from fusion_nb.views.panel_messages import Feed, snapshot
from fusion_nb.views.run_text import headline
from tests import states
from tests.page import Page
from tests.replay import Replay
from tests.shell import Shell
from tests.wire_server import END, Received, Step, WireServer, delta, event, finish, head, reply, response, usage

DONE = event("[DONE]") + END
VERDICT = json.dumps({"rationale": "Both are right.", "ranking": [], "scores": {}, "analysis": {}})
MEMBERS: dict[str, list[Step]] = {
    "whole": reply("The Seine, since the third century."),
    "sound": reply("The Seine, of course."),
    "unsaid-end": [head(), event(delta("The Seine, or")), event(usage(0.001)), DONE],
    "cut": [head(), event(delta("The Seine runs")), event(finish("length")), event(usage(0.001)), DONE],
    "empty": [head(), event(finish()), event(usage(0.001)), DONE],
    "broken": response(400, {"error": {"message": "This model is gone."}}),
    "hole": [
        head(),
        event(delta("The ")),
        event('{"choices": [{"delta": {"content": "Sei'),
        event(delta(" it is.")),
        event(finish()),
        event(usage(0.001)),
        DONE,
    ],
    "silent": [head(), "hold"],
}


def answer(received: Received) -> list[Step]:
    if received.method == "GET":
        return response(404, {})
    model = received.json["model"]
    return MEMBERS[model] if model in MEMBERS else reply("The Seine is the river of Paris.", VERDICT)


def ask(*members: str, **options: Any) -> FusionResult:
    with WireServer(answer) as server:
        services = {"box": {"base_url": server.url}}
        pool = [f"box:{member}" for member in members]
        return fusion_nb.fuse("Which river?", pool, judge="box:judge", services=services, **options)


def forms(result: RunState) -> list[str]:
    """What is read of a run as HTML, Markdown and plain text."""
    shown = bundle(result)
    return [Page(shown["text/html"]).text, shown["text/markdown"].replace("\\", ""), shown["text/plain"]]


@pytest.mark.parametrize(
    ("member", "what", "options"),
    [
        ("broken", "failed", {}),
        ("empty", "sent no text", {}),
        ("silent", "timed out", {"timeout": 1.0}),
        ("silent", "was stopped", {"quorum": 2, "grace": 0.1}),
    ],
)
def test_who_is_missing_is_said_first(member: str, what: str, options: dict[str, Any]) -> None:
    """However a member gets lost: headline, note, `partial` and the frame say that the answer is of two, and of whom."""
    result = ask("whole", "sound", member, **options)
    assert result.partial
    assert list(result.missing) == [f"box:{member}"] or list(result.missing) == [member]
    (note,) = [note for note in result.notes if "of 3 models answered" in note]
    assert note.startswith("2 of 3 models answered. ")
    assert f"{member} {what}" in note
    for form in forms(result):
        assert "2 of 3 models" in form[: form.index("nswer")], form[:200]
        assert form.count(note) == 1
    assert snapshot(result, result.seconds)["html"]["pool"] == "2 of 3 models"
    attrs = result.frame().attrs
    assert attrs["partial"] is True
    assert [name.removeprefix("box:") for name in attrs["missing"]] == [member]
    assert "2 of 3 models" in repr(result)


def test_a_whole_run_says_nothing_of_it() -> None:
    """The opposite: nobody is missing, so nothing of the kind is said anywhere."""
    result = ask("whole", "judge2")
    assert not result.partial
    assert (result.missing, result.cut, result.notes) == ({}, (), ())
    assert result.frame().attrs["missing"] == {}
    for form in forms(result):
        assert "2 models" in form
        assert " of 2 models" not in form
        assert "⚠" not in form


def test_a_cut_reply_is_weighed_and_called_cut() -> None:
    """A reply that reached its limit, or whose end nobody vouches for, is judged; the run says that it is not whole."""
    result = ask("whole", "cut", max_tokens=64)
    assert result.partial
    assert [reply.ref.model for reply in result.cut] == ["cut"]
    assert result.missing == {}
    assert "2 models, 1 not whole" in headline(result)
    assert any("cut was cut off" in note for note in result.notes)
    assert result.frame().attrs["missing"].popitem()[1] == "incomplete"


def test_where_nobody_answered_the_error_says_it_once() -> None:
    """No answer at all: the error names everyone and why, and no note repeats it."""
    with pytest.raises(fusion_nb.RunFailed) as failed:
        ask("broken", "empty")
    result = failed.value.result
    assert result.notes == ()
    assert "0 of 2 models" in headline(result)
    assert forms(result)[2].count("This model is gone") == 2  # the error, and the member's own line


def test_one_member_that_is_retried_in_time_is_not_missing() -> None:
    """A member that failed and then answered in another call of the run is there."""
    script = states.Script()
    script.reply(states.CLAUDE, "", status="error", error="server", detail="Down.", cost=None, tokens=None)
    script.members()
    script.judged(labels={"K7": 2, "Q2": 3, "R4": 4}, ranking=(2, 3, 4), scores={})
    assert not script.close().partial


def warned() -> RunState:
    script = states.Script()
    script.members()
    call = script.start(states.GEMINI, round=1)
    script.say(call, "Blue light is scattered more.")
    script.end(call, status="incomplete", warnings=("no_finish", "field_dropped:<b>seed</b>"))
    script.judged()
    return script.close()


def test_a_hole_in_a_reply_is_seen_everywhere() -> None:
    """What the wire noticed of a reply stands as a sentence in every view, and as its word in the last column."""
    result = ask("whole", "hole")
    sentence = "A part of the reply could not be read: text may be missing."
    (hole,) = [reply for reply in result.replies if reply.ref.model == "hole"]
    assert "bad_event" in hole.warnings
    for form in forms(result):
        assert sentence in form
        assert "⚠" in form
    df = result.frame()
    assert "warnings" in df.columns
    assert df.warnings.dtype == "string"
    assert df.set_index("label").warnings["box:hole"] == "bad_event"
    assert df.set_index("label").warnings.isna()["box:whole"]
    assert df.attrs["remarks"] == {str(hole.call): [sentence]}


def test_where_each_view_marks_it() -> None:
    """The tab and the ledger's row carry the mark; the sentences stand under the tab and below the ledger, as text."""
    state = warned()
    page = run_html.render_html(state)
    tab = page[page.index("fnb-facts") :]
    assert '<span class="fnb-suspect" title="The service did not say that the reply is whole' in tab
    ledger = Page(page[page.rindex("<table>", 0, page.index("<tfoot>")) :]).text
    assert "cut off ⚠" in ledger
    assert "⚠ call 4, gemini: The service did not say that the reply is whole" in ledger
    assert "The service refused `&lt;b&gt;seed&lt;/b&gt;`" in page
    assert "<b>seed" not in page
    assert "⚠ gemini: The service refused `<b>seed</b>`: it was asked without it." in bundle(state)["text/plain"]


def test_a_lane_says_it_at_once() -> None:
    """While the run goes on, the lane of a call that ended with a warning shows the sentence instead of last words."""
    script = states.Script()
    call = script.start(states.CLAUDE)
    script.say(call, "Some words.")
    script.end(call, warnings=("bad_utf8",))
    shown = run_html.render_html(script.state, now=3.0)
    assert "⚠ Some characters were damaged on the way" in shown
    assert "⚠" in bundle(script.state)["text/plain"]


def test_a_panel_gets_sentences() -> None:
    """Beside the words of a warning a panel is sent its sentences: in the end of the call, and in every snapshot."""
    events: list[Event] = [
        RunStarted(seq=0, run="r", when="", prompt="p", mode="merge", pool=states.POOL[:2]),
        CallStarted(seq=1, call=1, ref=states.CLAUDE),
    ]
    sent: list[dict[str, Any]] = []
    snapshots: list[dict[str, Any]] = []
    clock = [0.0]
    feed = Feed(sent.append, snapshots.append, clock=lambda: clock[0])
    feed.handle_events(events)
    clock[0] = 1.0
    feed.handle_events([CallEnded(seq=2, at=1.0, call=1, status="ok", warnings=("not_streamed",))])
    sentence = "The reply came in one piece."
    assert sent[-1]["events"][0]["remarks"] == [sentence]
    feed.request_snapshot()
    feed.handle_events([])
    assert snapshots[-1]["state"]["replies"][0]["remarks"] == [sentence]
    assert "remarks" not in snapshots[0]["state"].get("replies", [{}])[0]


class Waiting:
    """Three members, two of them done at second 2; the third says nothing."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []
        self.now = 0.0
        self.feed = Feed(self.sent.append, self.snapshots.append, clock=lambda: self.now)
        self.seq = 0
        self.script = states.Script()
        for ref in states.POOL:
            self.script.start(ref)
        self.at(0.0)
        for call in (1, 2):
            self.script.say(call, "Blue.")
            self.script.emit(CallEnded, 2.0, call=call, status="ok", latency=2.0)
        self.at(2.0)

    def at(self, now: float) -> list[int]:
        """What the panel knows of silent members at second `now`."""
        self.now = now
        events = self.script.events[self.seq :]
        self.seq = len(self.script.events)
        before = len(self.snapshots), len(self.sent)
        self.feed.handle_events(events)
        for shown in self.snapshots[before[0] :]:
            self.known = shown["state"].get("waiting_on", [])
        for message in self.sent[before[1] :]:
            self.known = message.get("waiting_on", self.known)
        return self.known


def test_a_member_that_keeps_all_waiting_is_pointed_out() -> None:
    """Silent since its start while all others are done for a while; not before, and not once it says something."""
    run = Waiting()
    assert run.at(3.0) == []
    assert run.at(7.5) == [3]
    assert run.at(9.0) == [3]
    assert len(run.snapshots) == 2  # one to begin with, one for the silence: none is sent again and again
    run.script.emit(TextDelta, 9.5, call=3, text="At")
    assert run.at(9.6) == []
    assert run.at(30.0) == []


def test_who_thinks_or_has_nobody_waiting_is_left_in_peace() -> None:
    """A member that reasons aloud, or whose companions failed or go on, is not pointed out; a judge never is."""
    run = Waiting()
    run.script.emit(TextDelta, 3.0, call=3, text="Hm", channel="reasoning")
    assert run.at(60.0) == []
    alone = states.Script(pool=states.POOL[:2])
    alone.start(states.CLAUDE)
    alone.reply(states.GEMINI, "", status="error", error="server", detail="Down.", cost=None, tokens=None)
    assert alone.state.waiting_on(60.0) == ()
    judging = states.judging()
    assert judging.waiting_on(60.0) == ()


def test_live_html_and_terminal_say_what_to_do() -> None:
    """The sentence names the member, how long it has been silent, and `quorum`."""
    state = Waiting().script.state
    sentence = "All others are done; gpt4o has sent nothing for 9.0 s."
    for form in (Page(run_html.render_html(state, now=9.0)).text,):
        assert sentence in form
        assert "quorum 2 would not wait" in form
    assert "quorum" not in run_html.render_html(state, now=3.0)


@pytest.mark.parametrize("build", states.EXAMPLES.values(), ids=states.EXAMPLES)
def test_partial_is_what_the_headline_says(build: Callable[[], RunState]) -> None:
    """`partial` is true of exactly those runs whose headline or replies tell of somebody who is not wholly there."""
    state = build()
    if state.status == "running":
        return
    told = " of " in headline(state).split(",")[0] or "not whole" in headline(state)
    assert state.partial == told
    assert frame(state).attrs["partial"] == state.partial


def test_two_silent_members() -> None:
    """Several that keep the others waiting are named together."""
    pool = [*states.POOL, Ref("openrouter", "x/y", "fourth")]
    script = states.Script(pool=pool)
    for ref in pool:
        script.start(ref)
    for call in (1, 2):
        script.say(call, "Blue.")
        script.emit(CallEnded, 2.0, call=call, status="ok", latency=2.0)
    assert script.state.waiting_on(8.0) == (3, 4)
    assert "gpt4o and fourth have sent nothing for 8.0 s" in run_html.render_html(script.state, now=8.0)


@pytest.mark.parametrize("command", ["--rejudge", "--resume"])
def test_the_commands_that_are_named_work(command: str, replay: Replay) -> None:
    """After a stop with two of three answers there: the commands the card names judge them, or ask the third first."""
    services = {"replay": {"base_url": replay.url}}
    pool = ["replay:rate/0/5/1000", "replay:burst/7", f"replay:mend/stall.30.0/{command}"]
    shell = Shell()
    try:
        shell.ip.user_ns |= {"services": services, "pool": pool}
        shell.run("%config Fuse.services = services")
        stopped = shell.run(
            "import fusion_nb\n"
            "run = fusion_nb.stream('Count.', pool, judge='replay:scripted-judge', services=services)\n"
            "for event in run:\n"
            "    if sum(reply.usable for reply in run.result.replies) == 2: run.stop()\n"
            "result = fusion_nb.runs().iloc[0].run"
        )
        assert stopped.error is None, stopped.text
        shown = bundle(fusion_nb.load(shell.ip.user_ns["result"]))["text/plain"]
        (line,) = re.findall(rf"`(%fuse {command} \S+)`", shown)
        after = shell.run(line + " --quiet")
        assert after.error is None, after.text
        assert after.value.attrs["status"] == "ok", after.value.attrs
        assert after.value.attrs["partial"] == (command == "--rejudge")
    finally:
        shell.close()
