"""The replay server's scripted judge: by agreement alone, without the gold answers, and fit for the real modes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fusion_nb.core import Ref
from tests.plain_client import ask
from tests.plain_desk import Desk
from tests.replay import Replay, judge, recordings, replay_server

recorded = pytest.mark.skipif(bool(recordings.MISSING), reason=recordings.MISSING)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with replay_server() as running:
        yield running


def _judged(texts: dict[str, str], merge: bool = True) -> str:
    nonce = "0123456789abcdef" * 2
    frames = [
        f"===== BEGIN CANDIDATE {k} {nonce} =====\n{v}\n===== END CANDIDATE {k} {nonce} =====" for k, v in texts.items()
    ]
    return "\n\n".join(["Judge these.", *frames, *([f"ANSWER {nonce}"] if merge else [])])


def test_the_scripted_judge_goes_by_agreement(replay: Replay) -> None:
    """It calls itself scripted, ranks the plurality first, and cites it in its merged answer."""
    asked = _judged({"K7": '{"answer": "17"}', "Q2": "so it is $1,800.", "R3": '```json\n{"answer": "1800.00"}\n```'})
    verdict, _, answer = ask(replay.url, "scripted-judge", asked).text.partition(
        "\nANSWER 0123456789abcdef0123456789abcdef\n"
    )
    read = json.loads(verdict)
    assert read["ranking"] == ["Q2", "R3", "K7"]
    assert "cripted" in read["rationale"]
    assert set(read["analysis"]) == {
        "consensus",
        "contradictions",
        "partial_coverage",
        "unique_insights",
        "blind_spots",
    }
    assert answer.startswith("Scripted judge: the answer most candidates give is **1800**. [Q2, R3]")
    assert "ANSWER" not in judge.reply(_judged({"K7": "1", "Q2": "2"}, merge=False))


def test_the_scripted_judge_can_be_paced(replay: Replay) -> None:
    """A benchmark gets a proper verdict in as many pieces as it names."""
    asked = _judged({"K7": "18", "Q2": "18"})
    heard = ask(replay.url, "scripted-judge/0.02/50/1000", asked)
    assert (len(heard.deltas), heard.usage["completion_tokens"], heard.text) == (50, 50, judge.reply(asked))


def _desk(replay: Replay) -> Desk:
    return Desk(replay.url, Ref("replay", "scripted-judge"))


@recorded
@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
def test_the_scripted_judge_satisfies_the_real_modes(replay: Replay, mode: str) -> None:
    """Recorded candidates, a real mode and a scripted judge end in a verdict at the first try."""
    pool = [Ref("replay", f"gsm8k/{model}") for model in ("command-r", "gemma-2-2b-it", "gemini-1.5-pro")]
    for problem in recordings.gsm8k()[:5]:
        desk = _desk(replay)
        verdict = desk.run(pool, problem.prompt, mode, then="merge", criteria=("accuracy",))
        assert [reply.text for reply in desk.replies[:3]] == [
            recordings.gsm8k_answers()[ref.model.removeprefix("gsm8k/"), problem.pid] for ref in pool
        ]
        assert verdict.state == "judged"
        assert {tuple(scores) for scores in verdict.scores.values()} == {("accuracy",)}
        assert verdict.answer
        assert sum(reply.role == "judge" for reply in desk.replies) == 1


@recorded
def test_a_recorded_debate_runs_through_the_real_mode(replay: Replay) -> None:
    """Two agents, three rounds: what each says in each round is what was recorded."""
    index = next(i for i, d in enumerate(recordings.debates()) if d["agents"] == 2 and d["rounds"] == 3)
    desk = _desk(replay)
    _, task = recordings.debate_prompt(index)
    desk.run([Ref("replay", f"arc/{index}/{agent}") for agent in range(2)], task, "debate", rounds=2)
    said = [(reply.round, reply.ref.model[-1], reply.text) for reply in desk.replies if reply.role == "candidate"]
    for turn, agent, text in said:
        assert text == recordings.debate_reply(index, int(agent), turn)
    assert len(said) == 6


@recorded
def test_the_extractor_reads_what_the_recordings_say() -> None:
    """Ranking by agreement rests on answers read as the recordings' own evaluation read them, almost always."""
    rows = list(recordings._rows("gsm8k_pool/answers.jsonl.gz"))
    read = [row for row in rows if row["extracted"] is not None and row["model"] in recordings.gsm8k_models()[:5]]
    same = sum(judge.extract(row["text"]) == judge.extract(f'"answer": "{row["extracted"]}"') for row in read)
    assert same / len(read) > 0.99
