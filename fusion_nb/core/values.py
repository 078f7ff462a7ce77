"""The values of a run: models, requests, replies, and the judge's verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict

Role = Literal["candidate", "judge"]
Channel = Literal["content", "reasoning", "answer"]
Status = Literal["ok", "incomplete", "filtered", "refused", "empty", "error", "timeout", "cancelled"]
RunStatus = Literal["running", "ok", "unjudged", "cancelled", "error"]
Mode = Literal["best-of", "merge", "debate"]
CostSource = Literal["reported", "computed"]
VerdictState = Literal["judged", "repaired", "unread", "failed", "not-needed", "by-hand"]

DEMO_SERVICE = "demo"
"""The service of the scripted models: their money is play money."""
PYTHON_SERVICE = "python"
"""The service of Python functions."""
STOPPED = "stopped"
"""The error of a call that a person ended, it alone."""
MODES: tuple[Mode, ...] = ("best-of", "merge", "debate")
SUSPECT = "suspect:"
"""Begins a warning of a reply that seems to speak to the judge; what follows is the sign (see `_suspicion`)."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of a model to ask. `str(ref)` is `service:model`; `label` is what people see, unique in a pool."""

    service: str
    model: str
    label: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    """Body fields for this member alone, e.g. `(("seed", 7),)`: how `gpt4o*3` asks thrice with seeds of its own."""

    def __str__(self) -> str:
        return f"{self.service}:{self.model}"

    @property
    def name(self) -> str:
        return self.label or str(self)


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Params:
    """What is passed through to every member of a pool; `None` leaves the service's default."""

    system: str | None = None
    temperature: float | None = None
    seed: int | None = None
    reasoning: str | None = None
    """Effort: `minimal`, `low`, `medium`, `high`, or a number of tokens as text."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call to one model, ready to be sent."""

    ref: Ref
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    seed: int | None = None
    reasoning: str | None = None
    schema: Mapping[str, Any] | None = None
    """JSON schema the reply should follow, where the service can hold a model to one; never relied upon."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as counted by the service."""

    prompt: int | None = None
    """Includes cached tokens."""
    completion: int | None = None
    """Includes reasoning tokens."""
    cached: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a provider yields while a reply arrives. Each field says something only where it is set."""

    text: str = ""
    channel: Channel = "content"
    usage: Usage | None = None
    cost: Decimal | None = None
    finish: str | None = None
    """`stop`, `length`, `content_filter`, `refusal`, `tool_calls`, `error`, or the service's own word."""
    generation_id: str | None = None
    model: str | None = None
    """The concrete model that answered, where it differs from the one asked (aliases, `~latest`)."""
    warning: str | None = None
    thought_ended: bool = False
    """All content so far was a thought: it belongs to `reasoning`, and the answer comes now."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call said, with its usage, cost and clock: one row of the DataFrame."""

    call: int
    """1, 2, 3 ... in the order the calls were started."""
    ref: Ref
    role: Role = "candidate"
    round: int = 0
    """Candidates: round of a debate, 0 is the first answer. Judge: 0, and 1 for the one repair."""
    text: str = ""
    reasoning: str = ""
    usage: Usage = Usage()
    cost: Decimal | None = None
    cost_source: CostSource | None = None
    started: float = 0.0
    """Seconds since the run's start."""
    ttft: float | None = None
    """Seconds from the call's start to its first text."""
    latency: float | None = None
    finish: str | None = None
    status: Status | None = None
    """`None` while it is under way."""
    error: str | None = None
    """The fault's class, one word: `dns`, `auth`, `ttft`, `budget` ... (docs: FAULTS)."""
    detail: str | None = None
    """The fault in one sentence with its remedy."""
    generation_id: str | None = None
    model: str | None = None
    attempts: int = 1
    maybe_billed: bool = False
    warnings: tuple[str, ...] = ()
    kept_from: str = ""
    """The run that asked and paid for this reply, where this run took it over instead of asking. Nothing was spent on
    it here, so `cost` is 0: every sum of costs is what was really spent, whoever adds it up."""
    kept_cost: Decimal | None = None
    """USD a kept reply cost in the run that asked for it; `None` where nobody knew."""
    at_most: Decimal | None = None
    """USD it may cost beside what `cost` says, as long as its service has not told."""

    @property
    def unpriced(self) -> bool:
        """Whether it may be on a bill, and nobody reported or could compute what it cost."""
        return self.cost is None and (self.status != "error" or self.maybe_billed or bool(self.text))

    @property
    def usable(self) -> bool:
        """Whether a judge may weigh it: it has text, and it ended by itself or was only cut off."""
        return bool(self.text.strip()) and self.status in ("ok", "incomplete")

    @property
    def suspect(self) -> tuple[str, ...]:
        """Signs that it speaks to the judge instead of answering: `orders`, `plea`, `judge`, `verdict`, `frame`,
        `hidden`. A hint for people; nothing is decided by it."""
        return tuple(word.removeprefix(SUSPECT) for word in self.warnings if word.startswith(SUSPECT))


class Stance(TypedDict):
    model: str
    stance: str


class Contradiction(TypedDict):
    topic: str
    stances: list[Stance]


class PartialCoverage(TypedDict):
    models: list[str]
    point: str


class UniqueInsight(TypedDict):
    model: str
    insight: str


class Analysis(TypedDict):
    """OpenRouter Fusion's five lists; `model` is the label of a pool member."""

    consensus: list[str]
    contradictions: list[Contradiction]
    partial_coverage: list[PartialCoverage]
    unique_insights: list[UniqueInsight]
    blind_spots: list[str]


class Citation(NamedTuple):
    """`answer[start:end]` is said, by the judge, to come from these calls."""

    start: int
    end: int
    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge decided, with its blind labels already turned back into calls."""

    answer: str | None = None
    rationale: str = ""
    chosen: tuple[int, ...] = ()
    """The call whose text is the answer (`best-of`, a fallback, a lone survivor); empty for a written answer."""
    ranking: tuple[int, ...] = ()
    """Calls, best first."""
    scores: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Call -> criterion -> 1..10."""
    analysis: Analysis | None = None
    state: VerdictState = "judged"
    """`repaired`: read at the second try. `unread`: the judge answered but no verdict could be read. `failed`: the
    judge's call failed. `not-needed`: one candidate was left. `by-hand`: no judge came to decide, a person did."""
    note: str = ""
    """One sentence for people: the tie rule that was used, the fallback that was taken."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """The blind label each call had before the judge."""
    citations: tuple[Citation, ...] = ()
    agreed: bool | None = None
    """Whether a judge asked in two orders found the same candidate best in both; `None` where it was not, or where one
    of them gave no verdict."""

    def score(self, call: int) -> float | None:
        """Mean over the criteria, 1 to 10."""
        by_criterion = self.scores.get(call)
        return sum(by_criterion.values()) / len(by_criterion) if by_criterion else None

    def share(self, call: int) -> float | None:
        """The part of the answer, 0 to 1, that comes from this call; `None` where nothing was cited."""
        if self.answer is None:
            return None
        if self.chosen:
            return (call in self.chosen) / len(self.chosen)
        spans = [(c.end - c.start, c.calls) for c in self.citations if c.calls]
        total = sum(size for size, _ in spans)
        return sum(size / len(calls) for size, calls in spans if call in calls) / total if total else None
