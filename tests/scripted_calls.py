"""`ModeCalls` with scripted models: what a mode asks is on record, what it is answered is written in the test.

It is a fake of the *models*, not of our code: calls are numbered from 1, a failure is a reply, a judge's text goes
through the splitter in small pieces, as in the engine.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fusion_nb.core import (
    Agreement,
    CheckOutcome,
    Escalation,
    Message,
    ModeInput,
    Ref,
    Reply,
    Role,
    Round,
    StreamSplitter,
    Verdict,
)
from fusion_nb.judging import MODES

JUDGE = Ref("script", "judge", "judge")


@dataclass(frozen=True)
class ScriptedRequest:
    """One call as the mode made it."""

    ref: Ref
    messages: tuple[Message, ...]
    role: Role = "judge"
    round: int = 0
    schema: Mapping[str, Any] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    streamed: bool = False

    @property
    def prompt(self) -> str:
        """The latest message."""
        return self.messages[-1].content

    @property
    def nonce(self) -> str:
        codes: list[str] = re.findall(r"===== BEGIN \S+(?: \S+)? ([0-9a-f]{32}) =====", self.messages[0].content)
        return codes[0]

    def label(self, call: int) -> str:
        return next(label for label, each in self.labels.items() if each == call)


@dataclass(frozen=True)
class ScriptedReply:
    """A scripted reply that is more than text."""

    text: str = ""
    status: str = "ok"
    detail: str | None = None
    reasoning: str = ""
    finish: str | None = None
    warnings: tuple[str, ...] = ()
    started: float = 0.0
    latency: float | None = None


Script = str | ScriptedReply | Callable[[ScriptedRequest], str | ScriptedReply | Awaitable[str | ScriptedReply]]


class ScriptedCalls:
    """Judges answer `judges[name]`, else `judge`, in turn, members `members[name]`; `pieces` characters at a time."""

    def __init__(
        self,
        judge: Sequence[Script] = (),
        members: Mapping[str, Sequence[Script]] | None = None,
        judges: Mapping[str, Sequence[Script]] | None = None,
    ) -> None:
        self._judge = list(judge)
        self._judges = {name: list(scripts) for name, scripts in (judges or {}).items()}
        self._members = {name: list(scripts) for name, scripts in (members or {}).items()}
        self.requests: list[ScriptedRequest] = []
        self.rounds: list[Round] = []
        self.agreements: list[Agreement] = []
        self.escalations: list[Escalation] = []
        self.checks: Callable[[str], tuple[CheckOutcome, ...]] | None = None
        self.replies: list[Reply] = []
        self.draft = ""
        self.pieces = 3

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        role: Role = "judge",
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        request = ScriptedRequest(ref, messages, role, round, schema, labels or {}, splitter is not None)
        self.requests.append(request)
        number = 100 + len(self.requests)
        scripts = self._judges.get(ref.name, self._judge) if role == "judge" else self._members[ref.name]
        script = scripts.pop(0)
        answer = script(request) if callable(script) else script
        if inspect.isawaitable(answer):
            answer = await answer
        scripted = answer if isinstance(answer, ScriptedReply) else ScriptedReply(answer)
        self._stream(scripted.text, splitter)
        reply = Reply(number, ref, role, round, **vars(scripted))
        self.replies.append(reply)
        return reply

    def _stream(self, text: str, splitter: StreamSplitter | None) -> None:
        if splitter is None:
            return
        parts = [text[at : at + self.pieces] for at in range(0, len(text), self.pieces)]
        pieces = [piece for part in parts for piece in splitter.feed(part)] + list(splitter.close())
        assert "".join(piece for _, piece in pieces) == text, "a splitter loses nothing and adds nothing"
        self.draft = "".join(piece for channel, piece in pieces if channel == "answer")

    async def ask_all(self, asks: Sequence[tuple[Ref, tuple[Message, ...]]], *, round: int) -> tuple[Reply, ...]:
        return tuple([await self.ask(ref, messages, role="candidate", round=round) for ref, messages in asks])

    def round_ended(self, ended: Round) -> None:
        self.rounds.append(ended)

    async def check(self, text: str, call: int) -> tuple[CheckOutcome, ...]:
        return self.checks(text) if callable(self.checks) else ()

    def agreement_found(self, agreement: Agreement) -> None:
        self.agreements.append(agreement)

    def escalated(self, escalation: Escalation) -> None:
        self.escalations.append(escalation)

    def run(self, mode: str, task: ModeInput) -> Verdict:
        return asyncio.run(MODES[mode](task, self))


def candidate(call: int, name: str, text: str, **more: Any) -> Reply:
    return Reply(call, Ref("script", name, name), text=text, **{"status": "ok", **more})


def case(*texts: str, prompt: str = "Which river runs through Paris?", seed: int = 5, **more: Any) -> ModeInput:
    """A case with candidates of claude, gemini, gpt4o ... saying `texts`."""
    names = ("claude", "gemini", "gpt4o", "llama", "mistral", "qwen")
    replies = tuple(
        candidate(place + 1, name, text) for place, (name, text) in enumerate(zip(names, texts, strict=False))
    )
    return ModeInput(prompt, replies, JUDGE, seed, **more)


def cut(case: ModeInput, call: int, **more: Any) -> ModeInput:
    """The case, with one reply cut off (or otherwise changed)."""
    changed = {"status": "incomplete", **more}
    return replace(case, candidates=tuple(replace(r, **changed) if r.call == call else r for r in case.candidates))


def verdict_json(
    request: ScriptedRequest, scores: Mapping[int, float], ranking: Sequence[int] | None = None, **more: Any
) -> str:
    """A judge's JSON as it is asked for. `scores`, `ranking`: by call."""
    each = {
        request.label(call): dict.fromkeys(("correctness", "completeness", "clarity"), s) for call, s in scores.items()
    }
    order = sorted(scores, key=lambda call: -scores[call]) if ranking is None else ranking
    written = {"scores": each, "ranking": [request.label(call) for call in order], "rationale": "Because.", **more}
    return json.dumps(written)


def judged(
    scores: Mapping[int, float], ranking: Sequence[int] | None = None, answer: str = "", **more: Any
) -> Callable[[ScriptedRequest], str]:
    """A judge that answers in form; in a merge with `answer`, where `{1}` stands for the label of call 1."""

    def reply(request: ScriptedRequest) -> str:
        written = verdict_json(request, scores, ranking, **more)
        if not answer:
            return written
        filled = re.sub(r"\{(\d)\}", lambda match: request.label(int(match[1])), answer)
        return f"{written}\nANSWER {request.nonce}\n{filled}"

    return reply
