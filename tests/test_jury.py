"""A jury: several judges at once, none judges its own, one verdict from all, and no winner where they disagree."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fusion_nb.core import ModeInput, Ref, Verdict
from tests.scripted_calls import JUDGE, Script, ScriptedCalls, ScriptedReply, ScriptedRequest, case, judged

TEXTS = ("The Seine.", "The Rhône.", "The Loire.")
NO = ScriptedReply("", "error", "It broke off.")


def jury(*names: str, texts: Sequence[str] = TEXTS, kin: Mapping[tuple[str, str], str] = {}, **more: int) -> ModeInput:
    """A task for these judges. `kin`: (judge, candidate) -> "member" or "family"."""
    first, *others = (Ref("script", name, name) for name in names)
    relation = lambda judge, member: kin.get((judge.name, member.name), "")  # noqa: E731
    return replace(case(*texts, **more), judge=first, jury=tuple(others), kin=relation)  # type: ignore[arg-type]


def run(task: ModeInput, *scripts: Script | list[Script], mode: str = "best-of") -> tuple[Verdict, ScriptedCalls]:
    """The verdict where each judge of the task answers its script, or its scripts in turn."""
    each = [script if isinstance(script, list) else [script] for script in scripts]
    calls = ScriptedCalls(judges=dict(zip([ref.name for ref in task.judges], each, strict=True)))
    return calls.run(mode, task), calls


def scores(verdict: Verdict, *calls: int) -> list[float | None]:
    return [None if (score := verdict.score(call)) is None else round(score, 6) for call in calls]


def shown(request: ScriptedRequest) -> list[int]:
    """The calls in the order they stand on the page."""
    labels = re.findall(r"^===== BEGIN CANDIDATE ([A-Z][1-9]) ", request.prompt, re.M)
    return [request.labels[label] for label in labels]


# ---- asking


def test_each_judge_has_a_page_of_its_own() -> None:
    """Labels, order and code are its own, the same for the same seed; the first judge's are those it has alone."""
    task = jury("opus", "gpt", "flash", texts=("a1", "b2", "c3", "d4", "e5", "f6"))
    fair = judged(dict.fromkeys(range(1, 7), 5) | {1: 9})
    (verdict, calls), (_, again) = run(task, fair, fair, fair), run(task, fair, fair, fair)
    alone = ScriptedCalls([fair])
    alone.run("best-of", replace(task, judge=JUDGE, jury=()))
    assert len({tuple(request.labels) for request in calls.requests}) == 3
    assert len({tuple(shown(request)) for request in calls.requests}) == 3
    assert len({request.nonce for request in calls.requests}) == 3
    assert [request.labels for request in again.requests] == [request.labels for request in calls.requests]
    assert verdict.labels == calls.requests[0].labels == alone.requests[0].labels


def test_judges_are_asked_at_once_and_a_repair_holds_up_nobody() -> None:
    """No judge answers before all were asked, and the last one answers only once another was asked for a repair."""
    asked, repaired = asyncio.Barrier(3), asyncio.Event()

    async def prompt(request: ScriptedRequest) -> str:
        await asyncio.wait_for(asked.wait(), 60)
        return judged({1: 9, 2: 3, 3: 2})(request)

    async def unreadable(request: ScriptedRequest) -> str:
        await asyncio.wait_for(asked.wait(), 60)
        return "Hm."

    def mended(request: ScriptedRequest) -> str:
        repaired.set()
        return judged({1: 9, 2: 3, 3: 2})(request)

    async def slow(request: ScriptedRequest) -> str:
        await asyncio.wait_for(asked.wait(), 60)
        await asyncio.wait_for(repaired.wait(), 60)
        return judged({1: 9, 2: 3, 3: 2})(request)

    verdict, _ = run(jury("opus", "gpt", "flash"), prompt, [unreadable, mended], slow)
    assert verdict.chosen == (1,)
    assert [each.state for each in verdict.jury] == ["judged", "repaired", "judged"]
    assert [len(each.calls) for each in verdict.jury] == [1, 2, 1]


def test_each_judge_is_shown_what_it_has_room_for() -> None:
    """A judge that holds little is shown less; the others read all, and it is said."""
    task = jury("opus", "gpt", texts=("long " * 4000, "The Rhône."))
    task = replace(task, measure_room=lambda candidates, judge: 5000 if judge.name == "gpt" else 100_000)
    verdict, calls = run(task, judged({1: 9, 2: 3}), judged({1: 9, 2: 3}))
    assert ["left out" in request.prompt for request in calls.requests] == [False, True]
    assert "Not shown the candidates whole: gpt." in verdict.note


def test_each_judge_may_be_asked_in_two_orders() -> None:
    """Two calls a judge, each with a swapped page; agreement is that of every judge with itself."""
    good, bad = judged({1: 9, 2: 3, 3: 2}), judged({1: 6, 2: 7, 3: 2})
    verdict, calls = run(jury("opus", "gpt", orders=2), [good, good], [good, bad])
    pages = {name: [shown(r) for r in calls.requests if r.ref.name == name] for name in ("opus", "gpt")}
    assert all(one == other[::-1] for one, other in pages.values())
    assert (verdict.chosen, verdict.agreed) == ((1,), False)
    assert scores(verdict, 1) == [8.25]
    assert "contradicts itself" in verdict.jury[1].note


def test_each_verdict_is_kept() -> None:
    """What each judge said, in which calls and how long it took, stands in the verdict."""
    timed = lambda r: ScriptedReply(judged({1: 9, 2: 3, 3: 2})(r), started=2.0, latency=1.5)  # noqa: E731
    verdict, _ = run(jury("opus", "gpt"), timed, judged({1: 7, 2: 3, 3: 5}, rationale="Dates."))
    opus, gpt = verdict.jury
    assert (opus.judge, opus.seconds, gpt.seconds) == ("opus", 1.5, None)
    assert (gpt.rationale, gpt.ranking, gpt.scores[3]["clarity"]) == ("Dates.", (1, 3, 2), 5)
    assert verdict.rationale == "Because."


# ---- one verdict from all


def test_scores_are_the_mean_where_all_scored_all() -> None:
    """Three judges that agree: plain means, the spread, and who found whom best."""
    verdict, _ = run(jury("opus", "gpt", "flash"), *[judged({1: 9 - n, 2: 3 + n, 3: 2}) for n in range(3)])
    assert (verdict.state, verdict.chosen, verdict.ranking) == ("judged", (1,), (1, 2, 3))
    assert scores(verdict, 1, 2, 3) == [8, 4, 2]
    assert verdict.note == (
        "Three judges: opus, gpt and flash find claude best. Their scores of one candidate spread over 1.3 points on "
        "average."
    )


@pytest.mark.parametrize("firsts", [(1, 2), (1, 2, 3), (1, 1, 2, 2)])
def test_judges_that_split_evenly_name_no_winner(firsts: tuple[int, ...]) -> None:
    """ "The judges disagree" is a result: no answer, no first in the ranking; the scores are shown."""
    names = ("opus", "gpt", "flash", "pro")[: len(firsts)]
    verdict, _ = run(jury(*names), *[judged({1: 5, 2: 5, 3: 4} | {first: 9}) for first in firsts])
    assert (verdict.state, verdict.answer, verdict.chosen, verdict.ranking) == ("split", None, (), ())
    assert len(verdict.scores) == 3
    assert verdict.note.startswith("The judges disagree: opus")
    assert "so there is no winner. Their scores" in verdict.note
    assert verdict.note.endswith("No candidate was chosen; all of them are kept.")


def test_two_of_three_decide() -> None:
    """More first places than any other: a winner, and who found otherwise is said."""
    verdict, _ = run(
        jury("opus", "gpt", "flash"), judged({1: 9, 2: 8, 3: 2}), judged({1: 8, 2: 9, 3: 2}), judged({1: 9, 2: 5, 3: 2})
    )
    assert (verdict.state, verdict.chosen) == ("judged", (1,))
    assert verdict.note.startswith("Three judges: opus and flash find claude best, gpt finds gemini best.")


def test_one_swayed_judge_cannot_outvote_two() -> None:
    """Ten for one and nothing for the rest moves every mean; the first places of the others decide, and it is said."""
    fair, swayed = judged({1: 9, 2: 6, 3: 5}), judged({1: 1, 2: 10, 3: 1})
    verdict, _ = run(jury("opus", "gpt", "flash"), fair, swayed, fair)
    assert (verdict.chosen, verdict.ranking[0], verdict.scores) == ((1,), 1, {})
    assert "Over the scores of all, gemini is ahead (7.3 against 6.3), but the first places decide" in verdict.note


def test_judges_that_tie_the_same_two_do_not_disagree() -> None:
    """Equal best for both judges: the rule for ties decides, by their rankings."""
    verdict, _ = run(jury("opus", "gpt"), *[judged({1: 8, 2: 8, 3: 2}, [2, 1, 3])] * 2)
    assert (verdict.state, verdict.chosen) == ("judged", (2,))
    assert "opus and gpt find claude and gemini equal best" in verdict.note


def test_picks_without_scores_count_as_first_places() -> None:
    """Judges that name a winner alone vote, and take no part in the fit."""
    pick = lambda request: f"Winner: {request.label(2)}"  # noqa: E731
    verdict, _ = run(jury("opus", "gpt", "flash"), pick, judged({1: 7, 2: 8, 3: 2}), judged({1: 9, 2: 8, 3: 2}))
    assert verdict.chosen == (2,)
    verdict, _ = run(jury("opus", "gpt", "flash"), pick, judged({1: 3, 2: 9, 3: 2}), judged({1: 9, 2: 8, 3: 2}))
    assert (verdict.chosen, scores(verdict, 1, 2, 3)) == ((2,), [6, 8.5, 2])
    verdict, _ = run(jury("opus", "gpt"), pick, pick)
    assert (verdict.chosen, verdict.scores) == ((2,), {})


def test_one_number_a_candidate_stands_for_every_criterion() -> None:
    """A judge that gives one number each takes part in the fit of all criteria."""
    one = lambda r: f'{{"scores": {{"{r.label(1)}": 6, "{r.label(2)}": 4, "{r.label(3)}": 2}}}}'  # noqa: E731
    verdict, _ = run(jury("opus", "gpt"), one, judged({1: 8, 2: 6, 3: 4}))
    assert verdict.scores[1] == {"correctness": 7, "completeness": 7, "clarity": 7}


# ---- recusal


def test_no_judge_scores_its_own_model() -> None:
    """The harshest judge is recused from one: the fit takes its severity from the others, a mean would not."""
    task = jury("opus", "gpt", "flash", kin={("opus", "claude"): "member"})
    harsh, mild = judged({1: 10, 2: 5, 3: 4}), judged({1: 8, 2: 9, 3: 8})
    verdict, _ = run(task, harsh, mild, mild)
    assert (verdict.chosen, verdict.jury[0].recused, set(verdict.jury[0].scores)) == ((2,), (1,), {2, 3})
    assert scores(verdict, 1, 2, 3) == [pytest.approx(6.666667), pytest.approx(7.666667), pytest.approx(6.666667)]
    assert "Recused: opus from claude." in verdict.note


def test_its_own_family_only_where_nobody_else_did() -> None:
    """With an unrelated verdict it is recused; where the unrelated judge failed its scores count, and it is said."""
    task = jury("opus", "gpt", kin={("opus", "claude"): "family"})
    good = judged({1: 9, 2: 3, 3: 2})
    verdict, _ = run(task, good, good)
    assert (verdict.jury[0].recused, "of its own family" in verdict.note) == ((1,), False)
    verdict, _ = run(task, good, NO)
    assert (verdict.chosen, verdict.jury[0].recused) == ((1,), ())
    assert "opus judged claude, of its own family: no unrelated judge did." in verdict.note
    verdict, _ = run(task, good, lambda request: f"Winner: {request.label(1)}")  # a pick is no score
    assert (verdict.jury[0].recused, scores(verdict, 1)) == ((), [9])
    verdict, _ = run(replace(task, kin=lambda judge, member: "family"), good, good)
    assert [each.recused for each in verdict.jury] == [(), ()]


def test_a_candidate_that_nobody_may_score() -> None:
    """It has no score and cannot win, and that is said."""
    task = jury("opus", "gpt", kin={("opus", "claude"): "member", ("gpt", "claude"): "member"})
    verdict, _ = run(task, *[judged({1: 9, 2: 5, 3: 2})] * 2)
    assert (verdict.chosen, 1 in verdict.scores) == ((2,), False)
    assert "claude has no score that can be compared: no judge may give one." in verdict.note


def test_judges_that_may_compare_nothing() -> None:
    """Two judges that are the pool: each may score one, so nothing is compared and nobody wins."""
    task = jury("a", "b", texts=TEXTS[:2], kin={("a", "claude"): "member", ("b", "gemini"): "member"})
    verdict, _ = run(task, *[judged({1: 9, 2: 5})] * 2)
    assert (verdict.state, verdict.chosen, verdict.scores) == ("split", (), {})
    assert verdict.note.startswith("No judge has a say in who is best, so there is no winner. Their scores cannot")


def test_a_first_place_says_nothing_against_a_candidate_its_judge_may_not_score() -> None:
    """Two judges of a pool of three put different candidates first because they had to: the link decides."""
    task = jury("a", "b", kin={("a", "claude"): "member", ("b", "gemini"): "member"})
    verdict, _ = run(task, judged({1: 9, 2: 6, 3: 5}), judged({1: 9, 2: 9, 3: 5}))
    assert (verdict.state, verdict.chosen) == ("judged", (1,))
    assert "No judge may compare claude and gemini, so their fitted scores decide." in verdict.note


def test_a_majority_of_the_recused_is_none() -> None:
    """One of two first places comes from a judge that could not choose the other: even among those who could."""
    task = jury("opus", "gpt", "flash", kin={("opus", "claude"): "member"})
    verdict, _ = run(task, judged({1: 1, 2: 9, 3: 1}), judged({1: 9, 2: 8, 3: 1}), judged({1: 8, 2: 9, 3: 1}))
    assert verdict.state == "split"
    assert "does not count against a candidate that its judge may not score" in verdict.note


# ---- missing seats


def test_a_failed_judge_is_a_missing_seat() -> None:
    """The others decide, and why one is missing is said."""
    good = judged({1: 9, 2: 3, 3: 2})
    verdict, _ = run(jury("opus", "gpt", "flash"), good, NO, good)
    assert (verdict.state, verdict.chosen, verdict.jury[1].state) == ("judged", (1,), "failed")
    assert verdict.note.startswith("Two judges: opus and flash find claude best.")
    assert verdict.note.endswith("The seat of gpt is empty. The judge (gpt) failed: It broke off.")


def test_one_verdict_is_left() -> None:
    """It stands as it is, and whose are missing is said."""
    verdict, _ = run(jury("opus", "gpt", "flash"), NO, judged({1: 3, 2: 7, 3: 7}), ["Hm.", "Hm."])
    assert (verdict.state, verdict.chosen, scores(verdict, 1, 2, 3)) == ("judged", (2,), [3, 7, 7])
    assert verdict.note.startswith("Only gpt came to a verdict. The seat of opus is empty.")
    assert "The seat of flash is empty. The judge's verdict could not be read" in verdict.note


def test_no_verdict_at_all() -> None:
    """The state of the first judge, every reason, and no winner."""
    verdict, _ = run(jury("opus", "gpt"), ["Hm.", "Hm."], NO)
    assert (verdict.state, verdict.answer, len(verdict.jury)) == ("unread", None, 2)
    assert verdict.note.startswith("None of the two judges came to a verdict. The seat of opus is empty.")
    assert "It broke off." in verdict.note


# ---- merge


def test_the_first_judge_writes_the_merge() -> None:
    """It alone is asked for the answer, its labels resolve the citations; scores are of all."""
    writes = judged({1: 9, 2: 3, 3: 2}, answer="It is the Seine. [{1}]")
    verdict, calls = run(jury("opus", "gpt"), writes, judged({1: 7, 2: 3, 3: 2}), mode="merge")
    assert (verdict.answer, verdict.citations[0].calls, scores(verdict, 1)) == ("It is the Seine.", (1,), [8])
    assert ["ANSWER " in request.prompt for request in calls.requests] == [True, False]
    assert verdict.labels == calls.requests[0].labels


def test_a_written_answer_stands_where_the_judges_disagree() -> None:
    """The merge is written from all, so the run is judged; that nobody is best is said."""
    writes = judged({1: 9, 2: 3, 3: 2}, answer="It is the Seine.")
    verdict, _ = run(jury("opus", "gpt"), writes, judged({1: 7, 2: 9, 3: 2}), mode="merge")
    assert (verdict.state, verdict.answer, verdict.ranking) == ("judged", "It is the Seine.", ())
    assert "The judges disagree: opus finds claude best, gpt finds gemini best, so none of the" in verdict.note
    assert "without scores" not in verdict.note


def test_a_merge_without_its_writer_is_the_best_candidate() -> None:
    """The first judge failed: the state of its failure, the candidate the others find best, and why."""
    verdict, _ = run(jury("opus", "gpt"), NO, judged({1: 3, 2: 9, 3: 2}), mode="merge")
    assert (verdict.state, verdict.answer, verdict.chosen) == ("failed", "The Rhône.", (2,))
    assert "The seat of opus is empty. The judge (opus) failed: It broke off." in verdict.note
    assert "no merged answer" in verdict.note
