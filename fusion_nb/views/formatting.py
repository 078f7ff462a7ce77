"""The wording of figures and states, the same in every view. Plain text: each view escapes it for itself."""

from __future__ import annotations

import re
from decimal import Decimal

from fusion_nb.core import Ref, Reply, Round, RunState, warnings_text
from fusion_nb.core.state import missing_note
from fusion_nb.core.values import PYTHON_SERVICE
from fusion_nb.core.wording import listed

DASH = "—"
DEMO = "DEMO: scripted models, not real answers"
_STATUS = {
    "ok": "done",
    "incomplete": "cut off",
    "filtered": "filtered",
    "refused": "refused",
    "empty": "empty",
    "error": "failed",
    "timeout": "timed out",
    "cancelled": "cancelled",
}
_RUN = {"running": "running", "ok": "done", "unjudged": "no verdict", "cancelled": "cancelled", "error": "failed"}
_UNJUDGED = {"split": "the judges disagree", "none-passed": "no candidate passed", "undecided": "no answer"}
_SAVED = re.compile(r"not paid again|nothing (?:was )?paid", re.IGNORECASE)


SUSPECT = "speaks to the judge"
"""The badge of a candidate that seems to, and the beginning of why."""


def money(cost: Decimal | None, places: int | None = None) -> str:
    """USD with `places` decimals; by default up to three significant figures, at least two decimals."""
    if cost is None:
        return DASH
    if places is not None:
        return f"${cost:.{places}f}"
    whole, _, part = f"{cost:.{decimals([cost])}f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def decimals(costs: list[Decimal]) -> int:
    """How many decimals show three significant figures of the smallest of `costs`; 2 to 8."""
    smallest = min((abs(c) for c in costs if c), default=Decimal(1))
    return min(8, max(2, 2 - smallest.adjusted()))


def seconds(value: float | None) -> str:
    if value is None:
        return DASH
    if value >= 100:
        return f"{int(value) // 60} min {int(value) % 60:02d} s"
    return f"{value:.1f} s" if value >= 0.095 else f"{value * 1000:.0f} ms"


def number(value: int | float | None) -> str:
    if value is None:
        return DASH
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}"


def score(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"


def compact(value: float | None) -> str:
    """A score with no more decimals than it has."""
    return DASH if value is None else f"{value:g}"


def percent(share: float | None) -> str:
    return DASH if share is None else f"{share:.0%}".replace("%", " %")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def caption(state: RunState) -> str:
    """The ledger in one line: calls, tokens, cost."""
    tokens = total_tokens(state)
    parts = [plural(len(state.replies), "call"), "" if tokens == DASH else f"{tokens} tokens", total_cost(state)]
    return " · ".join(part for part in parts if part)


def total_cost(state: RunState) -> str:
    """The sum of the known costs, and how many calls it leaves out."""
    if state.status == "running":
        return DASH if state.cost is None else f"{money(state.cost)} so far"
    unpriced = unpriced_calls(state)
    if state.cost is None:
        return "cost unknown" if unpriced else "" if state.replies else DASH
    if unpriced:
        return f"≥ {money(state.cost)}, {plural(unpriced, 'call')} unpriced"
    return money(state.cost)


def unpriced_calls(state: RunState) -> int:
    """How many calls of services the total leaves out. No service bills a person's own function."""
    functions = [r for r in state.replies if r.ref.service == PYTHON_SERVICE and r.cost is None]
    return max(0, state.unpriced - len([r for r in functions if r.status != "error" or r.maybe_billed or r.text]))


def total_tokens(state: RunState) -> str:
    usage, by_call = state.usage, [r.usage for r in state.replies]
    if usage.prompt is None and usage.completion is None:
        return DASH
    partial = any(u.prompt is None or u.completion is None for u in by_call)
    return f"{'≥ ' if partial else ''}{(usage.prompt or 0) + (usage.completion or 0):,}"


def run_status(state: RunState) -> str:
    if state.status == "unjudged" and state.verdict is not None:
        return _UNJUDGED.get(state.verdict.state, _RUN["unjudged"])
    return _RUN[state.status]


def reply_status(reply: Reply, draft: str = "") -> str:
    """How a call ended; while it is under way `waiting`, `thinking` or `writing`, and of a judge what it writes."""
    if reply.status is not None:
        return _STATUS[reply.status]
    if reply.role == "judge":
        return "writing the answer" if draft else "writing the verdict" if reply.text else "reading"
    return "writing" if reply.text else "thinking" if reply.reasoning else "waiting"


_LONGEST_NAME = 32


def short_name(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name that is too long for its place, cut in its middle: the beginnings of names are alike."""
    if len(name) <= longest:
        return name
    tail = longest // 2
    return f"{name[: longest - tail - 1]}…{name[-tail:]}"


_LONGEST_SETTING = 60


def settings(ref: Ref) -> str:
    """A model's own settings: `reasoning=high, temperature=0`."""
    return ", ".join(f"{name}={short_name(str(value), _LONGEST_SETTING)}" for name, value in ref.options)


def turn(state: RunState, reply: Reply) -> str:
    """Which of a candidate's rounds a reply is of, or which try after checks it failed; empty for the first."""
    if not reply.round or reply.role != "candidate":
        return ""
    return f"try {reply.round + 1}" if state.selection.deeper and not state.rounds else f"round {reply.round}"


def is_good_news(note: str) -> bool:
    """Whether a note tells what was saved: nothing to be warned of."""
    return _SAVED.search(note) is not None


def mode(state: RunState) -> str:
    return f"{state.mode}, then {state.then}" if state.then else state.mode


def pool(state: RunState) -> str:
    """How many models the answer is of, and of how many: `3 models`, `2 of 3 models`, `3 models, 1 not whole`."""
    models = plural(len(state.pool), "model")
    if state.status == "running":
        return models
    answered = f"{len(state.pool) - len(state.missing):,} of {models}" if state.missing else models
    return f"{answered}, {len(state.cut):,} not whole" if state.cut else answered


def notes(state: RunState) -> list[str]:
    """The sentences above the answer, the most important first: who is missing from it."""
    missing = missing_note(state) if state.status not in ("running", "error") else ""
    return [*([missing] if missing else []), *(note for note in state.notes if note != missing)]


def waiting_note(state: RunState, now: float | None) -> str:
    """A sentence on members that hold up the run; empty where none does."""
    silent = [state.reply(call) for call in state.waiting_on(now)] if now is not None else []
    if not silent or now is None:
        return ""
    names = listed([reply.ref.name for reply in silent])
    verb = "has" if len(silent) == 1 else "have"
    others = len(state.pool) - len(silent)
    return (
        f"All others are done; {names} {verb} sent nothing for {seconds(now - min(r.started for r in silent))}. "
        f"Stop the run, and rejudge() or `%fuse --rejudge last` judges what is there; quorum {others} would not wait "
        "next time."
    )


def cited_shares(state: RunState) -> list[tuple[str, float]]:
    """(member, its part of a written answer) by the judge's citations; empty where the judge cited nothing."""
    verdict = state.verdict
    if verdict is None or verdict.chosen:
        return []
    return [(r.ref.name, share) for r in state.candidates if (share := verdict.share(r.call))]


def shares(state: RunState) -> str:
    """The cited shares as part of a sentence: `claude 62 %, gemini 38 %`."""
    return ", ".join(f"{name} {percent(share)}" for name, share in cited_shares(state))


def debate_round(ended: Round) -> str:
    """Which members changed their answer in a debate round, and whether they agree now."""
    if ended.round == 0:
        return "the members agree" if ended.agreed else "the members differ"
    changed = f"{listed(list(ended.changed))} changed their mind" if ended.changed else "nobody changed their mind"
    if len(ended.changed) == 1:
        changed = f"{ended.changed[0]} changed its mind"
    return f"{changed}; {'they agree' if ended.agreed else 'they still differ'}"


def remarks(reply: Reply) -> list[str]:
    """What a person should know before relying on a reply: its warnings as sentences."""
    return warnings_text.remarks(reply.warnings)


def all_remarks(state: RunState) -> list[tuple[Reply, str]]:
    """The remarks of every call, in call order."""
    return [(reply, sentence) for reply in state.replies for sentence in remarks(reply)]


def badge(reply: Reply) -> str:
    """The mark of a reply with remarks: short enough for a tab."""
    return f"⚠ {SUSPECT}" if reply.suspect else "⚠" if reply.warnings else ""
