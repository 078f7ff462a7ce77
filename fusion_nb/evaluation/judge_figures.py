"""What verdicts on labelled pairs say of a judge: agreement, consistency, leanings, price, and how judges compare.

Pairs are resampled, never verdicts: two orders of one pair are one observation.
"""

from __future__ import annotations

import itertools
import re
import statistics as averages
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fusion_nb.core import Ref
from fusion_nb.evaluation.labelled_pairs import SIDES, Pair, PairVerdict
from fusion_nb.evaluation.observations import total
from fusion_nb.evaluation.statistics import (
    Corrected,
    Interval,
    corrected_rate,
    difference_interval,
    kappa,
    mean_interval,
)
from fusion_nb.providers.model_families import model_family
from fusion_nb.views.agreement_statistics import krippendorff_alpha

IllFormed = Literal["tie", "dropped", "wrong"]
CONVENTIONS: Mapping[str, str] = {
    "tie": "a verdict that could not be read counts as a tie",
    "dropped": "a verdict that could not be read is left out",
    "wrong": "a verdict that could not be read counts as wrong, and two of one pair as the same",
}
"""How verdicts that could not be read count, in words."""
_MARKUP = re.compile(r"^\s{0,3}(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|\||```)|\*\*[^*\n]+\*\*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lean:
    """How much more often a judge picks one kind of answer than the labels do."""

    picked: float
    labelled: float
    n: int
    interval: Interval | None
    """Of picked - labelled."""


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """One judge against the labels."""

    judge: str
    pairs: int
    verdicts: int
    agreement: float | None
    interval: Interval | None
    kappa: float | None
    consistency: float | None
    """Share of pairs, shown in both orders, with the same outcome."""
    swapped_pairs: int
    first_shown: float | None
    """Share of the first-shown among verdicts that name one."""
    ill_formed: float
    length: Lean | None
    markup: Lean | None
    own: Lean | None
    """For answers of its own model or family, where the authors are known."""
    own_right: float | None
    """Agreement where its own answer to the prompt is right, and where it is wrong."""
    own_wrong: float | None
    usd: Decimal | None
    """A verdict."""
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two judges on the same pairs, shown the same way."""

    one: str
    other: str
    n: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Substitute:
    """Whether a judge would do in place of another."""

    judge: str
    instead_of: str
    difference: float
    """Of the agreement with the labels, judge - the other."""
    interval: Interval | None
    n: int
    would_do: bool
    needed: int
    """Pairs that would tell, at the spread that was seen."""
    price: float | None
    """Of a verdict, as a part of the other's."""


def judge_figures(
    judge: str, pairs: Mapping[str, Pair], verdicts: Sequence[PairVerdict], ill: IllFormed, seed: int
) -> JudgeFigures:
    """The figures of one judge over its verdicts on labelled pairs."""
    labelled = [verdict for verdict in verdicts if pairs[verdict.pair].label is not None]
    rights = pair_agreement(pairs, labelled, ill)
    named = [verdict for verdict in verdicts if verdict.pick in ("first", "second")]
    both = _both_orders(verdicts)
    same = [one.side == two.side for one, two in both if ill != "dropped" or (one.side and two.side)]
    costs, times = [v.cost for v in verdicts], [v.seconds for v in verdicts if v.seconds is not None]
    whole = total(costs) if costs else None
    return JudgeFigures(
        judge,
        len(rights),
        len(labelled),
        averages.fmean(rights.values()) if rights else None,
        mean_interval(list(rights.values()), seed=seed),
        _label_kappa(pairs, labelled, ill),
        averages.fmean(same) if same else None,
        len(same),
        sum(v.pick == "first" for v in named) / len(named) if named else None,
        sum(v.pick is None for v in verdicts) / len(verdicts) if verdicts else 0.0,
        _lean(pairs, labelled, lambda pair: len(pair.a) - len(pair.b), seed),
        _lean(pairs, labelled, lambda pair: _markup(pair.a) - _markup(pair.b), seed),
        _lean(pairs, labelled, lambda pair: _own(judge, pair.model_a) - _own(judge, pair.model_b), seed),
        *_by_own_answer(pairs, labelled, ill),
        None if whole is None else whole / len(costs),
        averages.median(times) if times else None,
    )


def pair_agreement(pairs: Mapping[str, Pair], verdicts: Sequence[PairVerdict], ill: IllFormed) -> dict[str, float]:
    """Pair -> the share of its verdicts that say what its label says."""
    rights: dict[str, list[bool]] = {}
    for verdict in verdicts:
        side = verdict.side
        if side is None and ill == "dropped":
            continue
        said = "tie" if side is None and ill == "tie" else side
        rights.setdefault(verdict.pair, []).append(said == pairs[verdict.pair].label)
    return {key: averages.fmean(values) for key, values in rights.items()}


def base_rate(pairs: Sequence[Pair]) -> tuple[str, float] | None:
    """The commonest label and its share: what a judge that always says the same agrees with."""
    counts = Counter(pair.label for pair in pairs if pair.label is not None)
    if not counts:
        return None
    label, count = counts.most_common(1)[0]
    return str(label), count / sum(counts.values())


def label_kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Cohen's kappa of two lists of a, b and tie (or first, second and tie), unweighted."""
    names = sorted({*one, *other})
    counts = Counter(zip(one, other, strict=True))
    return kappa([[counts[row, column] for column in names] for row in names]) if names else None


def _label_kappa(pairs: Mapping[str, Pair], verdicts: Sequence[PairVerdict], ill: IllFormed) -> float | None:
    """Over verdicts that could be read, or with those that could not as ties."""
    read = [
        (verdict.side or "tie", str(pairs[verdict.pair].label)) for verdict in verdicts if verdict.side or ill == "tie"
    ]
    return label_kappa([one for one, _ in read], [other for _, other in read])


def _both_orders(verdicts: Sequence[PairVerdict]) -> list[tuple[PairVerdict, PairVerdict]]:
    orders: dict[str, dict[str, PairVerdict]] = {}
    for verdict in verdicts:
        orders.setdefault(verdict.pair, {})[verdict.order] = verdict
    return [(each["ab"], each["ba"]) for each in orders.values() if len(each) == 2]


def _lean(
    pairs: Mapping[str, Pair], verdicts: Sequence[PairVerdict], more: Callable[[Pair], float], seed: int
) -> Lean | None:
    """How often the answer that has more is picked, against how often it is labelled better; ties left out."""
    picked: dict[str, list[bool]] = {}
    for verdict in verdicts:
        pair = pairs[verdict.pair]
        if verdict.side in ("a", "b") and pair.label in ("a", "b") and more(pair):
            picked.setdefault(pair.key, []).append((verdict.side == "a") == (more(pair) > 0))
    if not picked:
        return None
    shares = {key: averages.fmean(values) for key, values in picked.items()}
    labelled = {key: float((pairs[key].label == "a") == (more(pairs[key]) > 0)) for key in picked}
    differences = [shares[key] - labelled[key] for key in picked]
    interval = difference_interval(differences, seed=seed)
    return Lean(averages.fmean(shares.values()), averages.fmean(labelled.values()), len(picked), interval)


def _markup(text: str) -> int:
    """Headings, list items, table rows, fences and bold passages."""
    return len(_MARKUP.findall(text))


def _own(judge: str, model: str) -> int:
    """1 for an answer of the judge's own model or family."""
    return int(bool(model) and model_family(_ref(judge)) == model_family(_ref(model)))


def _ref(name: str) -> Ref:
    service, colon, model = name.partition(":")
    return Ref(service, model) if colon else Ref("", name)


def _by_own_answer(
    pairs: Mapping[str, Pair], verdicts: Sequence[PairVerdict], ill: IllFormed
) -> tuple[float | None, float | None]:
    shares = []
    for right in (True, False):
        rights = pair_agreement(pairs, [verdict for verdict in verdicts if verdict.own_right is right], ill)
        shares.append(averages.fmean(rights.values()) if rights else None)
    return shares[0], shares[1]


# ---- judges beside one another


def comparisons(verdicts: Mapping[str, Sequence[PairVerdict]]) -> list[Comparison]:
    """Each two judges, by the place they picked where both were shown the pair the same way; unread ones left out."""
    picks = {judge: {(v.pair, v.order): v.pick for v in each if v.pick is not None} for judge, each in verdicts.items()}
    found = []
    for one, other in itertools.combinations(picks, 2):
        shared = [key for key in picks[one] if key in picks[other]]
        first, second = [str(picks[one][key]) for key in shared], [str(picks[other][key]) for key in shared]
        if shared:
            agreement = averages.fmean(a == b for a, b in zip(first, second, strict=True))
            found.append(Comparison(one, other, len(shared), agreement, label_kappa(first, second)))
    return found


def judges_alpha(verdicts: Mapping[str, Sequence[PairVerdict]]) -> float | None:
    """Krippendorff's alpha of what the judges say of each pair in each order (nominal)."""
    units: dict[tuple[str, str], list[str]] = {}
    for each in verdicts.values():
        for verdict in each:
            if verdict.side is not None:
                units.setdefault((verdict.pair, verdict.order), []).append(verdict.side)
    codes: dict[str, float] = {side: float(place) for place, side in enumerate(SIDES)}
    return krippendorff_alpha([[codes[side] for side in unit] for unit in units.values()], "nominal")


def substitute(
    judge: JudgeFigures,
    other: JudgeFigures,
    rights: Mapping[str, Mapping[str, float]],
    smallest: float,
    seed: int,
) -> Substitute | None:
    """Whether `judge` would do instead of `other`: no more than `smallest` of the agreement can be lost."""
    shared = [key for key in rights[judge.judge] if key in rights[other.judge]]
    if not shared:
        return None
    differences = [rights[judge.judge][key] - rights[other.judge][key] for key in shared]
    interval = difference_interval(differences, seed=seed)
    spread = averages.pstdev(differences) if len(differences) > 1 else 1.0
    needed = int((1.96 * max(spread, 0.05) / smallest) ** 2) + 1
    price = float(judge.usd / other.usd) if judge.usd is not None and other.usd else None
    would_do = interval is not None and interval.low > -smallest
    return Substitute(
        judge.judge, other.judge, averages.fmean(differences), interval, len(shared), would_do, needed, price
    )


# ---- what a judge's win rates are worth


def corrected_win_rate(
    pairs: Mapping[str, Pair], verdicts: Sequence[PairVerdict], x: str, y: str, seed: int
) -> tuple[Corrected | None, int]:
    """How often `x` beats `y` by a judge, ties left out, corrected by the labelled pairs of the two; and over how many
    verdicts. Pairs without a label count for the rate alone."""
    wins = of = hits = positives = rejections = negatives = 0
    for verdict in verdicts:
        pair = pairs[verdict.pair]
        if {pair.model_a, pair.model_b} != {x, y} or x == y or verdict.side not in ("a", "b"):
            continue
        says_x = (verdict.side == "a") == (pair.model_a == x)
        wins, of = wins + says_x, of + 1
        if pair.label in ("a", "b"):
            is_x = (pair.label == "a") == (pair.model_a == x)
            positives, hits = positives + is_x, hits + (is_x and says_x)
            negatives, rejections = negatives + (not is_x), rejections + (not is_x and not says_x)
    return corrected_rate(wins, of, hits, positives, rejections, negatives, seed=seed), of
