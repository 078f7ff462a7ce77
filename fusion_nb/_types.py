"""The values of a run. They are frozen, know nothing of each other's makers, and import the standard library alone.

Units everywhere: seconds are seconds, money is USD as `Decimal`, tokens are whole numbers. `None` means "nobody told
us", which is not the same as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypedDict

Role = Literal["candidate", "judge"]
Channel = Literal["content", "reasoning", "answer"]
Status = Literal["ok", "incomplete", "filtered", "refused", "empty", "error", "timeout", "cancelled"]
RunStatus = Literal["running", "ok", "unjudged", "cancelled", "error"]
Mode = Literal["best-of", "merge", "debate"]
CostSource = Literal["reported", "computed"]
VerdictState = Literal["judged", "repaired", "unread", "failed", "not-needed"]

MODES: tuple[Mode, ...] = ("best-of", "merge", "debate")


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

    @property
    def usable(self) -> bool:
        """Whether a judge may weigh it: it has text, and it ended by itself or was only cut off."""
        return bool(self.text.strip()) and self.status in ("ok", "incomplete")


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
    judge's call failed. `not-needed`: one candidate was left."""
    note: str = ""
    """One sentence for people: the tie rule that was used, the fallback that was taken."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """The blind label each call had before the judge."""
    citations: tuple[Citation, ...] = ()

    def score(self, call: int) -> float | None:
        """Mean over the criteria, 1 to 10."""
        given = self.scores.get(call)
        return sum(given.values()) / len(given) if given else None

    def share(self, call: int) -> float | None:
        """The part of the answer, 0 to 1, that comes from this call; `None` where nothing was cited."""
        if self.answer is None:
            return None
        if self.chosen:
            return (call in self.chosen) / len(self.chosen)
        spans = [(c.end - c.start, c.calls) for c in self.citations if c.calls]
        total = sum(size for size, _ in spans)
        return sum(size / len(calls) for size, calls in spans if call in calls) / total if total else None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take. Money is USD, time is seconds."""

    max_cost: Decimal | None = None
    """For the whole run; reserved before each call at its worst case, settled after."""
    max_tokens: int = 4096
    """Completion tokens of each call, reasoning included."""
    timeout: float = 600.0
    """Each call, from first attempt to last byte."""
    ttft: float = 120.0
    """Longest wait for the first text of a reply."""
    idle: float = 120.0
    """Longest silence inside a reply; only text, reasoning and usage count as sound."""
    quorum: int | None = None
    """Go on once so many candidates are there (after `grace`)."""
    grace: float = 5.0
    concurrency: int = 64
    allow_unpriced: bool = False
    """Whether models of unknown price may be asked although `max_cost` is set."""


@dataclass(frozen=True, slots=True)
class Round:
    """How one round of a debate ended."""

    round: int
    agreed: bool
    changed: tuple[str, ...] = ()
    """Labels of the members whose answer differs from the round before."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything known of a run so far: the fold of its events."""

    run: str = ""
    when: str = ""
    """ISO 8601, UTC."""
    prompt: str = ""
    """As sent, after interpolation."""
    mode: str = ""
    then: str = ""
    """How a debate ends: `best-of` or `merge`."""
    pool: tuple[Ref, ...] = ()
    judge: Ref | None = None
    seed: int = 0
    """Of labels, shuffle and member seeds: the same seed gives the judge the same order."""
    params: Params = Params()
    limits: Limits = Limits()
    replies: tuple[Reply, ...] = ()
    rounds: tuple[Round, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    draft: str = ""
    """The fused answer while the judge is still writing it, citations inside."""
    draft_call: int = 0
    """The judge's call that writes it."""
    verdict: Verdict | None = None
    status: RunStatus = "running"
    error: str | None = None
    notes: tuple[str, ...] = ()
    """Sentences the person should read: a judge that is a member, a price nobody knows."""
    seconds: float = 0.0

    @property
    def answer(self) -> str | None:
        return self.verdict.answer if self.verdict else None

    @property
    def rationale(self) -> str:
        return self.verdict.rationale if self.verdict else ""

    @property
    def analysis(self) -> Analysis | None:
        return self.verdict.analysis if self.verdict else None

    @property
    def candidates(self) -> tuple[Reply, ...]:
        """Each member's standing answer, in pool order: its latest usable reply, else its latest."""
        standing: dict[str, Reply] = {}
        for reply in self.replies:
            if reply.role != "candidate":
                continue
            held = standing.get(reply.ref.name)
            if held is None or reply.usable or not held.usable:
                standing[reply.ref.name] = reply
        return tuple(standing.values())

    @property
    def cost(self) -> Decimal | None:
        """Sum of every known cost in USD; `None` where no call's cost is known. See `unpriced`."""
        known = [r.cost for r in self.replies if r.cost is not None]
        return sum(known, Decimal(0)) if known else None

    @property
    def unpriced(self) -> int:
        """How many calls the total leaves out because nobody reported or could compute their cost."""
        return sum(r.cost is None for r in self.replies)

    @property
    def usage(self) -> Usage:
        """Known tokens of all calls; a field is `None` where no call reported it."""

        def total(values: Sequence[int | None]) -> int | None:
            known = [v for v in values if v is not None]
            return sum(known) if known else None

        used = [r.usage for r in self.replies]
        return Usage(
            total([u.prompt for u in used]),
            total([u.completion for u in used]),
            total([u.cached for u in used]),
            total([u.reasoning for u in used]),
        )

    @property
    def demo(self) -> bool:
        """Whether any part of this was scripted."""
        return any(r.service == "demo" for r in (*self.pool, *([self.judge] if self.judge else [])))

    def reply(self, call: int) -> Reply:
        """The reply of one call. Calls are numbered from 1 without gaps."""
        return self.replies[call - 1]


class Splitter(Protocol):
    """Sorts a judge's text into channels while it streams: the verdict (`content`), the fused answer (`answer`)."""

    def feed(self, text: str) -> Sequence[tuple[Channel, str]]: ...

    def close(self) -> Sequence[tuple[Channel, str]]: ...


@dataclass(frozen=True, slots=True)
class Case:
    """What a mode decides: one prompt and the candidates for it."""

    prompt: str
    candidates: tuple[Reply, ...]
    """All of them usable, at least two."""
    judge: Ref
    seed: int
    system: str | None = None
    criteria: tuple[str, ...] = ()
    rounds: int = 1
    then: Literal["best-of", "merge"] = "best-of"


class Desk(Protocol):
    """What a mode may do. Price, budget, clock, retry, cancellation and journal sit behind it."""

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        role: Role = "judge",
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: Splitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        """One call. A failure is a reply with an error, never an exception. `labels`: the blind label of each
        candidate call shown to a judge, put on record before it answers."""
        ...

    async def ask_all(self, asks: Sequence[tuple[Ref, tuple[Message, ...]]], *, round: int) -> tuple[Reply, ...]:
        """Candidates side by side, in the order given, under the run's quorum and grace."""
        ...

    def round_ended(self, ended: Round) -> None:
        """Put the end of a debate round on record."""
        ...
