"""From runs to ways to an answer: each member alone, their vote, the fused answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fusion_nb import history
from fusion_nb.core import Reply
from fusion_nb.errors import UserError
from fusion_nb.evaluation.report import Strategy, Worth
from fusion_nb.judging.short_answer import final_answer, matches
from fusion_nb.judging.vote import count_votes
from fusion_nb.run.result import FusionResult

Correct = Callable[[FusionResult, str], bool] | Mapping[str, Any]
Right = Callable[[FusionResult, str], bool]


def worth(runs: Iterable[FusionResult | str], correct: Correct | None = None) -> Worth:
    """Whether fusing was worth it, over several runs of the same pool.

    Args:
        runs: results, or ids of runs in the journal: `worth(fusion_nb.runs("arithmetic")["run"])`.
        correct: whether an answer is right: `correct(result, text)`, or the expected answers by prompt, which are
            compared with the short answer found in a text (`Answer: x`, `\\\\boxed{x}`, a JSON field, a last number).
            Without it nothing is said about quality.

    In a debate a member alone is its first answer. Raises `UserError` without runs, or where their pools differ.

    >>> import fusion_nb
    >>> question = "How many times does the letter r occur in the word strawberry?"
    >>> report = fusion_nb.worth([fusion_nb.fuse(question, pool="demo")], {question: "3"})
    >>> report.fused.runs
    1
    """
    if isinstance(runs, str | FusionResult):
        runs = [runs]
    if not isinstance(runs, Iterable):
        raise UserError(f"worth() takes results, or ids of runs, not {type(runs).__name__}.")
    results = [history.result_of(run) for run in runs]
    names = [ref.name for ref in results[0].pool] if results else []
    if len(names) < 2:
        raise UserError("Give worth() at least one run of a pool of two or more members.")
    odd = next((run for run in results if [ref.name for ref in run.pool] != names), None)
    if odd is not None:
        raise UserError(f"Run {odd.run} has another pool than {results[0].run}: compare runs of the same members.")
    right = _judge_of(correct)
    alone = [[_first(run, name) for run in results] for name in names]
    members = tuple(_alone(name, results, replies, right) for name, replies in zip(names, alone, strict=True))
    answers = [run.answer for run in results]
    seconds = tuple(None if any(r.kept_from for r in run.replies) else run.seconds for run in results)
    fused = Strategy("fused", _hits(results, answers, right), tuple(map(_cost, results)), seconds)
    demo = any(run.demo for run in results)
    vote, anyone = _together(results, alone, members, right) if right else (None, None)
    return Worth(fused, members, vote, anyone, demo)


def _together(
    runs: Sequence[FusionResult], alone: Sequence[Sequence[Reply | None]], members: Sequence[Strategy], right: Right
) -> tuple[Strategy, Strategy]:
    """What all members make of it without a judge: their vote, and whether any of them was right."""
    every = list(zip(*alone, strict=True))
    costs = tuple(_total([_paid(reply) for reply in row]) for row in every)
    slowest = tuple(max((r.latency for r in row if r and r.latency), default=None) for row in every)
    votes = [_vote(run, row) for run, row in zip(runs, every, strict=True)]
    anyone = tuple(map(any, zip(*(way.hits or () for way in members), strict=True)))
    return Strategy("vote", _hits(runs, votes, right), costs, slowest), Strategy("any", anyone, costs, slowest)


def _judge_of(correct: Correct | None) -> Right | None:
    if not isinstance(correct, Mapping):
        return correct
    expected = correct

    def right(run: FusionResult, text: str) -> bool:
        if run.prompt not in expected:
            raise UserError(f"No expected answer for the prompt of run {run.run}: correct[prompt] must be there.")
        return matches(text, str(expected[run.prompt]), run.prompt)

    return right


def _first(run: FusionResult, name: str) -> Reply | None:
    """What a member said before it saw the others."""
    replies = [r for r in run.replies if r.role == "candidate" and r.ref.name == name and r.round == 0]
    return next((r for r in replies if r.usable), replies[-1] if replies else None)


def _alone(name: str, runs: Sequence[FusionResult], replies: Sequence[Reply | None], right: Right | None) -> Strategy:
    texts = [reply.text if reply and reply.usable else None for reply in replies]
    verdicts = [(run, run.verdict) for run in runs if run.verdict]
    chosen = sum(any(run.reply(call).ref.name == name for call in verdict.chosen) for run, verdict in verdicts)
    seconds = tuple(reply.latency if reply else None for reply in replies)
    return Strategy(name, _hits(runs, texts, right), tuple(map(_paid, replies)), seconds, chosen)


def _hits(runs: Sequence[FusionResult], texts: Sequence[str | None], right: Right | None) -> tuple[bool, ...] | None:
    """An answer that is not there is not right."""
    if right is None:
        return None
    return tuple(text is not None and bool(right(run, text)) for run, text in zip(runs, texts, strict=True))


def _vote(run: FusionResult, replies: Sequence[Reply | None]) -> str | None:
    """The text whose short answer most members share; of equals, the earliest member's."""
    texts = [reply.text for reply in replies if reply and reply.usable]
    winner = count_votes([final_answer(text, run.prompt) for text in texts]).winner
    return None if winner is None else texts[winner]


def _paid(reply: Reply | None) -> Decimal | None:
    return None if reply is None else reply.kept_cost if reply.kept_from else reply.cost


def _cost(run: FusionResult) -> Decimal | None:
    """USD of a whole run, with what it took over from an earlier one; `None` where some of it is not known."""
    return None if run.unpriced else _total([_paid(reply) for reply in run.replies if reply.cost is not None])


def _total(costs: Sequence[Decimal | None]) -> Decimal | None:
    costs_known = [cost for cost in costs if cost is not None]
    return sum(costs_known, Decimal(0)) if costs_known and len(costs_known) == len(costs) else None
