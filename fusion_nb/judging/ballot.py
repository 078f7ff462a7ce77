"""The candidates' short answers, their vote, and what people are told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fusion_nb.core import Agreement, ModeInput, Reply, Verdict, VerdictState
from fusion_nb.core.wording import count_word
from fusion_nb.errors import UserError
from fusion_nb.judging.normalized_answer import ShortAnswer
from fusion_nb.judging.vote import Vote, count_votes, extract_answer


class Ballot:
    """The candidates' short answers and their vote."""

    def __init__(
        self, replies: Sequence[Reply], answers: Sequence[ShortAnswer | None], weights: Mapping[str, float], note: str
    ) -> None:
        self.replies = tuple(replies)
        self._answers = tuple(answers)
        self._weights = weights
        self.note = note
        """What kept the person's own function from reading an answer; empty where nothing did."""
        self.vote: Vote = count_votes(answers, [weights.get(reply.ref.name, 1.0) for reply in replies])

    @classmethod
    async def of(cls, task: ModeInput) -> Ballot:
        """The short answers of all candidates, read as the run asks for."""
        if task.extract is None:
            read = [(_found(task, reply), "") for reply in task.candidates]
        else:
            read = await asyncio.gather(*(_read(task.extract, reply) for reply in task.candidates))
        failures = list(dict.fromkeys(failure for _, failure in read if failure))
        note = f"{failures[0]} What it could not read counts as unknown." if failures else ""
        return cls(task.candidates, [answer for answer, _ in read], dict(task.selection.weights), note)

    def among(self, replies: Sequence[Reply]) -> Ballot:
        """The same answers, of some of the replies alone."""
        calls = {reply.call for reply in replies}
        rows = [(r, a) for r, a in zip(self.replies, self._answers, strict=True) if r.call in calls]
        return Ballot([r for r, _ in rows], [a for _, a in rows], self._weights, self.note)

    def agreement(self, asked: int) -> Agreement:
        """The groups by call. `asked`: how many members were asked."""
        groups = tuple(tuple(self.replies[place].call for place in group) for group in self.vote.groups)
        heads = [self._answers[group[0]] for group in self.vote.groups]
        answers = tuple(f"{head.value} {head.unit}".strip()[:200] if head else "" for head in heads)
        unknown = tuple(self.replies[place].call for place in self.vote.unknown)
        return Agreement(asked, groups, answers, unknown, self.vote.tied)

    def representatives(self) -> tuple[Reply, ...]:
        """One reply, the earliest in the pool, for each short answer; whoever has none stands for itself."""
        firsts = sorted([*(group[0] for group in self.vote.groups), *self.vote.unknown])
        return tuple(self.replies[place] for place in firsts)

    def tied(self) -> tuple[Reply, ...]:
        """The first member of each group that weighs as much as the heaviest; one where there is no tie."""
        weigh = [sum(self._weights.get(self.replies[p].ref.name, 1.0) for p in group) for group in self.vote.groups]
        heaviest = [g[0] for g, w in zip(self.vote.groups, weigh, strict=True) if w > max(weigh) - 1e-9]
        return tuple(self.replies[place] for place in heaviest)

    @property
    def winner(self) -> Reply | None:
        return None if self.vote.winner is None else self.replies[self.vote.winner]


def _found(task: ModeInput, reply: Reply) -> ShortAnswer | None:
    return extract_answer(reply.text, task.selection.extract or None, task.prompt)


async def _read(extract: Callable[[str], Awaitable[Any]], reply: Reply) -> tuple[ShortAnswer | None, str]:
    try:
        return await extract(reply.text), ""
    except UserError as error:
        return None, str(error)


def taken(reply: Reply, state: VerdictState, note: str) -> Verdict:
    """A candidate as the answer, without a judge."""
    return Verdict(answer=reply.text, chosen=(reply.call,), state=state, note=note)


def voted_verdict(votes: Ballot, note: str) -> Verdict:
    """The first group's answer, by its first member."""
    winner = votes.winner
    if winner is None:
        reason = votes.note or "extract= says how short answers are found."
        return Verdict(state="undecided", note=f"No short answer was found in any candidate: no vote. {reason}")
    return taken(winner, "voted", " ".join(part for part in (note, votes.note) if part))


def vote_note(votes: Ballot, asked: int) -> str:
    """How the vote went, and what the tie rule decided."""
    vote, winner = votes.vote, votes.winner
    if winner is None:
        return ""
    answer, *other_answers = votes.agreement(asked).answers
    if sum(map(len, vote.groups)) == 1:
        return f"Only {winner.ref.name} gave an answer that can be counted: {answer}."
    count = f"{len(vote.groups[0])} of {asked} members {_say(len(vote.groups[0]))} {answer}"
    unknown = f" {count_word(len(vote.unknown)).capitalize()} could not be counted." if vote.unknown else ""
    if not vote.tied:
        return f"{count}.{unknown}"
    sides = zip(vote.groups[1:], other_answers, strict=True)
    others = " and ".join(f"{len(group)} {_say(len(group))} {other}" for group, other in sides)
    return f"{count}, {others}: a tie, taken by {winner.ref.name}, which is named first.{unknown}"


def _say(count: int) -> str:
    return "says" if count == 1 else "say"
