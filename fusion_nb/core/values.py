"""The values of a run: models, requests and replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, SupportsIndex, overload

from fusion_nb.errors import ProviderError, UnknownName

Role = Literal["candidate", "judge"]
Channel = Literal["content", "reasoning", "answer"]
Status = Literal["ok", "incomplete", "filtered", "refused", "empty", "error", "timeout", "cancelled"]
RunStatus = Literal["running", "ok", "unjudged", "cancelled", "error"]
Mode = Literal["best-of", "merge", "debate", "vote"]
CostSource = Literal["reported", "computed"]

DEMO_SERVICE = "demo"
"""The service of the scripted models: their money is play money."""
PYTHON_SERVICE = "python"
"""The service of Python functions."""
STOPPED = "stopped"
"""The error of a call that a person ended, it alone."""
MODES: tuple[Mode, ...] = ("best-of", "merge", "debate", "vote")
MODEL_SETTINGS = ("reasoning", "temperature", "max_tokens", "system", "seed", "provider", "body")
"""What one member or judge can be given of its own: `claude{reasoning=high}`."""
SUSPECT = "suspect:"
"""Begins a warning of a reply that seems to speak to the judge; what follows is the sign (see `_suspicion`)."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of a model to ask. `str(ref)` is `service:model`; `label` is what people see, unique in a pool."""

    service: str
    model: str
    label: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    """Settings of this model alone (`gpt4o{temperature=0}`), names from `MODEL_SETTINGS`; `provider` and `body` as JSON
    text. `gpt4o*3` asks thrice with seeds of its own."""

    def __str__(self) -> str:
        return f"{self.service}:{self.model}"

    @property
    def name(self) -> str:
        return self.label or str(self)

    def setting(self, name: str, default: Any = None) -> Any:
        """This model's own setting of that name, or what holds for all."""
        return dict(self.options).get(name, default)


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
class Judging:
    """What a judge that is a Python function can be given instead of a judge's prompt."""

    prompt: str
    """What the candidates were asked."""
    candidates: Mapping[str, str]
    """Blind label -> text, in the order shown."""


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
    judging: Judging | None = None
    """Set for judges that are Python functions."""


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
    provider: str | None = None
    """See `Reply.provider`."""
    quantization: str | None = None


@dataclass(frozen=True, slots=True)
class PricesUsed:
    """The list prices that a computed cost was computed with, as of its run: USD per million tokens."""

    prompt: Decimal
    completion: Decimal
    cached: Decimal | None = None
    """Of a prompt token read from a cache; `None`: as any other."""
    reasoning: Decimal | None = None
    """Of a reasoning token; `None`: as any other completion token."""
    request: Decimal | None = None
    """USD of the call itself."""
    source: str = ""
    """Where they are from, with a date or a version."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one of the person's own checks said of one text."""

    name: str
    passed: bool
    """A float passes, whatever it is: it ranks and never bars."""
    score: float | None = None
    """0 to 1, of a check that gave a float, or of a weighted one; `None` for a gate."""
    weight: float | None = None
    """As given; `None` where none was. A weighted check bars nobody."""
    seconds: float = 0.0
    error: str = ""
    """Why it failed, in one sentence, where it did not simply say no: it raised, hung or gave nonsense."""

    @property
    def bars(self) -> bool:
        """Whether it keeps the text from the judge."""
        return not self.passed and self.weight is None


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
    checks: tuple[CheckOutcome, ...] = ()
    """What the person's own checks said of its text; of a judge's row, of the merged answer."""
    provider: str | None = None
    """The upstream that a router says it served the call from."""
    quantization: str | None = None
    """Of the weights that served it, where told: `fp8`."""
    rates: PricesUsed | None = None
    """The prices behind a computed `cost`, of that day; `None` where the service reported what it charged."""

    def __repr__(self) -> str:
        status = f"{self.status or 'running'}{f' ({self.error!r})' if self.error else ''}"
        cost = "" if self.cost is None else f", ${self.cost:f}"
        why = f", {self.detail!r}" if self.detail and self.status != "ok" else ""
        size = f"{len(self.text)} characters"
        return f"Reply({self.call}, {self.ref.name!r}: {self.role}, {status}, {size}{cost}{why})"

    @property
    def passed(self) -> bool | None:
        """Whether no check bars it; `None` where none was run."""
        return not any(outcome.bars for outcome in self.checks) if self.checks else None

    @property
    def check_score(self) -> float | None:
        """Weighted mean of what the checks that rank gave, 0 to 1; `None` where none ranks."""
        scored = [(o.weight or 1.0, o.score) for o in self.checks if o.score is not None]
        total = sum(weight for weight, _ in scored)
        return sum(weight * score for weight, score in scored) / total if total else None

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


@dataclass(frozen=True, slots=True)
class FetchedReply:
    """What a service's batch brought for one request. The batch held and booked the money, no run does."""

    chunks: tuple[Chunk, ...] = ()
    fault: ProviderError | None = None
    cost: Decimal | None = None
    source: CostSource | None = None
    at_most: Decimal | None = None
    """USD it may cost where `cost` is not known."""
    rates: PricesUsed | None = None


class Candidates(tuple[Reply, ...]):
    """Replies in pool order, by place or by the member's name."""

    __slots__ = ()

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Reply: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Reply, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Reply | tuple[Reply, ...]:
        """Raises `UnknownName` for a name that no candidate has."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        by_name = {reply.ref.name: reply for reply in self}
        if key not in by_name:
            raise UnknownName("candidate", key, by_name, f"There are {', '.join(by_name) or 'none'}.")
        return by_name[key]
