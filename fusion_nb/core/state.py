"""Everything known of a run: the fold of its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from fusion_nb.core.selection_values import Agreement, Escalation, Selection
from fusion_nb.core.values import DEMO_SERVICE, PYTHON_SERVICE, Candidates, Params, Ref, Reply, RunStatus, Usage
from fusion_nb.core.verdict import Analysis, Verdict

PATIENCE = 5.0
"""Seconds after the last member that is done, from which on a silent one is pointed out."""


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
    jury: tuple[Ref, ...] = ()
    """The judges beside `judge`, where several are asked."""
    seed: int = 0
    """Of labels, shuffle and member seeds: the same seed gives the judge the same order."""
    params: Params = Params()
    limits: Limits = Limits()
    criteria: tuple[str, ...] = ()
    """What the judge was asked to score; empty: the mode's own."""
    max_rounds: int = 1
    """Of a debate."""
    orders: int = 1
    """In which the judge is shown the candidates: 2 asks it once more with the order reversed."""
    imported: bool = False
    """Whether somebody else asked: in no account."""
    tag: str = ""
    """Whose account it is on, in the person's own words."""
    selection: Selection = Selection()
    of: str = ""
    """The earlier run whose replies this one took over."""
    replies: tuple[Reply, ...] = ()
    rounds: tuple[Round, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    draft: str = ""
    """The fused answer while the judge is still writing it, citations inside."""
    draft_call: int = 0
    """The judge's call that writes it."""
    agreement: Agreement | None = None
    """Who gave the same short answer; `None` before the candidates are there."""
    escalation: Escalation | None = None
    """What the cascade came to; `None` where none was asked for."""
    verdict: Verdict | None = None
    judged: Verdict | None = None
    """The judge's own verdict, where a person has chosen a candidate over it."""
    status: RunStatus = "running"
    error: str | None = None
    notes: tuple[str, ...] = ()
    """Sentences the person should read: a judge that is a member, a price nobody knows."""
    seconds: float = 0.0
    resumed_by: str = ""
    """The later run that finishes this one."""

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
    def candidates(self) -> Candidates:
        """Each member's standing answer, in pool order: its latest usable reply, else its latest. Also by name:
        `result.candidates["claude"]`."""
        standing: dict[str, Reply] = {}
        for reply in self.replies:
            if reply.role != "candidate":
                continue
            current = standing.get(reply.ref.name)
            if current is None or reply.usable or not current.usable:
                standing[reply.ref.name] = reply
        # Replies that were taken over are on record before those that were asked for.
        places = {ref.name: place for place, ref in enumerate(self.pool)}
        return Candidates(sorted(standing.values(), key=lambda reply: places.get(reply.ref.name, len(places))))

    @property
    def cost(self) -> Decimal | None:
        """Sum of every known cost in USD; `None` where no call's cost is known. See `unpriced`.

        The demo's play money counts only where all that is asked is scripted.
        """
        costs = [r.cost for r in self.replies if r.cost is not None and (self.play or r.ref.service != DEMO_SERVICE)]
        return sum(costs, Decimal(0)) if costs else None

    @property
    def unpriced(self) -> int:
        """How many calls the total leaves out because nobody reported or could compute their cost.

        A call that its service refused, or that never left, is not one of them: nobody is billed for it.
        """
        return sum(reply.unpriced for reply in self.replies)

    @property
    def usage(self) -> Usage:
        """Known tokens of the calls this run made; a field is `None` where no call reported it."""

        def total(values: Sequence[int | None]) -> int | None:
            counts = [v for v in values if v is not None]
            return sum(counts) if counts else None

        usages = [r.usage for r in self.replies if not r.kept_from]
        return Usage(
            total([u.prompt for u in usages]),
            total([u.completion for u in usages]),
            total([u.cached for u in usages]),
            total([u.reasoning for u in usages]),
        )

    @property
    def missing(self) -> dict[str, Reply | None]:
        """The members the answer does without, with what came of asking them; `None`: not asked before the run ended.

        While the run is under way, those that have ended without a usable reply.
        """
        standing = {reply.ref.name: reply for reply in self.candidates}
        ended = self.status != "running"
        return {
            ref.name: reply
            for ref in self.pool
            if not (reply := standing.get(ref.name)) or not reply.usable
            if ended or (reply is not None and reply.status is not None)
        }

    @property
    def cut(self) -> tuple[Reply, ...]:
        """The candidates that were weighed although they were cut off, or nobody vouches for their end."""
        return tuple(reply for reply in self.candidates if reply.usable and reply.status == "incomplete")

    @property
    def partial(self) -> bool:
        """Whether the answer does without the whole reply of some member. `missing` and `cut` say of whom."""
        return bool(self.missing or self.cut)

    def waiting_on(self, now: float) -> tuple[int, ...]:
        """The calls that hold up the run: silent since their start, while all other members are done for a while.

        Args:
            now: seconds since the run's start.
        """
        if self.status != "running" or any(reply.role == "judge" for reply in self.replies):
            return ()
        newest = {reply.ref.name: reply for reply in self.replies}
        this_round = max((reply.round for reply in newest.values()), default=0)
        left_out = [reply for reply in newest.values() if reply.round < this_round and not reply.usable]
        in_round = [reply for reply in newest.values() if reply.round == this_round]
        under_way = [reply for reply in in_round if reply.status is None]
        done = [reply.started + (reply.latency or 0.0) for reply in in_round if reply.usable]
        silent = all(not reply.text and not reply.reasoning for reply in under_way)
        if not (silent and done and len(in_round) + len(left_out) == len(self.pool)) or now - max(done) < PATIENCE:
            return ()
        return tuple(reply.call for reply in under_way)

    @property
    def demo(self) -> bool:
        """Whether any part of this was scripted."""
        return any(ref.service == DEMO_SERVICE for ref in (*self.pool, *self.judges))

    @property
    def judges(self) -> tuple[Ref, ...]:
        """Who judges: nobody, one, or a jury; the first writes a merge."""
        return (*([self.judge] if self.judge else []), *self.jury)

    @property
    def play(self) -> bool:
        """Whether all of this costs play money alone: no service is asked, only the demo and Python functions."""
        asked = self.pool or tuple(reply.ref for reply in self.replies)
        return is_play((*asked, *self.selection.escalate, *self.judges))

    def reply(self, call: int) -> Reply:
        """The reply of one call. Calls are numbered from 1 without gaps."""
        return self.replies[call - 1]


def is_play(refs: Sequence[Ref]) -> bool:
    """Whether a run that may ask these costs play money alone."""
    services = {ref.service for ref in refs}
    return DEMO_SERVICE in services and services <= {DEMO_SERVICE, PYTHON_SERVICE}


_LONGEST_REASON = 160
_OUTCOMES = {
    "incomplete": "may not be whole",
    "filtered": "was filtered",
    "refused": "refused",
    "empty": "sent no text",
    "error": "failed",
    "timeout": "timed out",
    "cancelled": "was stopped",
}


def missing_note(state: RunState) -> str:
    """Who is missing from the answer and why, in short sentences; empty where nobody is, or where nobody answered."""
    usable = len(state.pool) - len(state.missing)
    if not usable or not state.partial:
        return ""
    answered = f"{usable} of {len(state.pool)} models answered"
    first = answered if state.missing else "Not every reply is known to be whole"
    missing = [f"{name} {_outcome(reply)}" for name, reply in state.missing.items()]
    cut = [f"{reply.ref.name} {_outcome(reply)}" for reply in state.cut]
    return "".join(f"{sentence}. " for sentence in (first, *missing, *cut)).rstrip()


def _outcome(reply: Reply | None) -> str:
    if reply is None:
        return "was not asked"
    outcome = "was cut off" if reply.error == "length" else _OUTCOMES.get(reply.status or "", "sent no text")
    reason = _first_sentence(reply.detail or "")
    if reason.lower().startswith("cut off"):
        return f"was c{reason[1:]}"
    # `x sent no text: x sent no text` and `was stopped: Stopped` say it once.
    once = not reason or outcome in reason or outcome.endswith(reason.lower())
    return outcome if once else f"{outcome}: {reason}"


def _first_sentence(detail: str) -> str:
    """A fault without its remedies, which stand beside the reply itself."""
    first = detail.split(". ", maxsplit=1)[0].strip().rstrip(".")
    return first if len(first) <= _LONGEST_REASON else f"{first[:_LONGEST_REASON]}…"
