"""How an answer is found beside, or without, a judge: own checks, votes, a cascade; and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from fusion_nb.core.values import Ref


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run is asked to do before, or instead of, paying a judge."""

    checks: tuple[str, ...] = ()
    """The person's own functions, by name, that each candidate must pass."""
    check_timeout: float = 10.0
    """Seconds that one check may take for one text."""
    deeper: int = 0
    """How often a member that failed the checks tries again, told what they said."""
    extract: str = ""
    """How short answers are found: a form such as `number`, or a function's name; empty: the cautious reading."""
    weights: tuple[tuple[str, float], ...] = ()
    """Of members' votes, by name; who is not named has 1."""
    escalate: tuple[Ref, ...] = ()
    """Members that are asked where the pool does not agree."""
    agree: float = 0.8
    """The share of the members asked that has to give one answer, 0 to 1."""
    escalate_shadow: bool = False
    """Whether they are asked in any case, to learn what stopping would have saved and changed."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Which candidates came to the same short answer. Known without a judge, on every run."""

    asked: int
    """Members that were asked, those that failed too: `share` is of them."""
    groups: tuple[tuple[int, ...], ...] = ()
    """Calls with the same short answer: the group that won first."""
    answers: tuple[str, ...] = ()
    """The short answer of each group, as it was read."""
    unknown: tuple[int, ...] = ()
    """Calls in which no short answer was found: they agree with nobody."""
    tied: bool = False
    """Whether the first group weighs no more than the second: the member named first decided."""

    @property
    def known(self) -> bool:
        """Whether at least two answers could be compared."""
        return sum(map(len, self.groups)) > 1

    @property
    def share(self) -> float | None:
        """The first group's part of the members asked; `None` where no two answers could be compared."""
        return len(self.groups[0]) / self.asked if self.known else None

    @property
    def dissenters(self) -> tuple[int, ...]:
        """Calls with another short answer than the first group's."""
        return tuple(sorted(call for group in self.groups[1:] for call in group)) if self.known else ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whether the members asked first agreed enough, and who was asked then."""

    agree: float
    """The share that was asked for, 0 to 1."""
    share: float | None = None
    """The share that was found; `None` where it is unknown."""
    needed: bool = True
    """Whether it was too small, or unknown."""
    to: tuple[Ref, ...] = ()
    """Who was asked then; with `escalate_shadow` also where it was not needed."""
    voted: int | None = None
    """The call whose answer the vote of the first members gives; `None` where nobody voted."""
