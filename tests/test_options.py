"""The table of options: every option acts in a call or is refused by it before anything is sent. No third outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import options
from fusion_nb.errors import FusionError, RunFailed, UserError
from fusion_nb.options import ASKING, CALLS, DERIVED, LINE, ROWS, TABLE
from fusion_nb.resolve.estimate import Estimate
from tests.chat_service import ChatService, chat_service

PROMPT = "What is six times seven?"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENROUTER_API_KEY", "the-first-key")
    monkeypatch.setenv("OTHER_KEY", "the-second-key")
    monkeypatch.setenv("FUSION_NB_TRUST", "http://127.0.0.1:* OPENROUTER_API_KEY OTHER_KEY")
    RELEASED.append(threading.Event())
    yield
    RELEASED[-1].set()


@pytest.fixture
def service() -> Iterator[ChatService]:
    with chat_service() as running:
        yield running


@dataclass
class Seen:
    """What one call did."""

    service: ChatService
    """What it was sent during the call."""
    result: Any = None
    """A `FusionResult`, or an `Estimate`."""
    error: FusionError | None = None
    kept: bool = True
    """Whether the journal has it."""

    @property
    def spec(self) -> Any:
        return self.result.spec if isinstance(self.result, Estimate) else self.result


class Caller:
    """Makes each of the calls in the same situation: a pool of two, a judge, and for derived ones a past run."""

    def __init__(self, service: ChatService) -> None:
        self.service = service
        self.names = {"services": {"openrouter": {"base_url": service.url}}}

    def past(self, call: str, pool: list[Any] | None = None) -> Any:
        """A run that `call` can continue."""
        members = pool or (["fast", "failing"] if call == "retry" else ["fast", "other"])
        if call != "resume":
            return fusion_nb.fuse(PROMPT, **self._pool(members), **self.names)
        with fusion_nb.stream(PROMPT, **self._pool([*members, "slow"]), **self.names) as run:
            for _ in run:
                if sum(reply.status is not None for reply in run.result.replies) == len(members):
                    run.stop()
        return run.result

    def make(self, call: str, given: dict[str, Any], past: Any = None) -> Seen:
        """The call, made; nothing of what went before counts."""
        before = set(fusion_nb.runs()["run"])
        self.service.bodies.clear()
        self.service.keys.clear()
        self.service.most_at_once = 0
        seen = Seen(self.service)
        try:
            seen.result = self._made(call, given, past)
        except RunFailed as failed:
            seen.result, seen.error = failed.result, failed
        except FusionError as error:
            seen.error = error
        seen.kept = bool(set(fusion_nb.runs()["run"]) - before)
        return seen

    def _made(self, call: str, given: dict[str, Any], past: Any) -> Any:
        base = dict(self.names)
        if call in ASKING:
            base |= self._pool(["fast", "other"])
        asked = {**base, **given}
        if call in DERIVED:
            members = [["openrouter:third"]] if call == "add" else []
            return getattr(fusion_nb, call)(past, *members, **asked)
        if call == "afuse":
            return asyncio.run(fusion_nb.afuse(PROMPT, **asked))
        if call == "fuse_frame":
            frame = pd.DataFrame({"prompt": [PROMPT]})
            done = fusion_nb.fuse_frame(frame, "{prompt}", show_progress=False, **asked)
            return fusion_nb.load(done["run"].iloc[0]) if given.get("journal", True) else done
        if call == "stream":
            with fusion_nb.stream(PROMPT, **asked) as run:
                list(run)
            return run.result
        if call == "panel":
            return self._in_a_panel(asked)
        return getattr(fusion_nb, call)(PROMPT, **asked)

    def _in_a_panel(self, asked: dict[str, Any]) -> Any:
        panel = fusion_nb.Panel(PROMPT, **asked)
        try:
            panel.run()
            while panel.busy:
                panel._run.pause(0.05)
            return panel.result
        finally:
            panel.close()

    def _pool(self, members: list[Any]) -> dict[str, Any]:
        named = [member if callable(member) else f"openrouter:{member}" for member in members]
        return {"pool": named, "judge": "openrouter:judge"}


def mine(prompt: str) -> str:
    """A member of the notebook's own."""
    return "I say 42."


def yes(_: object) -> bool:
    return True


def begins_with_fast(text: str) -> bool:
    return text.startswith("fast")


RELEASED = [threading.Event()]


def never(text: str) -> bool:
    return False


def dawdles(text: str) -> bool:
    return RELEASED[-1].wait(30)


TOLD: list[Any] = []

# Of each option: a value, what is given beside it, and what shows that it acted.
Probe = tuple[Any, dict[str, Any], Callable[[Seen], bool]]
CHEAP = Decimal("0.0000001")
WIDE = {"pool": ["openrouter:fast", "openrouter:other", "openrouter:slow"]}


def members(seen: Seen) -> list[dict[str, Any]]:
    return [body for body in seen.service.bodies if body["model"] not in ("judge", "critic")]


def field_sent(name: str, value: Any) -> Callable[[Seen], bool]:
    return lambda seen: bool(members(seen)) and all(body.get(name) == value for body in members(seen))


def in_spec(path: str, value: Any) -> Callable[[Seen], bool]:
    def look(seen: Seen) -> bool:
        found = seen.spec
        for step in path.split("."):
            found = getattr(found, step)
        return bool(found == value)

    return look


def noted(words: str) -> Callable[[Seen], bool]:
    return lambda seen: any(words in note for note in seen.result.notes)


def denied(seen: Seen) -> bool:
    """Nothing could be paid: refused at once, or every paid call denied."""
    refused = [seen.error, seen.result and seen.result.error, seen.result and seen.result.verdict]
    return not seen.service.bodies and any("Not asked" in str(what) or "too small" in str(what) for what in refused)


def timed_out(error: str) -> Callable[[Seen], bool]:
    return lambda seen: any(reply.error == error for reply in seen.result.replies)


PROBES: dict[str, Probe] = {
    "pool": (["openrouter:third"], {}, lambda s: [r.model for r in s.spec.pool] == ["third"]),
    "mode": ("best-of", {}, in_spec("mode", "best-of")),
    "judge": ("openrouter:critic", {}, lambda s: s.spec.judge.model == "critic"),
    "then": ("best-of", {"mode": "debate"}, in_spec("then", "best-of")),
    "criteria": ("humour", {}, in_spec("criteria", ("humour",))),
    "check": (begins_with_fast, {}, lambda s: s.result.verdict.state == "checked" and "judge" not in s.service.models),
    "check_timeout": (0.2, {"check": dawdles}, lambda s: "within 0.2 s" in str([reply.checks for reply in s.result.replies])),
    "deeper": (1, {"check": never}, lambda s: len(members(s)) == 4 and "did not let it pass" in s.service.prompts("fast")),
    "extract": ("number", {}, lambda s: s.result.agreement.answers == ("42",)),
    "weights": ([1, 2], {"mode": "vote", "extract": "text"}, lambda s: s.result.verdict.chosen == (2,)),
    "escalate": ("openrouter:third", {}, lambda s: "third" in s.service.models),
    "agree": ("1/2", {"escalate": "openrouter:third", "extract": "text"}, lambda s: "third" not in s.service.models),
    "escalate_shadow": (True, {"escalate": "openrouter:third", "extract": "number"}, lambda s: "third" in s.service.models),
    "orders": (2, {}, lambda s: len(s.service.sent_to("judge")) == 2 if s.service.bodies else s.spec.orders == 2),
    "system": ("Be kind.", {}, in_spec("params.system", "Be kind.")),
    "temperature": (0.25, {}, in_spec("params.temperature", 0.25)),
    "seed": (7, {}, in_spec("seed", 7)),
    "reasoning": ("low", {}, in_spec("params.reasoning", "low")),
    "max_cost": (CHEAP, {}, denied),
    "max_cost_per_session": (CHEAP, {}, denied),
    "max_cost_per_day": (CHEAP, {}, denied),
    "confirm_over": (CHEAP, {"confirm": lambda _: False}, lambda s: s.error is not None and not s.service.bodies),
    "confirm": (lambda e: TOLD.append(e) or True, {"confirm_over": CHEAP}, lambda s: bool(TOLD) and bool(s.service.bodies)),
    "max_tokens": (77, {}, lambda s: all((b.get("max_tokens") or b["max_completion_tokens"]) in (77, 154) for b in s.service.bodies) and s.spec.limits.max_tokens == 77),
    "timeout": (0.5, WIDE, timed_out("total")),
    "ttft": (0.5, WIDE, timed_out("ttft")),
    "idle": (0.5, {"pool": ["openrouter:fast", "openrouter:pausing"]}, timed_out("idle")),
    "quorum": (2, {**WIDE, "grace": 0.0}, lambda s: s.spec.limits.quorum == 2),
    "grace": (0.1, {**WIDE, "quorum": 2}, lambda s: s.spec.limits.grace == 0.1),
    "concurrency": (1, {}, lambda s: s.service.most_at_once <= 1 and s.spec.limits.concurrency == 1),
    "allow_unpriced": (True, {"pool": ["openrouter:fast", "openrouter:unlisted"], "max_cost": 1}, in_spec("limits.allow_unpriced", True)),
    "batch": (True, {}, lambda s: "no batch API" in str(s.error) and not s.service.bodies),
    "base_url": ("URL", {"pool": ["third", "openrouter:fast"]}, lambda s: "third" in [r.model for r in s.spec.pool]),
    "key_env": ("OTHER_KEY", {"base_url": "URL", "pool": ["third", "openrouter:fast"]}, lambda s: not s.service.bodies or "the-second-key" in s.service.keys),
    "aliases": ({"mini": "openrouter:third"}, {"pool": ["mini", "openrouter:fast"]}, lambda s: "third" in [r.model for r in s.spec.pool]),
    "services": ("SERVICES", {"pool": ["corp:third", "openrouter:fast"]}, lambda s: "corp" in [r.service for r in s.spec.pool]),
    "functions": ([mine], {}, lambda s: any(r.text == "I say 42." for r in s.result.candidates)),
    "call": (1, {}, lambda s: s.service.models[:1] == ["fast"]),
    "tag": ("invoices", {}, in_spec("tag", "invoices")),
    "journal": (False, {}, lambda s: not s.kept),
    "replay": (True, {}, lambda s: not s.service.bodies),
    "progress": (TOLD.append, {}, lambda s: bool(TOLD)),
}  # fmt: skip
# What shows it where the call is another: an estimate sends nothing, a derived run has its members already.
INSTEAD: dict[tuple[str, str], Probe] = {
    ("estimate", "check"): (begins_with_fast, {}, in_spec("selection.checks", ("begins_with_fast",))),
    ("estimate", "check_timeout"): (0.2, {"check": never}, in_spec("selection.check_timeout", 0.2)),
    ("estimate", "deeper"): (1, {"check": never}, lambda s: s.result.lines[0].calls.high == 2),
    ("estimate", "extract"): ("number", {}, in_spec("selection.extract", "number")),
    ("estimate", "weights"): ([1, 2], {"mode": "vote"}, lambda s: len(s.spec.selection.weights) == 2),
    ("estimate", "escalate"): ("openrouter:third", {}, lambda s: s.result.lines[2].calls.low == 0),
    ("estimate", "agree"): ("1/2", {"escalate": "openrouter:third"}, in_spec("selection.agree", 0.5)),
    ("estimate", "escalate_shadow"): (True, {"escalate": "openrouter:third"}, lambda s: s.result.lines[2].calls.low == 1),
    ("estimate", "max_cost"): (CHEAP, {}, lambda s: s.error is not None),
    **{("estimate", name): (CHEAP, {}, noted(name)) for name in options.CAPS_OF_ALL_RUNS},
    ("estimate", "confirm_over"): (CHEAP, {}, noted("confirm_over")),
    ("estimate", "timeout"): (0.5, {}, in_spec("limits.timeout", 0.5)),
    ("estimate", "ttft"): (0.5, {}, in_spec("limits.ttft", 0.5)),
    ("estimate", "idle"): (0.5, {}, in_spec("limits.idle", 0.5)),
    ("estimate", "concurrency"): (1, {}, in_spec("limits.concurrency", 1)),
    ("estimate", "journal"): (False, {}, noted("kept in no journal")),
    ("estimate", "replay"): (True, {}, noted("in the journal")),
    ("panel", "confirm_over"): (CHEAP, {}, lambda s: s.error is not None and not s.service.bodies),
    ("panel", "functions"): ([mine], {"pool": ["mine", "openrouter:fast"]}, lambda s: any(r.text == "I say 42." for r in s.result.candidates)),
    **{(call, name): (0.5, {}, in_spec(f"limits.{name}", 0.5)) for call in DERIVED for name in ("timeout", "ttft", "idle")},
    **{(call, "allow_unpriced"): (True, {}, in_spec("limits.allow_unpriced", True)) for call in DERIVED},
    **{(call, "judge"): ("openrouter:critic", {}, lambda s: "critic" in s.service.models) for call in DERIVED},
    **{(call, "base_url"): ("URL", {"judge": "critic"}, lambda s: s.result.judge.service == "custom") for call in DERIVED},
    **{(call, "key_env"): ("OTHER_KEY", {"judge": "critic", "base_url": "URL"}, lambda s: "the-second-key" in s.service.keys) for call in DERIVED},
    **{(call, "aliases"): ({"mini": "openrouter:critic"}, {"judge": "mini"}, lambda s: "critic" in s.service.models) for call in DERIVED},
    **{(call, "services"): ("SERVICES", {"judge": "corp:critic"}, lambda s: s.result.judge.service == "corp") for call in DERIVED},
    ("resume", "base_url"): ("URL", {}, lambda s: s.error is None),
    ("resume", "key_env"): ("OTHER_KEY", {"base_url": "URL"}, lambda s: s.error is None),
    ("resume", "aliases"): ({"mini": "openrouter:critic"}, {}, lambda s: s.error is None),
    ("resume", "services"): ("SERVICES", {}, lambda s: s.error is None),
}  # fmt: skip


def filled(value: Any, service: ChatService) -> Any:
    """Addresses are known when the service runs."""
    if value == "SERVICES":
        return {"openrouter": {"base_url": service.url}, "corp": {"base_url": service.url, "key_env": "OTHER_KEY"}}
    return service.url if value == "URL" else value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", [row.name for row in TABLE if row.calls != (LINE,)])
def test_each_option_acts_or_is_refused(call: str, name: str, service: ChatService) -> None:
    """Given to a call that takes it, an option changes what the call does; given to any other, nothing is sent."""
    value, beside, acted = INSTEAD.get((call, name)) or PROBES[name]
    given = {name: filled(value, service)} | {k: filled(v, service) for k, v in beside.items()}
    if call in DERIVED:
        given = {k: v for k, v in given.items() if k == name or call in ROWS[k].calls}
    caller = Caller(service)
    # Looks the prices up, and keeps them for caps.
    fusion_nb.estimate(PROMPT, **caller._pool(["fast", "other"]), **caller.names)
    TOLD.clear()
    past = (
        caller.past(call, [mine, "failing"] if name == "functions" and call == "retry" else None)
        if call in DERIVED
        else None
    )
    if name == "functions" and call in DERIVED and call != "retry":
        past = caller.past(call, [mine, "fast"])
    if name == "replay":
        caller.make("fuse", {})
    TOLD.clear()
    if call == "resume":
        service.released.set()
    if call not in ROWS[name].calls:
        seen = caller.make(call, {name: given[name]}, past)
        assert isinstance(seen.error, UserError), f"{call}() took {name} and said nothing"
        assert name in str(seen.error)
        assert not seen.service.bodies
        return
    seen = caller.make(call, given, past)
    assert acted(seen), f"{call}({name}={value!r}): {seen.error or seen.result}"


def test_the_defaults_show_what_was_set() -> None:
    """One line with the settings somebody made, and not an address in memory."""
    defaults = fusion_nb.defaults
    defaults.reset()
    assert repr(defaults) == "<fusion_nb.defaults: nothing is set>"
    try:
        defaults.pool, defaults.max_cost = "claude,gemini", 0.25
        assert repr(defaults) == "<fusion_nb.defaults: pool=['claude', 'gemini'], max_cost=0.25>"
    finally:
        defaults.reset()
