"""From past runs, or recorded answers of any origin, to questions: what each member answered alone, what was fused.

One question is one observation. Copies of a run, and the runs derived from it (rejudged, retried, resumed), are one;
runs that were stopped are left out and counted; a person's choice is not the judge's.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fusion_nb import history
from fusion_nb.core import Ref, Reply
from fusion_nb.core.option_checks import shown
from fusion_nb.core.values import PYTHON_SERVICE
from fusion_nb.core.verdict import UNDECIDED, Verdict
from fusion_nb.errors import UserError
from fusion_nb.journal.table_index import each_run
from fusion_nb.run.result import FusionResult


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one question, of a member or of a way to fuse them."""

    text: str | None
    """`None` where there is none: the call failed, or no answer was claimed."""
    cost: Decimal | None = None
    """USD; `None` where it is not known."""
    seconds: float | None = None
    calls: int | None = None
    fallback: bool = False
    """Delivered because the judge came to no verdict."""
    judged: tuple[str, ...] = ()
    """Members whose answer the judge itself picked."""
    mark: float | None = None
    """How right it is, where the records say so themselves."""


@dataclass(slots=True)
class Question:
    """One observation."""

    prompt: str
    result: FusionResult
    """For a person's own `correct(result, text)`."""
    members: dict[str, Answer]
    delivered: dict[str, Answer] = field(default_factory=dict)
    """By the name of an arm: what runs have delivered."""
    others: dict[str, Answer] = field(default_factory=dict)
    """By name: answers of models that are no members."""
    gold: Any = None
    kind: Any = None
    """Of which kind the question is, where the person named a column for it."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Questions, the members that answered them, and what was left out, in sentences."""

    questions: list[Question]
    members: tuple[str, ...]
    notes: tuple[str, ...] = ()
    demo: bool = False
    recorded: bool = False
    """Whether they are answers without runs, so that nothing can be asked of them but what they say."""


# ---- runs


def of_runs(runs: Iterable[Any], pool: Sequence[str] | None = None) -> Observations:
    """Past runs of one pool: results, or ids. Raises `UserError` where there are none, or their pools differ."""
    results = {result.run: result for result in map(history.result_of, each_run(runs))}
    left_out: Counter[str] = Counter()
    families: dict[str, list[FusionResult]] = {}
    for result in results.values():
        if result.status == "running":
            left_out["is under way or crashed"] += 1
        elif result.status == "cancelled":
            left_out["was stopped"] += 1
        else:
            families.setdefault(_origin(result, results), []).append(result)
    if not families:
        stopped = f": {_counted(left_out)}" if left_out else ""
        raise UserError(f"Give evaluate() at least one finished run of a pool of two or more members{stopped}.")
    firsts = [min(family, key=lambda result: (result.when, result.run)) for family in families.values()]
    members = tuple(pool or _asked(firsts[0]))
    if len(members) < 2:
        raise UserError("Give evaluate() at least one finished run of a pool of two or more members.")
    for first in firsts:
        if set(_asked(first)) != set(_asked(firsts[0])) and not (pool and set(pool) <= set(_asked(first))):
            raise UserError(
                f"Run {first.run} has another pool than {firsts[0].run}: compare runs of the same members, or name "
                'those that all runs have, pool="a,b".'
            )
        if missing := [name for name in members if name not in _asked(first)]:
            raise UserError(
                f"{missing[0]} is no member of run {first.run}: its members are {', '.join(_asked(first))}."
            )
    questions = []
    for family in families.values():
        in_order = sorted(family, key=lambda result: (result.when, result.run))
        questions.append(_question(in_order, members, left_out))
    notes = [f"Left out: {_counted(left_out)}."] if left_out else []
    copies = len(results) - len(questions) - sum(left_out[why] for why in ("is under way or crashed", "was stopped"))
    if copies > 0:
        notes.append(f"{copies:,} run{'s' * (copies > 1)} derived from others: with these one observation each.")
    again = len(questions) - len({question.prompt for question in questions})
    if again:
        notes.append(f"{again:,} of the {len(questions):,} runs ask a question again: they are not independent of it.")
    return Observations(questions, members, tuple(notes), any(result.demo for result in firsts))


def _counted(reasons: Counter[str]) -> str:
    return "; ".join(f"{count:,} run{'s' * (count > 1)} that {why}" for why, count in reasons.items())


def _asked(result: FusionResult) -> tuple[str, ...]:
    """The members of a pool, without those that a cascade asked besides."""
    later = {ref.name for ref in (result.escalation.to if result.escalation else ())}
    return tuple(ref.name for ref in result.pool if ref.name not in later)


def _origin(result: FusionResult, results: Mapping[str, FusionResult]) -> str:
    """The first run of those that took replies over from one another, as far as it is known and was not stopped."""
    seen = {result.run}
    while result.of and result.of not in seen:
        earlier = results.get(result.of)
        if earlier is None:
            with contextlib.suppress(UserError):
                earlier = history.load(result.of)
        if earlier is None:
            return result.of
        seen.add(earlier.run)
        result = earlier
    return result.run


def _question(family: Sequence[FusionResult], members: Sequence[str], left_out: Counter[str]) -> Question:
    first = family[0]
    alone = {name: _alone(family, name) for name in members}
    later = {ref.name for result in family if result.escalation for ref in result.escalation.to}
    question = Question(first.prompt, first, alone, others={name: _alone(family, name) for name in sorted(later)})
    for result in family:
        verdict = result.judged or result.verdict
        if set(_asked(result)) != set(members):
            if result is not first:
                left_out["asks other members"] += 1
            continue
        if verdict is None or verdict.state == "by-hand":
            if verdict is not None:
                left_out["a person decided before any judge did"] += 1
            continue
        # Of several like it the first counts: nobody picks the one that came out best.
        question.delivered.setdefault(_arm_name(result), _delivered(result, verdict, alone))
    return question


def _alone(family: Sequence[FusionResult], name: str) -> Answer:
    """What a member said before it saw the others, where it was first usable."""
    replies = [_first(result, name) for result in family]
    reply = next((reply for reply in replies if reply and reply.usable), replies[0])
    if reply is None:
        return Answer(None, Decimal(0), None, 0)
    return Answer(reply.text if reply.usable else None, paid(reply), reply.latency, 1)


def _first(result: FusionResult, name: str) -> Reply | None:
    replies = [r for r in result.replies if r.role == "candidate" and r.ref.name == name and r.round == 0]
    return next((r for r in replies if r.usable), replies[-1] if replies else None)


def paid(reply: Reply) -> Decimal | None:
    """USD of a call, when it was made; nothing for one that its service refused, and that nobody is billed for."""
    if reply.kept_from:
        return reply.kept_cost
    return Decimal(0) if reply.cost is None and not reply.unpriced else reply.cost


def _arm_name(result: FusionResult) -> str:
    if result.selection.escalate:
        return "escalation"
    if result.mode == "vote":
        return "vote"
    judges = ", ".join(ref.label for ref in result.judges)
    checked = "check, " if result.selection.checks else ""
    if result.jury:
        return f"{checked}jury ({result.mode}: {judges})"
    return f"{checked}{result.mode} ({judges})" if judges else result.mode


def _delivered(result: FusionResult, verdict: Verdict, alone: Mapping[str, Answer]) -> Answer:
    costs = [paid(reply) for reply in result.replies]
    cost = total(costs)
    kept = [alone[name].seconds or 0.0 for name in alone] if any(r.kept_from for r in result.replies) else [0.0]
    picked = verdict.chosen if verdict.state in ("judged", "repaired") else ()
    return Answer(
        verdict.answer,
        cost,
        result.seconds + max(kept),
        len(result.replies),
        fallback=verdict.state in UNDECIDED and verdict.answer is not None,
        judged=tuple(result.reply(call).ref.name for call in picked),
    )


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The exact sum; `None` where a part of it is not known."""
    amounts = list(costs)
    return None if None in amounts else sum((cost for cost in amounts if cost is not None), Decimal(0))


# ---- recorded answers


def of_answers(frame: Any, pool: Sequence[str] | None = None, marks: str | None = None) -> Observations:
    """Recorded answers: a row each, columns `prompt`, `model`, `text`, where known `cost` or `cost_usd`, `seconds` or
    `latency_s`. `marks`: a column that says of each answer how right it is.

    Raises `UserError` where a column is missing, or a model answers a prompt twice.
    """
    wanted = [name for name in ("prompt", "model", "text") if name not in frame]
    if wanted:
        raise UserError(
            f"Recorded answers need columns prompt, model and text; {', '.join(wanted)} is not there: rename yours, "
            'df.rename(columns={"question": "prompt"}).'
        )
    if not len(frame):
        raise UserError("The frame of recorded answers is empty: give it a row for each answer.")
    present = list(dict.fromkeys(map(str, frame["model"])))
    if unknown := [name for name in pool or () if name not in present]:
        raise UserError(f"{unknown[0]} is no model of the recorded answers: {', '.join(present[:20])}.")
    members = tuple(pool or present)
    by_prompt: dict[str, dict[str, Answer]] = {}
    for label, prompt, model, answer in _rows(frame, marks):
        answers = by_prompt.setdefault(prompt, {})
        if model in answers:
            raise UserError(
                f"Row {label!r} is a second answer of {model} to the same prompt: keep one each, "
                'df.drop_duplicates(["prompt", "model"]).'
            )
        answers[model] = answer
    gone = Counter(name for answers in by_prompt.values() for name in members if name not in answers)
    notes = [f"{name} has no answer to {count:,}: counted as not right." for name, count in gone.items()]
    questions = [
        Question(prompt, _result(prompt, answers, members), {name: answers.get(name, _NONE) for name in members})
        for prompt, answers in by_prompt.items()
    ]
    for question, answers in zip(questions, by_prompt.values(), strict=True):
        question.others = {name: answer for name, answer in answers.items() if name not in members}
    return Observations(questions, members, tuple(notes), recorded=True)


_NONE = Answer(None, Decimal(0), None, 0)


def _rows(frame: Any, marks: str | None) -> Iterator[tuple[Any, str, str, Answer]]:
    def column(*names: str) -> list[Any]:
        name = next((name for name in names if name and name in frame), None)
        return [None] * len(frame) if name is None else frame[name].astype(object).where(frame[name].notna(), None)

    texts, costs, seconds = column("text"), column("cost", "cost_usd"), column("seconds", "latency_s")
    rows = zip(frame.index, frame["prompt"], frame["model"], texts, costs, seconds, column(marks or ""), strict=True)
    for label, prompt, model, text, cost, took, mark in rows:
        text = None if text is None or not str(text).strip() else str(text)  # noqa: PLW2901  a cell that is blank
        usd, seconds_taken = _amount(cost, "cost", label), _amount(took, "seconds", label)
        seconds_known = None if seconds_taken is None else float(seconds_taken)
        answer = Answer(text, usd, seconds_known, 1, mark=None if mark is None else float(mark))
        yield label, str(prompt), str(model), answer


def _amount(value: Any, column: str, label: Any) -> Decimal | None:
    """A cell of money or seconds. Raises `UserError` for what is none."""
    try:
        amount = None if value is None else Decimal(str(value))
    except ArithmeticError:
        amount = Decimal(-1)
    if amount is not None and not (amount.is_finite() and amount >= 0):
        raise UserError(
            f"{column} of row {label!r} is {shown(value)}: write a number from 0, or leave it empty where nobody knows."
        )
    return amount


def _result(prompt: str, answers: Mapping[str, Answer], members: Sequence[str]) -> FusionResult:
    """The answers as a result, for whoever looks at one to tell what is right."""
    pool = tuple(Ref(PYTHON_SERVICE, name, name) for name in members)
    replies = tuple(
        Reply(call, ref, text=answers[ref.label].text or "", status="ok" if answers[ref.label].text else "empty")
        for call, ref in enumerate((ref for ref in pool if ref.label in answers), 1)
    )
    return FusionResult(prompt=prompt, mode="vote", pool=pool, replies=replies, status="ok")
