"""Who agreed with whom over one run or many, and who was wrong where. Loads no pandas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from fusion_nb.errors import UserError
from fusion_nb.views.frame_sums import is_missing

if TYPE_CHECKING:
    import pandas as pd

AGREEMENT_DTYPES: dict[str, Any] = {
    "run": "string",
    "share": "Float64",
    "asked": "Int64",
    "groups": "Int64",
    "answer": "string",
    "dissenters": "string",
    "tied": "boolean",
}
Facts = Mapping[str, Mapping[str, Any]]
"""Run -> what is known of it beside its rows."""


class Standing(NamedTuple):
    """One member's answer in a run."""

    label: str
    call: int
    group: int | None
    """1 for the group that won; `None` where no short answer was found."""
    place: int
    """Of its row in the frame."""
    usable: bool = True


def by_run(frame: pd.DataFrame) -> dict[str, list[Standing]]:
    """Run -> the standing answer of each member: the one that was compared, else its last usable one, else its last."""
    wanted = [name for name in ("run", "call", "role", "round", "label", "group", "status") if name in frame]
    runs: dict[str, dict[str, Standing]] = {}
    for place, row in enumerate(frame[wanted].to_dict("records")):
        if row["role"] != "candidate":
            continue
        group = None if is_missing(row.get("group")) else int(row["group"])
        usable = row.get("status", "ok") in ("ok", "incomplete")
        this = Standing(str(row["label"]), int(row["call"]), group, place, usable)
        members = runs.setdefault(str(row["run"]), {})
        before = members.get(this.label)
        if before is None or _weight(this) >= _weight(before):
            members[this.label] = this
    return {run: list(members.values()) for run, members in runs.items()}


def _weight(standing: Standing) -> tuple[bool, bool, int]:
    return standing.group is not None, standing.usable, standing.call


def agreement_rows(frame: pd.DataFrame, facts: Facts) -> list[dict[str, Any]]:
    """A row per run. What the frame's rows do not say (who won a tie by weights, the answer) is of `facts`."""
    return [_row(run, members, facts.get(run, {}).get("agreement") or {}) for run, members in by_run(frame).items()]


def answer_labels(facts: Facts) -> tuple[str, ...]:
    """The labels that the short answers of all runs are of, as `extract="label:..."` names them; empty without any."""
    forms = {str((fact.get("agreement") or {}).get("extract") or "") for fact in facts.values()}
    kind, _, detail = (forms.pop() if len(forms) == 1 else "").partition(":")
    if kind.strip() != "label":
        return ()
    # As answers are compared: but for case and spaces.
    labels = (" ".join(label.casefold().split()) for label in detail.split(","))
    return tuple(dict.fromkeys(label for label in labels if label))


def _row(run: str, members: list[Standing], told: Mapping[str, Any]) -> dict[str, Any]:
    sizes = Counter(member.group for member in members if member.group is not None)
    known = sum(sizes.values()) > 1
    asked = told.get("asked", len(members))
    tied = told.get("tied", len(sizes) > 1 and sizes[1] == max(sizes[group] for group in sizes if group != 1))
    answers = told.get("answers") or []
    return {
        "run": run,
        "share": sizes[1] / asked if known else None,
        "asked": asked,
        "groups": len(sizes),
        "answer": answers[0] if known and answers else None,
        "dissenters": ", ".join(m.label for m in members if m.group is not None and m.group > 1) if known else None,
        "tied": tied if known else None,
    }


# ---- who was wrong


class Errors(NamedTuple):
    """Who was wrong in which run."""

    members: tuple[str, ...]
    wrong: list[list[bool]]
    """A row per run, a column per member."""
    left_out: int
    """Runs without a truth, or without one of the members."""


def errors(frame: pd.DataFrame, facts: Facts, known: Any) -> Errors:
    """Of the members that are in most of the runs; who is asked only in a cascade is none of them.

    Raises `UserError` where `known` is nothing that tells the truth.
    """
    right = _truth(frame, facts, known)
    runs: list[dict[str, bool | None]] = []
    for run, standing in by_run(frame).items():
        later = set((facts.get(run, {}).get("escalation") or {}).get("to", ()))
        runs.append({each.label: right(run, each) for each in standing if each.label not in later})
    judged = [run for run in runs if any(value is not None for value in run.values())]
    counts = Counter(label for run in judged for label in run)
    members = tuple(label for label, count in counts.items() if 2 * count > len(judged))
    whole = [run for run in judged if all(run.get(label) is not None for label in members)]
    return Errors(members, [[not run[label] for label in members] for run in whole], len(runs) - len(whole))


def right_groups(frame: pd.DataFrame, facts: Facts, known: Any) -> dict[str, bool | None]:
    """Run -> whether the answer of the group that won is right, by its first member's; `None` where nobody knows."""
    right = _truth(frame, facts, known)
    firsts = {run: next((m for m in members if m.group == 1), None) for run, members in by_run(frame).items()}
    return {run: None if first is None else right(run, first) for run, first in firsts.items()}


def _truth(frame: pd.DataFrame, facts: Facts, known: Any) -> Any:
    """(run, standing answer) -> whether it is right, or `None`."""
    if isinstance(known, str):
        if known not in frame:
            raise UserError(
                f"There is no column {known!r}: known= names one that says of each row whether it is right."
            )
        return _by_row(list(frame[known]))
    index = getattr(known, "index", None)
    if str(getattr(known, "dtype", "")) in ("bool", "boolean"):
        if index is None or len(known) != len(frame) or not bool((index == frame.index).all()):
            raise UserError("known= with True and False has to have a value for each row of this frame.")
        return _by_row(list(known))
    if not isinstance(known, Mapping) and index is None:
        raise UserError(
            "known= takes the right answer by run (a dict or a Series), or the name of a column that says of each row "
            "whether it is right."
        )
    gold = {str(run): answer for run, answer in known.items()}
    return lambda run, member: _by_answer(gold.get(run), member, facts.get(run, {}).get("agreement"))


def _by_row(values: list[Any]) -> Any:
    def right(run: str, member: Standing) -> bool | None:
        value = values[member.place]
        return None if is_missing(value) else bool(value)

    return right


def _by_answer(gold: Any, member: Standing, told: Mapping[str, Any] | None) -> bool | None:
    """Whoever gave no short answer is not right."""
    if is_missing(gold) or told is None:
        return None
    answers = told.get("answers") or []
    if member.group is None or member.group > len(answers):
        return False
    return same_answer(str(gold), answers[member.group - 1])


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def same_answer(gold: str, answer: str) -> bool:
    """Whether a short answer is right: a number by its value, whatever the unit; a text but for case and spaces.

    >>> same_answer("$1,200", "1200 eggs"), same_answer("Paris", " paris "), same_answer("18", "180")
    (True, True, False)
    """
    number = _decimal(re.sub(r"[$€£%,\s]", "", gold))
    if number is None:
        return " ".join(gold.casefold().split()) == " ".join(answer.casefold().split())
    found = _NUMBER.search(re.sub(r"[$,]", "", answer))
    return found is not None and _decimal(found[0]) == number


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
