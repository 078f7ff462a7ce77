"""The demo's judges, votes and checks, as a person without a key can try them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb.core.run_spec import DEFAULT_CRITERIA
from fusion_nb.providers import demo
from fusion_nb.providers.demo.judges import CHARACTERS
from tests.plain_client import ask
from tests.shell import Shell
from tests.test_demo_scripts import NAMES, NONCE, _frames, _say

JURY = ",".join(demo.JUDGES)
BAT, P_VALUE, GREAT_WALL, FILL_PRICES, MONTY_HALL, STRAWBERRY = demo.PROMPTS


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "100")
    for variable in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def judged(judge: str, prompt: str, round: int = 0) -> Any:
    """What one judge says of the three members, by their names."""
    url, labels = demo.base_url(), ("K7", "Q2", "R3")
    texts = dict(zip(labels, (_say(url, name, prompt, round) for name in NAMES), strict=True))
    written = ask(url, judge, _frames(texts, merge=True)).text.partition(f"\nANSWER {NONCE}\n")[0]
    for label, name in zip(labels, NAMES, strict=True):
        written = written.replace(label, name)
    return json.loads(written)


def total(verdict: Any) -> int:
    return sum(sum(scores.values()) for scores in verdict["scores"].values())


# ---- a jury


def test_a_cell_with_a_jury_needs_no_key(shell: Shell) -> None:
    """`--judge demo:judge,demo:strict,demo:brief`: three verdicts, one answer, and nobody is refused."""
    ran = shell.run(f"%%fuse --pool demo --mode best-of --judge {JURY}\n{P_VALUE}")
    assert ran.error is None, ran.text
    result = fusion_nb.last()
    assert result is not None
    assert result.verdict is not None
    assert [seat.judge for seat in result.verdict.jury] == list(demo.JUDGES)
    assert {seat.state for seat in result.verdict.jury} == {"judged"}
    assert all(seat.rationale.startswith("Scripted verdict.") for seat in result.verdict.jury)
    assert all(len(seat.scores) == 3 for seat in result.verdict.jury)
    assert result.verdict.state == "judged"
    assert [result.reply(call).ref.model for call in result.verdict.chosen] == ["steady"]
    assert "demo:strict finds demo:careful best" in result.verdict.note
    assert not any("judge" in note.lower() for note in result.notes)


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
@pytest.mark.parametrize("prompt", demo.PROMPTS)
def test_a_jury_decides_every_prompt_in_every_mode(prompt: str, mode: str) -> None:
    """Each judge knows the candidates under labels of its own, is read at the first try, and an answer comes of it."""
    result = fusion_nb.fuse(prompt, "demo", mode, judge=JURY)
    assert result.verdict is not None
    assert (result.status, result.verdict.state) == ("ok", "judged")
    assert [len(seat.scores) for seat in result.verdict.jury] == [3, 3, 3]
    assert sum(reply.role == "judge" for reply in result.replies) == 3
    assert not any("does not read answers" in seat.rationale for seat in result.verdict.jury)


def test_judges_may_be_members(shell: Shell) -> None:
    """A scripted judge that is asked to answer says what it is; it is refused neither as a member nor as a judge."""
    ran = shell.run(f"%%fuse --pool demo:strict,demo:brief,demo:swift --mode best-of --judge {JURY}\n{STRAWBERRY}")
    assert ran.error is None, ran.text
    result = fusion_nb.last()
    assert result is not None
    assert [reply.status for reply in result.candidates] == ["ok"] * 3
    assert ["not a language model" in reply.text for reply in result.candidates] == [True, True, False]


def test_each_judge_has_a_character_of_its_own() -> None:
    """The strict one gives fewest points on every prompt, and each of the others once finds somebody else best."""
    best = {judge: [judged(judge, prompt)["ranking"][0] for prompt in demo.PROMPTS] for judge in ("judge", *CHARACTERS)}
    for prompt in demo.PROMPTS:
        assert total(judged("strict", prompt)) < total(judged("judge", prompt)) - 5
    assert best["strict"] != best["judge"] != best["brief"] != best["strict"]
    assert len({best[judge][demo.PROMPTS.index(MONTY_HALL)] for judge in best}) == 1


@pytest.mark.parametrize("judge", CHARACTERS)
@pytest.mark.parametrize("prompt", demo.PROMPTS)
def test_no_character_makes_a_wrong_answer_right(prompt: str, judge: str) -> None:
    """Severity and taste differ, facts do not: no judge ranks a wrong answer above a right one, or calls it right."""
    for turn in (0, 1, 2):
        plain, own = judged("judge", prompt, turn), judged(judge, prompt, turn)
        right = [name for name in own["ranking"] if plain["scores"][name]["correctness"] > 5]
        assert own["ranking"][: len(right)] == right
        for name in NAMES:
            assert tuple(own["scores"][name]) == DEFAULT_CRITERIA
            assert all(1 <= score <= 10 for score in own["scores"][name].values())
            assert (own["scores"][name]["correctness"] > 5) == (name in right)


def test_a_judge_says_who_it_is() -> None:
    """Scripted, and of which character; the brief one remarks on the best alone."""
    strict, brief, plain = (judged(judge, STRAWBERRY)["rationale"] for judge in ("strict", "brief", "judge"))
    assert strict.startswith("Scripted verdict. I am the strict one")
    assert brief.startswith("Scripted verdict. I am the brief one")
    assert len(brief) < len(plain) < len(strict)


# ---- a vote, and checks


def test_two_of_three_outvote_the_third() -> None:
    """Strawberry: two say 3, one says 2; who agrees is on record whatever the mode, and no judge is paid for a vote."""
    voted = fusion_nb.fuse(STRAWBERRY, "demo", "vote")
    assert voted.verdict is not None
    assert (voted.verdict.state, voted.verdict.note) == ("voted", "2 of 3 members say 3.")
    assert voted.answer is not None
    assert "**Answer: 3**" in voted.answer
    assert not any(reply.role == "judge" for reply in voted.replies)
    for result in (voted, fusion_nb.fuse(STRAWBERRY, "demo", "best-of", judge=JURY)):
        assert result.agreement is not None
        assert (result.agreement.answers, result.agreement.groups) == (("3", "2"), ((2, 3), (1,)))


def test_a_vote_can_be_wrong_where_a_jury_is_right() -> None:
    """Monty Hall: the two that are wrong outvote the one that is right, whom every judge finds best."""
    voted, jury = fusion_nb.fuse(MONTY_HALL, "demo", "vote"), fusion_nb.fuse(MONTY_HALL, "demo", "best-of", judge=JURY)
    assert "makes no difference" in str(voted.answer)
    assert "**Answer: switch**" in str(jury.answer)


def fills_every_price(answer: str) -> bool:
    """What a person would check: the code runs, and no price is missing after it."""
    names: dict[str, Any] = {"pd": pd}
    exec(re.findall(r"```python\n(.*?)```", answer, re.S)[0], names)
    frame = pd.DataFrame({"category": ["tea", "tea", "tea", "jam"], "price": [2.0, 4.0, None, 9.0]})
    return bool(names["fill_prices"](frame)["price"].notna().all())


def says_switch(answer: str) -> bool:
    return "**Answer: switch**" in answer


def test_a_member_fails_a_check_and_is_mended() -> None:
    """The pandas prompt: one function fills nothing, as a check finds; told so, it gives one that does."""
    first = fusion_nb.fuse(FILL_PRICES, "demo", "best-of", check=fills_every_price)
    assert [reply.passed for reply in first.candidates] == [False, True, True]
    mended = fusion_nb.fuse(FILL_PRICES, "demo", "best-of", check=fills_every_price, deeper=1)
    assert [reply.passed for reply in mended.candidates] == [True, True, True]
    assert [(reply.round, reply.ref.model) for reply in mended.candidates] == [
        (1, "swift"),
        (0, "steady"),
        (0, "careful"),
    ]
    assert "I change my answer" in mended.candidates[0].text


def test_the_stubborn_one_needs_two_tries() -> None:
    """Monty Hall: the quickest member stands by its answer once, and comes round the second time."""
    for deeper, passed in ((1, [False, True, True]), (2, [True, True, True])):
        result = fusion_nb.fuse(MONTY_HALL, "demo", "best-of", check=says_switch, deeper=deeper)
        assert [reply.passed for reply in result.candidates] == passed
