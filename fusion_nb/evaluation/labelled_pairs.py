"""Pairs of answers with human labels, and judges' verdicts on them, from whatever a person has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from fusion_nb.core.option_checks import shown
from fusion_nb.core.verdict import Verdict
from fusion_nb.errors import UserError
from fusion_nb.evaluation.observations import paid, total
from fusion_nb.run.result import FusionResult

Side = Literal["a", "b", "tie"]
Place = Literal["first", "second", "tie"]
Order = Literal["ab", "ba"]
SIDES: tuple[Side, ...] = ("a", "b", "tie")
_WORDS: Mapping[str, Side] = {
    "a": "a", "first": "a", "1": "a", "left": "a", "b": "b", "second": "b", "2": "b", "right": "b", "tie": "tie",
    "draw": "tie", "equal": "tie", "both": "tie", "0": "tie", "neither": "tie",
}  # fmt: skip
_PICKS: Mapping[str, Place] = {
    "first": "first", "a": "first", "1": "first", "second": "second", "b": "second", "2": "second", "tie": "tie",
    "draw": "tie", "0": "tie", "c": "tie",
}  # fmt: skip
_ORDERS: Mapping[str, Order] = {"ab": "ab", "12": "ab", "ba": "ba", "21": "ba"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, and which of them a person found better."""

    key: str
    label: Side | None
    prompt: str = ""
    a: str = ""
    b: str = ""
    model_a: str = ""
    model_b: str = ""


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What a judge said of a pair, shown in one order."""

    judge: str
    pair: str
    order: Order = "ab"
    pick: Place | None = None
    """By the place shown; `None` where no verdict could be read."""
    cost: Decimal | None = None
    seconds: float | None = None
    own_right: bool | None = None
    """Whether the judge's own answer to the prompt is right, where somebody knows."""

    @property
    def side(self) -> Side | None:
        """Which answer it finds better, by its name instead of its place."""
        if self.pick is None or self.pick == "tie":
            return self.pick
        return "a" if (self.pick == "first") == (self.order == "ab") else "b"


# ---- pairs


def pairs_of(pairs: Any, labels: Any) -> list[Pair]:
    """Pairs as a frame (`prompt, a, b`, where there are any `label, model_a, model_b, pair`), or dicts or tuples of
    prompt, a, b; `labels` where they have none. Raises `UserError`, one sentence."""
    rows = _rows(pairs)
    if not rows:
        raise UserError("There is no pair to judge: give a frame with the columns prompt, a, b and label.")
    if missing := [name for name in ("prompt", "a", "b") if name not in rows[0]]:
        raise UserError(
            f"Pairs need the columns prompt, a and b; {', '.join(missing)} is not there: rename yours, df.rename(...)."
        )
    keys = [str(row.get("pair", place)) for place, row in enumerate(rows)]
    given = _labels(labels, rows, keys)
    return [
        Pair(
            key,
            given[key],
            *(str(row[name]) for name in ("prompt", "a", "b")),
            *(str(row.get(name) or "") for name in ("model_a", "model_b")),
        )
        for key, row in zip(keys, rows, strict=True)
    ]


def _rows(pairs: Any) -> list[dict[str, Any]]:
    if hasattr(pairs, "to_dict") and hasattr(pairs, "columns"):
        frame = pairs if "pair" in pairs.columns else pairs.assign(pair=list(map(str, pairs.index)))
        rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
        return rows
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise UserError(f"Pairs are a frame, or a list of (prompt, a, b), not {shown(pairs)}.")
    rows = []
    for entry in pairs:
        if isinstance(entry, Mapping):
            rows.append(dict(entry))
        elif isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) in (3, 4):
            rows.append(dict(zip(("prompt", "a", "b", "label"), entry, strict=False)))
        else:
            raise UserError(
                f"A pair is (prompt, a, b), with a label or without, or a dict of them, not {shown(entry)}."
            )
    return rows


def _labels(labels: Any, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, Side | None]:
    if labels is None or isinstance(labels, str):
        column = labels or "label"
        if not rows or column not in rows[0]:
            raise UserError(f"Nobody says which answer is better: give labels, or a column {column!r} of a, b and tie.")
        values: list[Any] = [row[column] for row in rows]
    elif isinstance(labels, Mapping) or hasattr(labels, "items"):
        by_key = {str(key): value for key, value in labels.items()}
        if not any(key in by_key for key in keys):
            raise UserError("No pair stands in labels: give them by the pairs' index or column pair, or as a list.")
        values = [by_key.get(key) for key in keys]
    else:
        values = list(labels)
        if len(values) != len(keys):
            raise UserError(f"labels has {len(values):,} for {len(keys):,} pairs: give one for each.")
    if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1] if len(set(keys)) < len(keys) else []:
        raise UserError(f"The pair {twice[0]!r} stands twice: give each a name of its own, or reset the frame's index.")
    return {key: _side(value, key) for key, value in zip(keys, values, strict=True)}


def _side(value: Any, key: str) -> Side | None:
    if value is None or value != value:  # noqa: PLR0124  NaN
        return None
    side = _WORDS.get(str(value).strip().casefold())
    if side is None:
        raise UserError(f"The label of pair {key[:40]!r} is {shown(value)}: write a, b or tie.")
    return side


# ---- verdicts


def verdicts_of(verdicts: Any, pairs: Any, labels: Any) -> tuple[list[Pair], list[PairVerdict]]:
    """Recorded verdicts: a row each, columns `judge, pair, pick`, where known `order` (`ab`, `ba`), `cost`, `seconds`,
    `own_right`. `pick` is `first`, `second` or `tie` by the place shown; missing: none could be read."""
    rows = _rows(verdicts)
    if missing := [name for name in ("judge", "pick") if not rows or name not in rows[0]]:
        raise UserError(f"Verdicts need the columns judge, pair and pick; {', '.join(missing)} is not there.")
    recorded = [_verdict(row) for row in rows]
    keys = list(dict.fromkeys(verdict.pair for verdict in recorded))
    if pairs is not None:
        known = {pair.key: pair for pair in pairs_of(pairs, labels)}
        if lost := [key for key in keys if key not in known]:
            raise UserError(f"The verdicts name a pair {lost[0][:40]!r} that is not among the pairs.")
        return [known[key] for key in keys], recorded
    if labels is None:
        return [Pair(key, None) for key in keys], recorded
    given = _labels(labels, rows, [verdict.pair for verdict in recorded]) if isinstance(labels, str) else None
    given = given or _labels(labels, [{} for _ in keys], keys)
    return [Pair(key, given[key]) for key in keys], recorded


def _verdict(row: Mapping[str, Any]) -> PairVerdict:
    given = str(row.get("order") or "ab").casefold()
    order = _ORDERS.get(given)
    if order is None:
        raise UserError(f"The order of a verdict is ab or ba, not {shown(row.get('order'))}.")
    pick = row["pick"]
    place: Place | None = None
    if pick is not None and pick == pick:  # noqa: PLR0124  NaN
        place = _PICKS.get(str(pick).strip().casefold())
        if place is None:
            raise UserError(f"A verdict picks first, second or tie, by the place shown, or nothing; not {shown(pick)}.")
    cost, seconds, own = row.get("cost"), row.get("seconds"), row.get("own_right")
    return PairVerdict(
        str(row["judge"]),
        str(row["pair"]),
        order,
        place,
        None if cost is None else Decimal(str(cost)),
        None if seconds is None else float(seconds),
        None if own is None else bool(own),
    )


# ---- choices that a person made


def chosen_pairs(runs: Iterable[FusionResult]) -> tuple[list[Pair], list[PairVerdict]]:
    """Of runs in which a person took a candidate over the judge's: it against each other one, and what the judge said.

    Which of the two is `a` hangs on their texts, not on who was chosen.
    """
    pairs, verdicts = [], []
    for run in runs:
        if run.judged is None or run.verdict is None or not run.verdict.chosen:
            continue
        chosen = run.reply(run.verdict.chosen[0])
        judges = [reply for reply in run.replies if reply.role == "judge"]
        for other in run.candidates:
            if other.call == chosen.call or not other.usable or other.text == chosen.text:
                continue
            key = f"{run.run}/{chosen.call}-{other.call}"
            other_first = hashlib.sha256(key.encode()).digest()[0] % 2 == 1
            first, second = (other, chosen) if other_first else (chosen, other)
            pairs.append(
                Pair(
                    key,
                    "b" if other_first else "a",
                    run.prompt,
                    first.text,
                    second.text,
                    first.ref.name,
                    second.ref.name,
                )
            )
            if len(run.judges) == 1:
                pick = preferred(run.judged, first.call, second.call)
                cost = total(map(paid, judges))
                verdict = PairVerdict(run.judges[0].name, key, "ab", pick, cost, None)
                verdicts.append(verdict)
    return pairs, verdicts


def preferred(verdict: Verdict, first: int, second: int) -> Place | None:
    """Which of two calls a verdict finds better; `None` where it came to none."""
    if verdict.state not in ("judged", "repaired"):
        return None
    one, two = verdict.score(first), verdict.score(second)
    if one is not None and two is not None:
        return "tie" if one == two else "first" if one > two else "second"
    if first not in verdict.ranking or second not in verdict.ranking:
        return None
    return "first" if verdict.ranking.index(first) < verdict.ranking.index(second) else "second"
