"""Selecting without believing: the person's own checks, votes, agreement, the cascade. No judge is paid in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.errors import UserError
from fusion_nb.run.result import FusionResult

ASK = "How many eggs are left? Give a number."


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


class Member:
    """A Python function as a member or a judge: says its texts in turn, and keeps what it was asked."""

    def __init__(self, name: str, *texts: str | Exception) -> None:
        self.__name__ = name
        self._texts = texts
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        text = self._texts[min(len(self.asked), len(self._texts) - 1)]
        self.asked.append(prompt)
        if isinstance(text, Exception):
            raise text
        return text


def judge(pick: str = "", answer: str = "A merged answer.") -> Member:
    """A judge of the notebook's own that is happy with whatever says `pick`."""

    class Judge(Member):
        def __call__(self, prompt: str) -> str:
            self.asked.append(prompt)
            from tests.replay import judge as scripted

            return scripted.reply(prompt)

    return Judge("my_judge", answer)


def pool(*texts: str | Exception) -> list[Member]:
    return [Member(name, text) for name, text in zip(("ann", "bob", "cid", "dan", "eve"), texts, strict=False)]


def fuse(members: list[Member], **options: Any) -> FusionResult:
    return fusion_nb.fuse(ASK, pool=members, **{"judge": None, **options})


# ---- checks


def says_five(text: str) -> bool:
    return "5" in text


def test_the_only_one_that_passes_wins_unjudged_and_unpaid() -> None:
    """The person's function selects; the judge is not asked; who failed, and on what, is said."""
    referee = judge()
    result = fuse(pool("It is 4.", "It is 5.", "It is 6."), check=says_five, judge=referee)
    assert (result.status, result.answer) == ("ok", "It is 5.")
    assert result.verdict is not None
    assert result.verdict.state == "checked"
    assert not referee.asked
    assert "Only bob passed your checks" in result.verdict.note
    assert "ann: says_five said no" in result.verdict.note
    assert [reply.passed for reply in result.candidates] == [False, True, False]


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
def test_only_those_that_pass_reach_the_judge(mode: str) -> None:
    """In every mode; a debate is held among them too."""
    referee = judge()
    members = pool("Five is 5, I think.", "There are 4 left.", "5 or so, says my uncle.")
    result = fuse(members, check=says_five, judge=referee, mode=mode)
    assert result.status == "ok"
    assert referee.asked
    assert all("There are 4 left." not in prompt for prompt in referee.asked)
    assert len(members[1].asked) == 1


def test_the_highest_score_wins_without_a_judge() -> None:
    """A float ranks and never bars; weights count; a weighted bool is 1 or 0."""

    def shortness(text: str) -> float:
        return 1 / len(text)

    referee = judge()
    result = fuse(pool("a long answer", "short", "middling"), check=shortness, judge=referee)
    assert result.answer == "short"
    assert all(reply.passed for reply in result.candidates)
    weighted = [(lambda text: "long" in text, 3), (shortness, 1)]
    weighted[0][0].__name__ = "is_long"  # type: ignore[attr-defined]
    assert fuse(pool("a long answer", "short"), check=weighted, judge=referee).answer == "a long answer"
    assert not referee.asked


def test_those_with_the_same_score_and_the_same_answer_are_one() -> None:
    """The earliest of them wins unjudged; where their answers differ the judge settles it."""
    referee = judge()
    same = fuse(pool("The answer is 5.", "Answer: 5", "6"), check=says_five, judge=referee)
    assert (same.answer, referee.asked) == ("The answer is 5.", [])
    fuse(pool("The answer is 5.", "The answer is 15.", "6"), check=says_five, judge=referee)
    assert len(referee.asked) == 1


@pytest.mark.parametrize("mode", ["best-of", "merge", "vote"])
def test_where_none_passes_no_answer_is_claimed(mode: str) -> None:
    """`unjudged`, with the check and the members named; every candidate is kept."""
    result = fuse(
        pool("It is 4.", "It is 6."), check=says_five, mode=mode, **({} if mode == "vote" else {"judge": judge()})
    )
    assert (result.status, result.answer) == ("unjudged", None)
    assert result.verdict is not None
    assert result.verdict.state == "none-passed"
    assert "ann: says_five said no; bob: says_five said no" in result.verdict.note
    assert [reply.text for reply in result.candidates] == ["It is 4.", "It is 6."]
    assert fusion_nb.load(result.run) == result


def test_a_merged_text_is_checked_too() -> None:
    """Where it fails, the best candidate that passed is returned, and that is said."""

    def no_merge(text: str) -> bool:
        return "uncle" in text or "aunt" in text

    result = fuse(pool("My uncle says 5.", "My aunt says 7.", "It is 4."), check=no_merge, judge=judge(), mode="merge")
    merged = result.replies[-1]
    assert merged.role == "judge"
    if merged.passed is False:
        assert result.answer in ("My uncle says 5.", "My aunt says 7.")
        assert result.verdict is not None
        assert "The merged answer did not pass your checks" in result.verdict.note
    else:
        assert result.answer is not None
        assert no_merge(result.answer)


def test_a_member_that_failed_tries_again_told_what_was_said() -> None:
    """It is shown its own answer and the complaint; whoever passed is not asked again."""
    members = [Member("ann", "It is 4.", "It is 5."), Member("bob", "It is 6.", "Still 6.", "Always 6.")]
    result = fuse(members, check=says_five, deeper=2, judge=judge())
    assert result.answer == "It is 5."
    assert [len(member.asked) for member in members] == [2, 3]
    assert "says_five says no." in members[0].asked[1]
    assert [(r.ref.name, r.round) for r in result.replies] == [
        ("ann", 0),
        ("bob", 0),
        ("ann", 1),
        ("bob", 1),
        ("bob", 2),
    ]


def test_a_check_that_fails_is_a_reason_on_its_row() -> None:
    """Raising, leaving, nonsense, dawdling: never a harmed run."""

    def raises(text: str) -> bool:
        raise ValueError("no such thing")

    def leaves(text: str) -> bool:
        raise SystemExit(3)

    def nonsense(text: str) -> Any:
        return "yes"

    def dawdles(text: str) -> bool:
        time.sleep(1)
        return True

    for check, words in ((raises, "no such thing"), (leaves, "SystemExit"), (nonsense, "'yes'"), (dawdles, "0.1 s")):
        result = fuse(pool("4", "six"), check=check, check_timeout=0.1, judge=judge())
        assert result.status == "unjudged"
        assert words in result.candidates[0].checks[0].error
        assert words in str(result.verdict)


def test_a_check_may_look_at_the_run() -> None:
    """`(result, text)`: the prompt and what the others said are at hand."""
    seen: list[str] = []

    def agrees_with_prompt(result: FusionResult, text: str) -> bool:
        seen.append(result.prompt)
        return "eggs" in text

    result = fuse(pool("5 eggs", "5 hens"), check=agrees_with_prompt, judge=judge())
    assert (result.answer, set(seen)) == ("5 eggs", {ASK})


# ---- votes and agreement


def test_the_answer_most_members_share_wins_without_a_judge() -> None:
    """Who dissents is known; the first of the majority is the answer."""
    result = fuse(pool("The answer is 4.", "It is 5.", "Answer: 5"), mode="vote")
    assert (result.status, result.answer, result.judge) == ("ok", "It is 5.", None)
    assert result.verdict is not None
    assert (result.verdict.state, result.verdict.chosen) == ("voted", (2,))
    assert result.agreement is not None
    assert result.agreement.groups == ((2, 3), (1,))
    assert result.agreement.dissenters == (1,)
    assert result.agreement.share == pytest.approx(2 / 3)


def test_a_tie_goes_to_the_member_named_first_and_is_said_or_to_the_judge() -> None:
    """`judge` given: it breaks ties only, and is shown one candidate of each side."""
    result = fuse(pool("4", "5", "4", "5"), mode="vote")
    assert result.answer == "4"
    assert result.verdict is not None
    assert "a tie, taken by ann, which is named first" in result.verdict.note
    referee = judge()
    fuse(pool("4", "5", "4", "5"), mode="vote", judge=referee)
    assert len(referee.asked) == 1
    fuse(pool("4", "5", "4", "4"), mode="vote", judge=referee)
    assert len(referee.asked) == 1


def test_weights_decide_a_vote() -> None:
    """By name or in pool order."""
    members = pool("4", "5", "4")
    assert fuse(members, mode="vote", weights={"bob": 3}).answer == "5"
    assert fuse(members, mode="vote", weights=[1, 1, 1]).answer == "4"


def test_where_nothing_can_be_counted_no_vote_is_claimed() -> None:
    """Essays have no short answer; a function of one's own may find one, and what it cannot read is said."""
    essays = ("The sky is blue because of Rayleigh.", "Light scatters in air.", "Short waves scatter most.")
    result = fuse(pool(*essays), mode="vote")
    assert (result.status, result.answer) == ("unjudged", None)
    assert result.agreement is not None
    assert result.agreement.share is None

    def first_word(text: str) -> str:
        if text.startswith("Light"):
            raise KeyError("light")
        return text.split(maxsplit=1)[0]

    counted = fuse(pool(*essays), mode="vote", extract=first_word)
    assert counted.answer == essays[0]
    assert "KeyError" in str(counted.verdict)


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate", "vote"])
def test_equal_answers_need_no_judge(mode: str) -> None:
    """The same text but for case, spaces and markup: nobody is paid to compare it, in any mode, and that is said."""
    referee = judge()
    result = fuse(pool("The Seine.", "the  *Seine*", "The Seine"), judge=referee, mode=mode)
    assert (result.status, referee.asked) == ("ok", [])
    assert result.verdict is not None
    assert "same text, so no judge was asked" in result.verdict.note


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
def test_agreement_is_known_on_every_run(mode: str) -> None:
    """And unknown where nothing can be compared, with no made-up number."""
    result = fuse(pool("The answer is 4.", "So it is 5.", "Answer: 5"), judge=judge(), mode=mode)
    assert result.agreement is not None
    assert result.agreement.share is not None
    essays = fuse(pool("Because of Rayleigh.", "Light scatters in air."), judge=judge(), mode=mode)
    assert essays.agreement is not None
    assert essays.agreement.share is None


# ---- the cascade


def test_where_enough_agree_nobody_else_is_asked() -> None:
    """The vote is the answer, and nothing else is paid."""
    big = Member("big", "5")
    result = fuse(pool("5", "It is 5.", "4"), escalate=[big], agree="2/3")
    assert (result.answer, big.asked, result.status) == ("5", [], "ok")
    assert result.escalation is not None
    assert not result.escalation.needed
    assert result.verdict is not None
    assert "big was not asked" in result.verdict.note


def test_where_they_differ_the_one_named_has_the_last_word() -> None:
    """Unjudged; it joins the pool, its call is a row."""
    big = Member("big", "It is 6.")
    result = fuse(pool("5", "It is 5.", "4"), escalate=[big], agree=0.8)
    assert (result.answer, len(big.asked)) == ("It is 6.", 1)
    assert [ref.name for ref in result.pool] == ["ann", "bob", "cid", "big"]
    assert result.verdict is not None
    assert result.verdict.note.startswith("2 of 3 members agree, less than 80 %, so big was asked")
    assert fusion_nb.load(result.run) == result


def test_where_agreement_is_unknown_it_escalates() -> None:
    """An essay is no agreement."""
    big = Member("big", "Because of Rayleigh scattering.")
    result = fuse(pool("Because.", "Light scatters in air."), escalate=[big])
    assert result.answer == "Because of Rayleigh scattering."


def test_several_named_or_a_judge_given_are_judged_over_all() -> None:
    """The judge sees the first members' answers and theirs."""
    referee = judge()
    bigs = [Member("big", "It is 6."), Member("huge", "It is 7.")]
    fuse(pool("5", "4"), escalate=bigs, judge=referee)
    assert all(text in referee.asked[0] for text in ("It is 6.", "It is 7."))
    fuse(pool("5", "4"), escalate=bigs[:1], judge=referee)
    assert len(referee.asked) == 2


def test_a_last_word_that_does_not_come_claims_no_answer() -> None:
    """The members disagreed, and the one that should decide failed."""
    result = fuse(pool("5", "4"), escalate=[Member("big", ValueError("gone"))])
    assert (result.status, result.answer) == ("unjudged", None)
    assert "big was asked and gave no usable answer" in str(result.verdict)


def test_the_one_named_is_asked_where_all_others_fail() -> None:
    """A cascade is a way out of a pool that is down."""
    result = fuse(pool(ValueError("down"), ValueError("down")), escalate=[Member("big", "It is 6.")])
    assert (result.status, result.answer) == ("ok", "It is 6.")


def test_in_the_shadow_they_are_asked_in_any_case() -> None:
    """What stopping would have saved and changed is on record."""
    big = Member("big", "It is 6.")
    result = fuse(pool("5", "5"), escalate=[big], extract="number", escalate_shadow=True)
    assert result.answer == "It is 6."
    assert result.escalation is not None
    assert (result.escalation.needed, result.escalation.share, result.escalation.voted) == (False, 1.0, 1)


def test_a_resumed_cascade_pays_for_nobody_twice() -> None:
    """What the first members said is kept; the one named is asked then."""
    members = pool("5", "4")
    release: list[Callable[[], None]] = []

    def big(prompt: str) -> str:
        if not release:
            release.append(lambda: None)
            time.sleep(2)
        return "It is 6."

    with fusion_nb.stream(ASK, pool=members, escalate=[big]) as run:
        for event in run:
            if type(event).__name__ == "Escalated":
                run.stop()
    again = fusion_nb.resume(run.result, functions=[*members, big])
    assert again.answer == "It is 6."
    assert [len(member.asked) for member in members] == [1, 1]
    assert [ref.name for ref in again.pool] == ["ann", "bob", "big"]


# ---- past runs


def test_a_past_run_is_selected_from_anew_without_asking_anybody() -> None:
    """Another check, a vote, another reading: on candidates that are paid for."""
    members = pool("It is 4.", "It is 5.", "Five: 5")
    referee = judge()
    result = fuse(members, judge=referee)
    assert fusion_nb.rejudge(result, functions=[referee], check=says_five, extract="number").answer == "It is 5."
    voted = fusion_nb.rejudge(result, mode="vote", extract="number")
    assert (voted.answer, voted.status, voted.judge) == ("It is 5.", "ok", None)
    assert [len(member.asked) for member in members] == [1, 1, 1]


def test_a_check_on_record_is_wanted_again_or_left_out_by_name() -> None:
    """A record keeps a function's name alone: silently going on without it would be another run."""
    referee = judge()
    result = fuse(pool("It is 4.", "It is 5.", "Or 15."), check=says_five, judge=referee)
    with pytest.raises(UserError, match=r"pass it as check=says_five; check=\[\] leaves the checks out"):
        fusion_nb.rejudge(result, functions=[referee])
    assert fusion_nb.rejudge(result, functions=[referee, says_five]).candidates[0].passed is False
    assert fusion_nb.rejudge(result, functions=[referee], check=[]).candidates[0].passed is None


def test_a_changed_check_is_not_replayed() -> None:
    """The run of another check is another run; the same one is served from the journal."""

    def four(prompt: str) -> str:
        return "It is 4."

    def five(prompt: str) -> str:
        return "It is 5."

    members = [four, five]

    def check(text: str) -> bool:
        return "5" in text

    first = fusion_nb.fuse(ASK, pool=members, check=check, judge=four, replay=True)
    assert fusion_nb.fuse(ASK, pool=members, check=check, judge=four, replay=True).run == first.run

    def check(text: str) -> bool:
        return "4" in text

    assert fusion_nb.fuse(ASK, pool=members, check=check, judge=four, replay=True).answer == "It is 4."


# ---- bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"check": "says_five"}, "check takes a function of one text"),
        ({"check": 5}, "check takes a function of one text"),
        ({"check": [says_five, says_five]}, "Two checks are called says_five"),
        ({"check": [(says_five, -1)]}, "The weight of a check is a number above 0"),
        ({"check": says_five, "check_timeout": 0}, "check_timeout must be a number"),
        ({"check_timeout": 3}, "check_timeout means nothing without check"),
        ({"deeper": 1}, "deeper means nothing without check"),
        ({"deeper": 1, "check": says_five, "mode": "debate"}, "deeper does not go with a debate"),
        ({"agree": 0.5}, "agree means nothing without escalate"),
        ({"escalate": "demo:judge", "agree": 1.5}, "agree must be a share above 0 and up to 1"),
        ({"escalate": "demo:judge", "agree": "80%"}, "agree must be a share above 0 and up to 1"),
        ({"escalate": "demo:swift"}, "is in the pool and in escalate: name it once"),
        ({"pool": "demo:swift", "escalate": "demo:careful"}, "escalate needs at least two members"),
        ({"escalate_shadow": True}, "escalate_shadow means nothing without escalate"),
        ({"extract": "nummer"}, "is no way to find a short answer"),
        ({"weights": [1, 2, 3]}, "weights are those of a vote"),
        ({"weights": [1, 2], "mode": "vote"}, "weights has 2 numbers for 3 members"),
        ({"weights": {"swift": 1}, "mode": "vote"}, "Unknown member 'swift'"),
        ({"judge": "demo:swift,demo:careful"}, "Every judge of the jury is a member of the pool"),
        ({"judge": "demo:judge,demo:judge"}, "stands twice"),
        ({"judge": "demo:judge,"}, "The judge is a model"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(options: dict[str, Any], words: str) -> None:
    """Nothing is sent, nothing is kept."""
    with pytest.raises(UserError, match=words.replace("(", r"\(")) as refused:
        fusion_nb.fuse(ASK, **{"pool": "demo", **options})
    assert "\n" not in str(refused.value)
    assert fusion_nb.runs().empty


def test_a_default_that_cannot_act_is_left_out() -> None:
    """`%config Fuse.escalate` and `deeper` hold where they mean something, and are in nobody's way elsewhere."""
    fusion_nb.defaults.escalate = "demo:careful"
    fusion_nb.defaults.check, fusion_nb.defaults.deeper = says_five, 1
    try:
        assert fusion_nb.fuse(ASK, pool="demo:swift").selection.escalate == ()
        assert fusion_nb.fuse(ASK, pool="demo").selection.escalate == ()
        assert fusion_nb.fuse(ASK, pool="demo:swift,demo:steady").escalation is not None
        assert fusion_nb.fuse(ASK, pool="demo:swift,demo:steady", mode="debate").selection.deeper == 0
    finally:
        fusion_nb.defaults.reset()


def _nested(text: str) -> Any:
    """A value that no short answer can be written from."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


class _Slow:
    def __str__(self) -> str:
        RELEASED.wait(30)
        return "5"


RELEASED = threading.Event()


@pytest.mark.parametrize("value", [_nested, lambda text: {"answer": _Slow()}], ids=["nested", "slow"])
def test_what_a_function_finds_is_written_out_within_its_time_off_the_loop(value: Any) -> None:
    """A value nested without end, or one that takes for ever to become text, is no short answer: the run ends."""
    RELEASED.clear()
    try:
        result = fusion_nb.fuse(
            "How many?", pool=[lambda prompt: "five", lambda prompt: "six"], mode="vote", extract=value, check_timeout=0.5,
            journal=False,
        )  # fmt: skip
    finally:
        RELEASED.set()
    assert result.status == "unjudged"
    assert result.verdict is not None
    assert "No short answer was found" in result.verdict.note


def test_a_time_limit_needs_a_function_that_it_bounds() -> None:
    """`check_timeout` bounds checks and functions for `extract`; a form such as number takes no time."""
    for options in ({}, {"extract": "number"}):
        with pytest.raises(UserError, match="check_timeout means nothing without check or extract"):
            fusion_nb.fuse("How many?", pool="demo", mode="vote", check_timeout=1, **options)  # type: ignore[arg-type]


def test_an_unknown_judge_of_the_demo_is_told_those_there_are() -> None:
    """All of them, the jury's too."""
    with pytest.raises(UserError, match="demo:judge, demo:strict and demo:brief"):
        fusion_nb.fuse("How many?", pool="demo", judge="demo:nobody")
