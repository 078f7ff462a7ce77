"""The wording of what is known of one candidate. Plain text: each view escapes it for itself."""

from __future__ import annotations

from fusion_nb.core import CheckOutcome, Reply, RunState
from fusion_nb.views import formatting, ledger_cells
from fusion_nb.views.verdict_wording import differs

DIFFERS = "differs"
"""The badge of a candidate whose short answer is not that of the others."""
_SHORT = 60
"""Characters of a short answer that a line has room for."""
_VERY_SHORT = 16
"""Of one that stands on a tab."""
_SLOW = 1.0
"""Seconds from which on it is said how long a check took."""


def facts(state: RunState, reply: Reply) -> list[str]:
    """A candidate in a few words: name, end, checks, rank, score, seconds, cost, short answer; what is not known is
    left out."""
    verdict = state.verdict
    rank = verdict.ranking.index(reply.call) + 1 if verdict and reply.call in verdict.ranking else None
    mean = verdict.score(reply.call) if verdict else None
    ended_badly = formatting.reply_status(reply) if reply.status not in (None, "ok") else ""
    parts = [
        reply.ref.name,
        ended_badly,
        check_mark(reply),
        f"rank {rank}" if rank else "",
        formatting.score(mean) if mean is not None else "",
        *(["kept"] if reply.kept_from else _time_and_cost(reply)),
        short_answer(state, reply, _VERY_SHORT) if not _all_agree(state) else "",
    ]
    return [parts[0], *(part for part in parts[1:] if part)]


def _time_and_cost(reply: Reply) -> list[str]:
    return [
        formatting.seconds(reply.latency) if reply.latency is not None else "",
        formatting.money(reply.cost) if reply.cost is not None else "",
    ]


def badges(state: RunState, reply: Reply) -> list[str]:
    """Marks behind the facts: that it differs, that there is something to know of it."""
    return [*differing(state, reply), *([formatting.badge(reply)] if reply.warnings else [])]


def differing(state: RunState, reply: Reply) -> list[str]:
    """The badge of a reply whose short answer is not that of the others; none for the rest."""
    return [DIFFERS] if differs(state.agreement, reply.call) else []


# ---- the person's own checks


def check_mark(reply: Reply) -> str:
    """`✓ passed`, `✓ passed (0.83)` where checks rank, `✗ failed`; empty where no check was run."""
    if reply.passed is None:
        return ""
    if not reply.passed:
        return "✗ failed"
    return "✓ passed" if reply.check_score is None else f"✓ passed ({reply.check_score:.2f})"


def check_lines(reply: Reply) -> list[tuple[bool, str]]:
    """(whether it passed, a line) for each check of a reply: what it said, and why it failed."""
    return [(outcome.passed, _check_line(outcome)) for outcome in reply.checks]


def _check_line(outcome: CheckOutcome) -> str:
    said = _reason(outcome) if not outcome.passed else outcome.name
    score = f": {outcome.score:.2f}" if outcome.passed and outcome.score is not None else ""
    # A gate that was given a weight only ranks.
    bars = "" if outcome.passed or outcome.bars else "bars nobody"
    weight = f"weight {outcome.weight:g}" if outcome.weight is not None else ""
    took = formatting.seconds(outcome.seconds) if outcome.seconds >= _SLOW else ""
    more = ", ".join(part for part in (weight, bars, took) if part)
    return f"{'✓' if outcome.passed else '✗'} {said}{score}{f' ({more})' if more else ''}"


def _reason(outcome: CheckOutcome) -> str:
    error = outcome.error.strip().rstrip(".")
    if not error:
        return f"{outcome.name} said no"
    return error if error.startswith(outcome.name) else f"{outcome.name}: {error}"


def failed_lines(reply: Reply) -> list[str]:
    """The lines of the checks that it failed."""
    return [line for passed, line in check_lines(reply) if not passed]


def checked_merge(state: RunState) -> Reply | None:
    """The judge's reply whose merged answer was checked; `None` where none was."""
    return next((reply for reply in reversed(state.replies) if reply.role == "judge" and reply.checks), None)


# ---- its short answer


def short_answer(state: RunState, reply: Reply, longest: int = _SHORT) -> str:
    """`says 42`; empty where none was found in its text, or it is longer than there is room for."""
    groups = state.agreement.groups if state.agreement else ()
    place = next((place for place, group in enumerate(groups) if reply.call in group), None)
    answers = state.agreement.answers if state.agreement else ()
    if place is None or place >= len(answers) or not answers[place].strip():
        return ""
    answer = " ".join(answers[place].split())
    if len(answer) <= longest:
        return f"says {answer}"
    return f"says {formatting.short_name(answer, longest)}" if longest >= _SHORT else ""


def _all_agree(state: RunState) -> bool:
    """Whether there is nothing in which short answers differ."""
    return state.agreement is None or len(state.agreement.groups) < 2


# ---- who served it, and how it was asked


def meta(state: RunState, reply: Reply) -> list[str]:
    """The line above a candidate's text: model, upstream, its own settings, tokens, first text, attempts, answer."""
    tokens = reply.usage.completion
    parts = [
        f"{reply.ref.service}:{ledger_cells.model(reply)}",
        f"via {upstream(reply.provider, reply.quantization)}" if reply.provider or reply.quantization else "",
        formatting.settings(reply.ref),
        f"{formatting.number(tokens)} tokens" if tokens is not None else "",
        f"first text {formatting.seconds(reply.ttft)}" if reply.ttft is not None else "",
        formatting.plural(reply.attempts, "attempt") if reply.attempts > 1 else "",
        short_answer(state, reply),
    ]
    return [part for part in parts if part]


def upstream(provider: str | None, quantization: str | None) -> str:
    """`DeepInfra (fp8)`: who a router says served a call, and with which weights."""
    if provider and quantization:
        return f"{provider} ({quantization})"
    return provider or (f"{quantization} weights" if quantization else "")
