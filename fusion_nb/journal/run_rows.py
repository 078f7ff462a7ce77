"""A run, and a call, as a row of a table: what is asked of many runs at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from fusion_nb.core import Limits, Ref, RunState, Selection
from fusion_nb.core.events import CallStarted, RunEnded, RunStarted, VerdictReached
from fusion_nb.core.json_codec import to_plain
from fusion_nb.journal import run_files
from fusion_nb.journal.run_files import read
from fusion_nb.journal.run_reader import DAMAGED, settled_state, when_of

OPEN = "open"
"""A file without an end: whether its run is under way or its kernel died is only true for now, so it is never kept."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of the past. Money is USD, unknown is `None`."""

    run: str
    when: str
    """ISO 8601, UTC."""
    prompt: str = ""
    mode: str = ""
    pool: tuple[str, ...] = ()
    """Labels."""
    judge: str | None = None
    status: str = OPEN
    """`ok`, `unjudged`, `cancelled`, `error`, `running`; `crashed` (its kernel died), `newer` (written by a newer
    fusion_nb, which alone can load it)."""
    cost: Decimal | None = None
    """What is known of it; see `unpriced`."""
    unpriced: int = 0
    """Calls the cost leaves out because nobody knows theirs."""
    seconds: float | None = None
    calls: int = 0
    """That were made: what was taken over from an earlier run does not count."""
    failed: int = 0
    """Members without a usable answer."""
    of: str = ""
    """The earlier run whose replies it took over."""
    damaged: bool = False
    """Part of its file is lost."""
    table: bool = False
    """It is a table of prompts: `calls`, `failed` and the money are those of all its runs."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call that was made, of any run: what history is reckoned from. Money is USD, unknown is `None`."""

    run: str
    when: str
    call: int
    ref: str
    """`service:model` as asked."""
    role: str
    status: str | None = None
    """`None`: without an end, because its run is under way or its kernel died."""
    model: str | None = None
    prompt_tokens: int | None = None
    prompt_chars: int = 0
    """Of all messages it was asked with."""
    completion_tokens: int | None = None
    reply_chars: int = 0
    cost: Decimal | None = None
    ttft: float | None = None
    latency: float | None = None
    generation_id: str | None = None
    maybe_billed: bool = False
    """Without a cost: whether the service may charge for it all the same."""
    tag: str = ""
    """Of its run."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the index keeps of one file."""

    row: RunRow
    calls: tuple[CallRow, ...] = ()
    fingerprint: str = ""
    limits: Mapping[str, object] = field(default_factory=dict)
    """The limits that cost it a call, by name: with others it might have come out otherwise."""
    words: str = ""
    """All that a search looks at, in lower case."""


def summary(entry: run_files.Entry) -> Summary:
    """The rows of a run's file, whether it is under way or not. Raises `OSError` where it cannot be read."""
    recorded = read(entry.path)
    ended = any(isinstance(event, RunEnded | VerdictReached) for event in recorded.events)
    # Whether an open run is under way is not for the index to say: it is read as if it were.
    state = settled_state(entry.run, replace(recorded, under_way=not ended), RunState())
    row = run_row(
        state,
        entry.run,
        status="newer" if recorded.newer else state.status if ended else OPEN,
        seconds=state.seconds if ended else None,
    )
    start = next((e for e in recorded.events if isinstance(e, RunStarted)), None)
    words = "\n".join((state.prompt, *row.pool, row.judge or "", state.mode, state.tag, state.answer or "")).casefold()
    chars = {e.call: prompt_chars(e) for e in recorded.events if isinstance(e, CallStarted)}
    return Summary(row, call_rows(state, chars), fingerprint(start) if start else "", limits_that_acted(state), words)


def run_row(state: RunState, run: str, *, status: str, seconds: float | None) -> RunRow:
    """The row of a run in that state."""
    return RunRow(
        run=run,
        when=state.when or when_of(run),
        prompt=state.prompt,
        mode=state.mode,
        pool=tuple(ref.name for ref in state.pool),
        judge=", ".join(ref.name for ref in state.judges) or None,
        status=status,
        cost=state.cost,
        unpriced=state.unpriced,
        seconds=seconds,
        calls=sum(not r.kept_from for r in state.replies),
        failed=sum(not r.usable for r in state.candidates),
        of=state.of,
        damaged=DAMAGED in state.notes,
    )


def prompt_chars(started: CallStarted) -> int:
    """Characters of all messages a call was asked with."""
    return sum(len(message.content) for message in started.messages)


def call_rows(state: RunState, chars: Mapping[int, int]) -> tuple[CallRow, ...]:
    """The rows of the calls a run made; none of one that was imported. `chars`: of each call's prompt."""
    return tuple(
        CallRow(
            run=state.run,
            when=state.when,
            call=r.call,
            ref=str(r.ref),
            role=r.role,
            status=r.status,
            model=r.model,
            prompt_tokens=r.usage.prompt,
            prompt_chars=chars.get(r.call, 0),
            completion_tokens=r.usage.completion,
            reply_chars=len(r.text),
            cost=r.cost,
            ttft=r.ttft,
            latency=r.latency,
            generation_id=r.generation_id,
            maybe_billed=r.maybe_billed,
            tag=state.tag,
        )
        for r in state.replies
        if not (r.kept_from or state.imported)
    )


_ACTED: Mapping[str, tuple[str, ...]] = {
    "total": ("timeout",),
    "ttft": ("ttft",),
    "idle": ("idle",),
    "budget": ("max_cost",),
    "unpriced": ("max_cost", "allow_unpriced"),
}
"""By the error of a call, the limits that ended it."""
_SHARED_CAP = "max_cost_per"


def limits_that_acted(state: RunState) -> dict[str, object]:
    """The limits of a run without which a call might have ended otherwise, by name and as plain JSON."""
    names: set[str] = set()
    for reply in state.replies:
        if reply.error == "budget" and _SHARED_CAP in (reply.detail or ""):
            # What is left of a session's or a day's cap is another amount each time.
            names.add(_SHARED_CAP)
        elif reply.status == "cancelled":
            names.add("grace")
        elif not reply.usable:
            # Other failures are tried again for as long as the call's own time lasts.
            names.update(_ACTED.get(reply.error or "", ("timeout",)))
    return {name: _limit(state.limits, name) for name in sorted(names)}


def same_limits(acted: Mapping[str, object], limits: Limits) -> bool:
    """Whether the limits that acted in a run are the same now."""
    return _SHARED_CAP not in acted and all(_limit(limits, name) == value for name, value in acted.items())


def _limit(limits: Limits, name: str) -> object:
    value = getattr(limits, name, None)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def fingerprint(start: RunStarted) -> str:
    """A digest of what was asked of whom: equal where an unchanged cell would ask the very same again.

    Limits that change no answer (`max_cost`, the timeouts, `concurrency`) are left out, and so is a seed nobody chose;
    see `limits_that_acted` for runs in which they did.
    """

    def identity(ref: Ref | None) -> object:
        return ref and [ref.service, ref.model, ref.label, to_plain(ref.options)]

    debate = start.mode == "debate"
    request = [
        [start.prompt, start.mode, start.then if debate else "", start.max_rounds if debate else 0],
        [
            [identity(member) for member in start.pool],
            identity(start.judge),
            list(start.criteria),
            to_plain(start.params),
        ],
        [start.limits.max_tokens, start.limits.quorum, start.also],
        *([["orders", start.orders]] if start.orders != 1 else []),
        *([["jury", *map(identity, start.jury)]] if start.jury else []),
        *([["selection", to_plain(start.selection)]] if start.selection != Selection() else []),
    ]
    return hashlib.sha256(json.dumps(request, default=str).encode("ascii")).hexdigest()
