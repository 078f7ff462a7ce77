"""A jury: several judges side by side, each blind with labels and order of its own, and one verdict from all of them.

A jury of several families agrees with people more than one large judge does (arXiv 2404.18796). What counts of each
verdict is worked out in `recusal.py`, scores and first places taken together in `jury_scores.py`.

First places decide who is best, not the fitted scores: one judge that a text has swayed moves every mean by giving 10
and 1, but it cannot outvote two. Where they split evenly there is no winner: "the judges disagree" is a result. Where
they point to another candidate than the fit does, that is said, and the scores are left with their judges, so that no
score stands beside a choice that contradicts it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fusion_nb.core import (
    UNDECIDED,
    Message,
    ModeCalls,
    ModeInput,
    Ref,
    Reply,
    StreamSplitter,
    Verdict,
    VerdictState,
)
from fusion_nb.core.wording import count_word, listed
from fusion_nb.judging.blind_candidates import fair_share
from fusion_nb.judging.judge_call import ask_judge
from fusion_nb.judging.jury_scores import Outcome, decide, spread, told_apart
from fusion_nb.judging.recusal import Juror, Seat, seats
from fusion_nb.judging.verdict_outcome import JudgeOpinion, tie_order


async def ask_jury(task: ModeInput, calls: ModeCalls, *, merge: bool) -> JudgeOpinion:
    """Ask all judges of the task at once, the first one for the fused answer of a `merge` too; one opinion of theirs.

    A judge that fails, or has to be asked again, delays no other. Each verdict is kept in `Verdict.jury`.
    """
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(_ask(task, calls, ref, place, merge=merge and place == 0))
            for place, ref in enumerate(task.judges)
        ]
    return combine_jury(task, [each.result() for each in asked], merge=merge)


class _Recording:
    """The run's calls as one judge makes them, kept."""

    def __init__(self, calls: ModeCalls) -> None:
        self._calls = calls
        self.replies = list[Reply]()

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        reply = await self._calls.ask(ref, messages, round=round, schema=schema, splitter=splitter, labels=labels)
        self.replies.append(reply)
        return reply


async def _ask(task: ModeInput, calls: ModeCalls, ref: Ref, place: int, *, merge: bool) -> Juror:
    # A seed of its own: whatever an order does to a judge, it does not do it to all of them.
    seed = random.Random(f"{task.seed}:{place}").getrandbits(48) if place else task.seed
    room = task.measure_room(task.candidates, ref)
    own = replace(task, judge=ref, jury=(), seed=seed, room=task.room if room is None else room)
    recording = _Recording(calls)
    opinion = await ask_judge(own, recording, merge=merge)
    replies = tuple(sorted(recording.replies, key=lambda reply: reply.call))
    kin = {reply.call: task.kin(ref, reply.ref) for reply in task.candidates}
    sizes = [len(reply.text) for reply in task.candidates]
    return Juror(ref, opinion, replies, kin, shown_all=max(sizes) <= fair_share(sizes, own.room))


# ---- one verdict from all


def combine_jury(task: ModeInput, jurors: Sequence[Juror], *, merge: bool) -> JudgeOpinion:
    """One opinion of all. Answer and labels are the first judge's; rationale and analysis the first's that decided."""
    all_seats, first = seats(jurors, task.candidates), jurors[0].opinion
    jury, decided = tuple(seat.kept for seat in all_seats), [seat for seat in all_seats if seat.decided]
    if not decided:
        note = " ".join([f"None of the {count_word(len(jury))} judges came to a verdict.", *_empty_seats(all_seats)])
        return replace(first, verdict=replace(first.verdict, note=note, jury=jury))
    outcome = decide([seat.place for seat in decided if seat.place.first], [seat.scores for seat in decided])
    written, own = merge and bool(first.answer.strip()), decided[0].juror.opinion.verdict
    verdict = replace(
        first.verdict,
        rationale=own.rationale,
        analysis=own.analysis,
        ranking=_ranking(decided, outcome, task.candidates),
        scores={} if outcome.fit_differs else outcome.fitted,
        state=_state(first, decided, outcome, merge=merge, written=written),
        note=_note(all_seats, outcome, task.candidates, written=written),
        agreed=_agreed([seat.juror.opinion.verdict for seat in decided]),
        jury=jury,
    )
    # A written answer stands, whoever is best.
    return replace(first, verdict=verdict, tied=outcome.winners, decided=written or bool(outcome.winners))


def _ranking(decided: Sequence[Seat], outcome: Outcome, candidates: tuple[Reply, ...]) -> tuple[int, ...]:
    """Best first: by the fit, then by the mean of the judges' own ranks. Empty where there is no first."""
    scored = bool(outcome.fitted) and not outcome.fit_differs
    if not outcome.winners or (len(outcome.winners) > 1 and not scored):
        return ()
    ranks: dict[int, list[int]] = {}
    for seat in decided:
        # Ranks among all: in a list that a candidate was taken out of, those behind it would stand too high.
        for rank, call in enumerate(seat.juror.opinion.verdict.ranking):
            if call not in seat.recused:
                ranks.setdefault(call, []).append(rank)
    means, precedence = outcome.means, tie_order(candidates)

    def order(call: int) -> tuple[Any, ...]:
        rank = sum(ranks[call]) / len(ranks[call]) if call in ranks else len(candidates)
        return call not in outcome.winners, -means.get(call, 0.0), rank, precedence[call]

    return tuple(sorted({*outcome.winners, *means, *ranks}, key=order))


def _state(
    first: JudgeOpinion, decided: Sequence[Seat], outcome: Outcome, *, merge: bool, written: bool
) -> VerdictState:
    if merge and not written and first.verdict.state in UNDECIDED:
        # The same state as with one judge that owes the answer, whatever the others decided.
        return first.verdict.state
    if not written and not outcome.winners:
        return "split"
    return "repaired" if any(seat.juror.opinion.verdict.state == "repaired" for seat in decided) else "judged"


def _agreed(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether every judge agreed with itself in both orders."""
    said = [verdict.agreed for verdict in verdicts]
    return False if False in said else None if None in said else True


# ---- what people are told


def _note(all_seats: Sequence[Seat], outcome: Outcome, candidates: Sequence[Reply], *, written: bool) -> str:
    names = {reply.call: reply.ref.name for reply in candidates}
    decided = [seat for seat in all_seats if seat.decided]
    sentences = [
        _first_places(decided, outcome, names, written=written),
        _fit(decided, outcome, names),
        _recused(decided, names),
        *_lent(decided, names),
        _not_shown(decided),
        *_empty_seats(all_seats),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _first_places(decided: Sequence[Seat], outcome: Outcome, names: Mapping[int, str], *, written: bool) -> str:
    """Whom the judges find best, and what follows from it."""
    voters = [seat for seat in decided if seat.place.first]
    lost = "so none of the candidates counts as best" if written else "so there is no winner"
    if not outcome.leaders and voters:
        return f"The judges disagree: {_found(voters, names)}, {lost}.{_uneven(voters)}"
    alone = f"Only {decided[0].name} came to a verdict. {decided[0].juror.opinion.verdict.note}".strip()
    said = alone if len(decided) == 1 else ""
    if not voters:
        return f"{said} No judge has a say in who is best, {lost}.".strip()
    if len(voters) > 1:
        said = f"{count_word(len(voters)).capitalize()} judges: {_found(voters, names)}."
    silent = [seat.name for seat in decided if not seat.place.first]
    if silent:
        said += f" {listed(silent)} {'has' if len(silent) == 1 else 'have'} no say in who is best, being recused."
    if not told_apart(outcome.leaders, [seat.place for seat in voters]):
        several = listed([names[call] for call in outcome.leaders])
        said += f" No judge may compare {several}, {'so their fitted scores decide' if outcome.winners else lost}."
    return said.strip()


def _found(voters: Sequence[Seat], names: Mapping[int, str]) -> str:
    """`opus and gpt find claude best, gemini finds flash best`."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for seat in voters:
        groups.setdefault(tuple(sorted(seat.place.first)), []).append(seat.name)
    parts = []
    for calls, judges in groups.items():
        best = listed([names[call] for call in calls])
        parts.append(f"{listed(judges)} find{'s' * (len(judges) == 1)} {best} {'equal ' * (len(calls) > 1)}best")
    return ", ".join(parts)


def _uneven(voters: Sequence[Seat]) -> str:
    """Why more first places do not win: whoever gave them could not choose another."""
    counts = Counter(call for seat in voters for call in seat.place.first)
    most = max(counts.values())
    even = sum(count == most for count in counts.values()) > 1
    return "" if even else " A first place does not count against a candidate that its judge may not score."


def _fit(decided: Sequence[Seat], outcome: Outcome, names: Mapping[int, str]) -> str:
    """What the scores say where it is not what the first places say, how far they lie apart, and who has none."""
    scored = [seat.scores for seat in decided if seat.scores]
    sentences, means = list[str](), outcome.means
    if outcome.fit_differs:
        ahead, best = outcome.highest[0], outcome.winners[0]
        against = f" against {means[best]:.1f}" if best in means else ""
        sentences.append(
            f"Over the scores of all, {names[ahead]} is ahead ({means[ahead]:.1f}{against}), but the first places "
            "decide; the scores are left with their judges."
        )
    apart = spread(scored)
    if apart is not None:
        sentences.append(f"Their scores of one candidate spread over {apart:.1f} points on average.")
    unscored = [name for call, name in names.items() if call not in outcome.fitted]
    if scored and not outcome.fitted and len(decided) > 1:
        sentences.append("Their scores cannot be compared: no two judges link the candidates they may score.")
    elif scored and unscored:
        have = "has" if len(unscored) == 1 else "have"
        sentences.append(f"{listed(unscored)} {have} no score that can be compared: no judge may give one.")
    return " ".join(sentences)


def _recused(decided: Sequence[Seat], names: Mapping[int, str]) -> str:
    parts = [
        f"{s.name} from {listed([n for call, n in names.items() if call in s.recused])}" for s in decided if s.recused
    ]
    return f"Recused: {', '.join(parts)}." if parts else ""


def _lent(decided: Sequence[Seat], names: Mapping[int, str]) -> list[str]:
    return [
        f"{seat.name} judged {listed([names[call] for call in seat.lent])}, of its own family: no unrelated judge did."
        for seat in decided
        if seat.lent
    ]


def _not_shown(decided: Sequence[Seat]) -> str:
    short = [seat.name for seat in decided if not seat.juror.shown_all]
    return f"Not shown the candidates whole: {listed(short)}." if short and len(decided) > 1 else ""


def _empty_seats(all_seats: Sequence[Seat]) -> list[str]:
    return [f"The seat of {s.name} is empty. {s.juror.opinion.verdict.note}" for s in all_seats if not s.decided]
