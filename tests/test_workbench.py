"""The workbench from Python: traits, runs that return at once, choices on the record."""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Sequence

import pytest
from traitlets import TraitError

import fusion_nb
from fusion_nb import UserError
from fusion_nb.core import Reply
from fusion_nb.core.fold import BY_HAND
from fusion_nb.panel.model_picker import matches_search
from fusion_nb.providers import key_sources
from tests.replay import Replay
from tests.shell import Shell

pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)
PROMPT = "How many times does the letter r occur in the word strawberry?"


async def finished(panel: fusion_nb.Panel) -> None:
    ended = asyncio.Event()
    panel.observe(lambda change: change.new or ended.set(), "busy")
    if panel.busy:
        await asyncio.wait_for(ended.wait(), 30)


def run(panel: fusion_nb.Panel) -> None:
    async def main() -> None:
        panel.run()
        assert panel.busy
        await finished(panel)

    asyncio.run(main())


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "100")


def test_a_run_returns_at_once_and_leaves_result_and_frame(fast: None) -> None:
    """`run()` does not wait; when the run ends `result` and `frame` are there, and observers have heard of them."""
    panel = fusion_nb.Panel(PROMPT, "demo")
    heard = []
    panel.observe(lambda change: heard.append(change.new.status), "result")
    run(panel)
    assert panel.result is not None
    assert heard == ["ok"]
    assert panel.frame.shape[0] == 4
    assert not panel.busy
    assert panel.snapshot["state"]["run"] == panel.result.run


def test_stop_keeps_what_was_received() -> None:
    """`stop()` ends the run as cancelled; the result is there."""

    async def main() -> fusion_nb.Panel:
        panel = fusion_nb.Panel(PROMPT, "demo")
        panel.run()
        panel.stop()
        await finished(panel)
        return panel

    panel = asyncio.run(main())
    assert panel.result is not None
    assert panel.result.status == "cancelled"


def test_a_choice_is_on_the_record(fast: None) -> None:
    """A person's choice becomes the answer and says so; the judge's ranking and rationale stay what they were."""
    panel = fusion_nb.Panel(PROMPT, "demo")
    run(panel)
    before = panel.result
    assert before is not None
    panel.choose(1)
    after = panel.result
    assert after is not None
    assert after.answer == before.reply(1).text
    assert after.verdict is not None
    assert before.verdict is not None
    assert after.verdict.note.startswith(BY_HAND)
    assert (after.verdict.ranking, after.rationale) == (before.verdict.ranking, before.rationale)
    assert after.judged == before.verdict
    assert panel.frame.chosen.tolist() == [True, False, False, False]
    assert fusion_nb.load(after.run) == after
    with pytest.raises(UserError, match="not a candidate"):
        panel.choose(4)


def test_a_result_opens_its_workbench(fast: None) -> None:
    """`result.panel()` shows the run and what it asked of whom."""
    panel = fusion_nb.fuse(PROMPT, "demo").panel()
    assert panel.pool == ["demo:swift", "demo:steady", "demo:careful"]
    assert panel.prompt == PROMPT
    assert panel.snapshot["html"]["answer"]


def test_advice_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would go wrong is said before Run: an unknown name, and a judge that is a member."""
    panel = fusion_nb.Panel(PROMPT, "cluade")
    assert "claude" in panel.advice["error"]
    panel.pool = ["demo:swift", "demo:judge"]
    panel.judge = "demo:judge"
    assert "favour" in panel.advice["notes"][0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mode", "zzz", "best-of"), ("mode", "debate:9", "only a debate has rounds"), ("max_cost", -3, "max_cost"),
        ("check", ["short"], "This panel has none"), ("extract", "label", "label"), ("agree", "7", "agree"),
    ],
)  # fmt: skip
def test_a_trait_is_checked_when_it_is_set(name: str, value: object, said: str) -> None:
    """At once, with the sentence that the option has elsewhere, and not only when it is run; alone or together."""
    panel = fusion_nb.Panel(PROMPT, "demo", max_cost=1)
    before = getattr(panel, name)
    with pytest.raises(TraitError, match=f"Panel.{name} was not changed.*{said}"):
        setattr(panel, name, value)
    with pytest.raises(TraitError), panel.hold_trait_notifications():
        setattr(panel, name, value)
    assert getattr(panel, name) == before
    panel.set_state({name: value})  # as from the page, where it may be half written
    assert getattr(panel, name) == value


def test_members_by_comma_are_several_traits_too() -> None:
    """`panel.pool = "a,b"` is what `Panel(pool="a,b")` is."""
    panel = fusion_nb.Panel(PROMPT, "demo")
    panel.pool, panel.escalate = "demo:swift, demo:steady{provider={only=[a, b]}}", "demo:careful"
    assert panel.pool == ["demo:swift", "demo:steady{provider={only=[a, b]}}"]
    assert panel.escalate == ["demo:careful"]
    panel.pool = ""
    assert panel.pool == []


def test_the_catalogue_is_searched_offline() -> None:
    """Every word counts, prices are there, and no network is asked."""
    panel = fusion_nb.Panel()
    found = panel._on_search({"words": "claude opus"})
    assert found["count"] >= 3
    assert all("opus" in f"{row['entry']} {row['name']}".lower() for row in found["rows"])
    assert any("in" in row for row in found["rows"])


def test_the_catalogue_is_searched_by_price_context_and_modality() -> None:
    """`<1`, `>500k` and `image` narrow it down; a model of which nobody said so is not among them."""
    panel = fusion_nb.Panel()
    every = panel._on_search({"words": ""})["count"]
    cheap, large = (panel._on_search({"words": words}) for words in ("<1", ">500k"))
    assert 0 < cheap["count"] < every
    assert all(float(row["in"]) < 1 for row in cheap["rows"])
    assert 0 < large["count"] < every
    assert all(row["context"] > 500_000 for row in large["rows"])
    both = panel._on_search({"words": ">500k <1"})
    assert both["count"] <= min(cheap["count"], large["count"])
    image = {"entry": "a/b", "name": "B", "takes": "image"}
    assert [matches_search(image, word) for word in ("image", "audio", "<9", ">1")] == [True, False, False, False]


def test_a_key_is_refused() -> None:
    """A prompt that holds an API key is not sent: a notebook keeps it in the clear."""
    panel = fusion_nb.Panel("", "demo")
    panel.prompt = "say sk-or-v1-" + "0123456789abcdef" * 4
    with pytest.raises(UserError, match="API key"):
        panel.run()


def test_a_panel_that_closes_leaves_html(fast: None) -> None:
    """What a saved notebook keeps of a panel is readable without a kernel: never a widget's error."""
    panel = fusion_nb.fuse(PROMPT, "demo").panel()
    shell = Shell()
    try:
        shell.ip.user_ns["panel"] = panel
        live, rest = shell.run("panel").outputs
        assert "application/vnd.jupyter.widget-view+json" in live.data
        assert "application/vnd.jupyter.widget-view+json" not in rest.data
        assert "<strong>3</strong>" in rest.data["text/html"]
        kept, nothing = shell.run("panel.close()").outputs
        assert "application/vnd.jupyter.widget-view+json" not in kept.data
        assert "<strong>3</strong>" in kept.data["text/html"]
        assert not nothing.data["text/html"]
    finally:
        shell.close()


def test_judging_again_asks_no_candidate(fast: None) -> None:
    """Another mode over the same candidates: one more call, the judge's, and the candidates' cost is not paid twice."""
    panel = fusion_nb.Panel(PROMPT, "demo")
    run(panel)
    before = panel.result

    async def again() -> None:
        panel.rejudge(mode="best-of")
        await finished(panel)

    asyncio.run(again())
    assert panel.result is not None
    assert before is not None
    assert panel.result.of == before.run
    assert panel.result.mode == "best-of"
    assert [reply.cost for reply in panel.result.candidates] == [0, 0, 0]


def test_the_forecast_is_said_before_anything_is_sent() -> None:
    """What a run would take stands beside Run in a few words."""
    said = fusion_nb.Panel(PROMPT, "demo")._on_estimate({})
    assert "3 models and a judge" in said["text"]
    assert "$" in said["text"]


def shout(prompt: str) -> str:
    return prompt.upper()


def test_python_functions_are_members(fast: None) -> None:
    """`Panel(pool=[my_fn, ...])`: the trait holds names, the run asks the function; a namesake gets a name of its own."""

    def named() -> Callable[[str], str]:
        def shout(prompt: str) -> str:
            return prompt.lower()

        return shout

    panel = fusion_nb.Panel("Hi", [shout, "demo:swift", named(), shout], judge=lambda prompt: "A tie.", mode="best-of")
    assert panel.pool == ["shout", "demo:swift", "shout_2", "shout"]
    assert panel.advice["pool"] == ["shout", "demo:swift", "shout #2", "shout #3"]
    assert [row["entry"] for row in panel.offers["rows"][:2]] == ["shout", "shout_2"]
    run(panel)
    assert panel.result is not None
    assert [r.text for r in panel.result.candidates if r.ref.service == "python"] == ["HI", "hi", "HI"]
    assert "cost" in str(panel._on_estimate({})) or "$" in str(panel._on_estimate({}))


def test_a_function_that_is_called_like_a_model_stays_itself(fast: None) -> None:
    """A function named `claude` does not become the model of that name."""

    def claude(prompt: str) -> str:
        return "It is me."

    panel = fusion_nb.Panel("Hi", [claude])
    assert panel.pool == ["claude_2"]
    run(panel)
    assert panel.result is not None
    assert panel.result.answer == "It is me."


def test_functions_of_the_notebook_are_found_by_name(fast: None) -> None:
    """A name typed into the panel that is a function of the notebook is that function, as in the magic."""
    shell = Shell()
    try:
        shell.run("def mine(prompt): return 'mine: ' + prompt")
        panel = fusion_nb.Panel("Hi", "mine,demo:swift", judge="demo:judge", mode="best-of")
        run(panel)
        assert panel.result is not None
        assert panel.result.reply(1).text == "mine: Hi"
        again = panel.result.panel()
        assert again.pool == ["mine", "demo:swift"]
        shell.run("del mine")
        assert panel.result.panel().pool == ["demo:swift"]
    finally:
        shell.close()


def test_one_member_is_stopped_and_asked_anew(replay: Replay) -> None:
    """While members are asked: in the same run. Afterwards: in a new one, that keeps every other reply."""
    services = {"replay": {"base_url": replay.url}}
    pool = ["replay:rate/0/5/1000", "replay:stall/30/2", f"replay:mend/stall.30.2/{secrets.token_hex(4)}"]
    options = {"judge": "replay:scripted-judge", "mode": "best-of", "services": services}

    async def main() -> tuple[fusion_nb.Panel, fusion_nb.FusionResult]:
        panel = fusion_nb.Panel("Count.", pool, **options)
        heard: list[dict] = []
        told = asyncio.Event()

        def tell(message: dict) -> None:
            heard.append(message)
            told.set()

        panel.send_message = tell  # type: ignore[method-assign]
        panel.observe(lambda _: told.set(), "snapshot")

        def ask(kind: str, call: object) -> dict:
            panel._dispatch(panel, {"kind": kind, "id": 1, "call": call}, [])
            return next(message for message in reversed(heard) if message["kind"] == "reply")

        def begun(replies: Sequence[Reply]) -> bool:
            return [r.text[:6] for r in replies] == ["w1 w2 "] * 3 and replies[0].status is not None

        assert "under way" in ask("stop_member", 1)["error"]
        assert "no run" in ask("retry_member", 1)["error"]
        panel.run()
        assert panel._run is not None
        while not begun(panel._run.result.replies):
            told.clear()
            await asyncio.wait_for(told.wait(), 20)
        assert "no call 9" in ask("stop_member", 9)["error"]
        assert "number" in ask("stop_member", "2")["error"]
        assert "has answered" in ask("retry_member", 1)["error"]
        assert "error" not in ask("stop_member", 2)
        assert "error" not in ask("retry_member", 3)
        await finished(panel)
        first = panel.result
        assert first is not None
        assert "no member's" in ask("retry_member", 99)["error"]
        assert "error" not in ask("retry_member", 1)
        await finished(panel)
        return panel, first

    panel, first = asyncio.run(main())
    assert [r.error for r in first.replies[:4]] == [None, "stopped", "stopped", None]
    assert first.status == "ok"
    assert panel.result is not None
    assert panel.result.of == first.run
    assert [(bool(r.kept_from), r.usable) for r in panel.result.candidates] == [
        (False, True),
        (True, False),
        (True, True),
    ]


class BrokenView(fusion_nb.Panel):
    """A panel whose front end cannot be reached any more: whatever is sent to it raises."""

    broken = ("send_message", "set_snapshot")

    def send_message(self, message: dict) -> None:
        if "send_message" in self.broken:
            raise OSError("the comm is gone\x1b[2J")
        super().send_message(message)

    def set_snapshot(self, snapshot: dict) -> None:
        if "set_snapshot" in self.broken:
            raise RuntimeError("the comm is gone\x1b[2J")
        super().set_snapshot(snapshot)


@pytest.mark.parametrize("broken", [("send_message",), ("set_snapshot",), ("send_message", "set_snapshot")])
@pytest.mark.parametrize("in_loop", [True, False], ids=["loop", "thread"])
def test_a_view_that_fails_is_dropped_with_one_warning(broken: tuple, in_loop: bool, capfd, monkeypatch) -> None:
    """The run ends, its result is kept, the panel is free for the next one; one line says what happened."""
    monkeypatch.setattr(BrokenView, "broken", broken)
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "4")  # slow enough for news between two snapshots
    panel = BrokenView(PROMPT, "demo")
    for _ in range(2):
        if in_loop:
            run(panel)
        else:
            ended = threading.Event()
            panel.observe(lambda change, ended=ended: change.new or ended.set(), "busy")
            panel.run()
            assert ended.wait(30)
        assert not panel.busy
        assert panel.result is not None
        assert panel.result.status == "ok"
        assert panel.frame.shape[0] == 4
        said = capfd.readouterr().err
        assert said.count("the panel's view failed") == 1
        assert "\x1b" not in said


def sent(panel: fusion_nb.Panel, content: dict[str, object]) -> dict[str, object]:
    """What comes back for a message of the front end, by the panel's own way of taking messages."""
    replies: list[dict[str, object]] = []
    panel.send_message = replies.append  # type: ignore[method-assign]
    panel._dispatch(panel, {"id": "1", **content}, [])
    return replies[-1] if replies else {}


@pytest.mark.parametrize("name", ["open", "exit", "get_ipython", "print", "eval", "secret_of_mine", "getpass"])
def test_a_message_reaches_no_function_that_the_panel_was_not_given(name: str, fast: None) -> None:
    """A front end names a pool; what the notebook happens to hold is not called by it, and nothing of it is kept."""
    shell = Shell()
    try:
        shell.run("from getpass import getpass\ndef secret_of_mine(prompt): raise SystemExit('called')")
        panel = fusion_nb.Panel("Hi", "demo:swift")
        before = len(fusion_nb.runs())
        reply = sent(panel, {"kind": "run", "form": {"prompt": "/etc/hostname", "pool": [name], "judge": ""}})
        assert "Unknown model" in str(reply["error"])
        assert len(fusion_nb.runs()) == before
    finally:
        shell.close()


@pytest.mark.parametrize("name", ["open", "exit", "get_ipython", "print", "len", "Path"])
def test_a_pool_names_only_functions_that_a_person_wrote(name: str) -> None:
    """`%fuse --pool open FILE` reads no file."""
    shell = Shell()
    try:
        shell.run("from pathlib import Path")
        ran = shell.run(f"%fuse --pool {name} /etc/hostname")
        assert isinstance(ran.error, UserError)
        assert f"Unknown model '{name}'" in str(ran.error)
        shell.run("import functools\ndef two(a, prompt): return a + prompt\nmine = functools.partial(two, 'so: ')")
        shell.run("class Own:\n    def __call__(self, prompt): return 'own ' + prompt\nown = Own()")
        ran = shell.run("%fuse -q --pool mine,own --judge demo:judge Hi")
        assert sorted(ran.value["text"][:2]) == ["own Hi", "so: Hi"]
    finally:
        shell.close()


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "run"}, {"kind": "run", "form": 7}, {"kind": "run", "form": {"max_cost": -1}},
        {"kind": "run", "form": {"mode": "quorum"}}, {"kind": "run", "form": {"pool": 3}}, {"kind": "choose"},
        {"kind": "choose", "call": "x"}, {"kind": "retry_member"}, {"kind": "rejudge"}, {"kind": "save_pool"},
        {"kind": "forget_pool", "name": "nobody"},
    ],
)  # fmt: skip
def test_a_message_that_is_not_as_expected_is_answered_in_a_sentence(content: dict[str, object]) -> None:
    """Whatever a front end sends: a sentence comes back, nothing is raised in the kernel, and the form stays."""
    panel = fusion_nb.Panel(PROMPT, "demo", max_cost=1)
    reply = sent(panel, content)
    assert str(reply["error"]).endswith((".", ")"))
    assert (panel.max_cost, panel.mode, panel.pool, panel.busy) == (1, "merge", ["demo"], False)


def test_an_estimate_is_answered_from_a_thread_too() -> None:
    """What may wait for a network is answered from a thread of its own."""
    panel = fusion_nb.Panel(PROMPT, "demo")
    replies: list[dict[str, object]] = []
    answered = threading.Event()
    panel.send_message = lambda message: (replies.append(message), answered.set())  # type: ignore[method-assign]
    panel._dispatch(panel, {"id": "1", "kind": "estimate"}, [])
    assert answered.wait(30)
    assert "3 models and a judge" in str(replies[0]["text"])


def test_a_prompt_with_half_a_character_is_no_traceback() -> None:
    """A lone surrogate cannot be sent: it is shown and sent as a mark."""
    assert fusion_nb.Panel("\ud800", "demo").prompt == "?"


def test_a_missing_key_is_asked_for_and_stands_in_no_trait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel names the service; a key that comes by message holds for this kernel, and is in nothing it syncs."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    panel = fusion_nb.Panel("hi", pool="claude")
    assert panel.advice.get("key") == "openrouter", panel.advice
    for service, value in (("openrouter", " "), ("nobody", "sk-or-v1-abc"), ("ollama", "sk"), ("openrouter", 7)):
        assert sent(panel, {"kind": "set_key", "service": service, "value": value})["error"]
    key = "sk-or-v1-" + secrets.token_hex(16)
    try:
        assert "error" not in sent(panel, {"kind": "set_key", "service": "openrouter", "value": f" {key}\n"})
        assert "error" not in panel.advice
        assert key not in repr(panel.get_state())
        assert "OPENROUTER_API_KEY" not in os.environ
    finally:
        key_sources.keep_here("OPENROUTER_API_KEY", None)
    panel.mode = "best-of"
    assert panel.advice.get("key") == "openrouter", panel.advice
