"""The demo pool through the real modes: every quickstart prompt, every mode, over HTTP."""

from __future__ import annotations

import pytest

from fusion_nb.core import MODES, Ref
from fusion_nb.providers import demo
from tests.plain_desk import Desk

POOL = tuple(Ref("demo", name.removeprefix("demo:")) for name in demo.MEMBERS)
JUDGE = Ref("demo", demo.JUDGE.removeprefix("demo:"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "100")


@pytest.fixture
def desk() -> Desk:
    return Desk(demo.base_url(), JUDGE)


JUDGED = [mode for mode in MODES if mode != "vote"]


@pytest.mark.parametrize("mode", JUDGED)
@pytest.mark.parametrize("prompt", demo.PROMPTS)
def test_every_quickstart_prompt_works_in_every_mode(desk: Desk, prompt: str, mode: str) -> None:
    """One judge call, read at the first try: an answer, a rationale, scores, a ranking and all of the analysis."""
    verdict = desk.run(POOL, prompt, mode, then="merge")
    assert verdict.state == "judged"
    assert verdict.answer
    assert verdict.rationale.startswith("Scripted verdict.")
    assert len(verdict.ranking) == len(verdict.scores) == 3
    assert verdict.analysis
    assert verdict.analysis["consensus"]
    assert sum(reply.role == "judge" for reply in desk.replies) == 1
    assert bool(verdict.citations) == (mode != "best-of")
    assert not any(f"[{label}" in verdict.answer for label in verdict.labels)


def test_a_vote_asks_no_judge(desk: Desk) -> None:
    """The members' short answers are counted; where there is none, no answer is claimed."""
    states = [desk.run(POOL, prompt, "vote").state for prompt in demo.PROMPTS]
    assert set(states) == {"voted", "undecided"}
    assert not any(reply.role == "judge" for reply in desk.replies)


def test_best_of_picks_the_right_one_against_the_majority(desk: Desk) -> None:
    """In the Monty Hall problem two of three are wrong, and the one that is right is chosen."""
    verdict = desk.run(POOL, demo.PROMPTS[4], "best-of")
    assert desk.names(verdict.chosen) == ["careful"]
    assert verdict.answer == desk.replies[verdict.chosen[0] - 1].text


def test_a_merge_draws_on_every_member(desk: Desk) -> None:
    """The p-value prompt shows what merging is for: each member covers a part, and each gets its share."""
    verdict = desk.run(POOL, demo.PROMPTS[1], "merge")
    shares = {name: verdict.share(call) or 0.0 for call, name in enumerate(("swift", "steady", "careful"), start=1)}
    assert min(shares.values()) > 0.05
    assert sum(shares.values()) == pytest.approx(1)
    assert "95 %" not in str(verdict.answer)


@pytest.mark.parametrize(("number", "rounds"), [(0, 1), (2, 1), (4, 2), (5, 1)])
def test_a_debate_ends_in_agreement_and_says_who_changed(desk: Desk, number: int, rounds: int) -> None:
    """The wrong ones come round, in two rounds where one needs two, and only they are on record as changed."""
    verdict = desk.run(POOL, demo.PROMPTS[number], "debate", rounds=3, then="best-of")
    assert [ended.agreed for ended in desk.rounds] == [False] * (rounds - 1) + [True]
    changed = {0: [["demo:swift"]], 2: [["demo:swift"]], 4: [["demo:steady"], ["demo:swift"]], 5: [["demo:swift"]]}
    assert [list(ended.changed) for ended in desk.rounds] == changed[number]
    assert verdict.state == "judged"


def test_criteria_of_ones_own_are_scored(desk: Desk) -> None:
    """`--criteria` works on the demo pool: what is asked for is what is scored."""
    verdict = desk.run(POOL, demo.PROMPTS[1], "best-of", criteria=("clarity, cites sources",))
    assert all(list(scores) == ["clarity", "cites_sources"] for scores in verdict.scores.values())


def test_self_fusion_and_small_pools_work() -> None:
    """`swift*3`, or two members of three, get a verdict as well."""
    for pool in ((POOL[0], POOL[0], POOL[0]), POOL[:2], (POOL[2], JUDGE)):
        for mode in JUDGED:
            verdict = Desk(demo.base_url(), JUDGE).run(pool, demo.PROMPTS[0], mode)
            assert verdict.state == "judged"
            assert verdict.answer


def test_an_unknown_prompt_ends_in_how_to_ask_a_real_model() -> None:
    """Whatever the mode, the answer is the way to a real one, and the rationale admits that nothing was read."""
    for mode in JUDGED:
        verdict = Desk(demo.base_url(), JUDGE).run(POOL, "Why is the sky blue?", mode)
        assert "OPENROUTER_API_KEY" in str(verdict.answer)
        assert "does not read answers" in verdict.rationale
        assert len({verdict.score(call) for call in verdict.scores}) == 1
