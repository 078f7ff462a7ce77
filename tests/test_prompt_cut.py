"""A prompt that a server cut is noticed, of a member and of the judge; an honest count raises no alarm."""

import json
import re
from typing import Any

import pytest

import fusion_nb
from fusion_nb.accounts.token_counts import prompt_cut, token_range
from fusion_nb.core import Ref
from fusion_nb.core.warnings_text import remarks
from tests.wire_server import Received, WireServer, delta, event, finish, head, usage

PROSE = "The harbour was quiet that morning, and nobody on the quay had seen the boat come in. "
TEXTS = [
    PROSE * 200,
    "def f(x):\n    return x ** 2\n" * 400,
    "今天天气很好，我们去公园散步。" * 300,
    "a,b,1,2,3\n" * 900,
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_count_far_below_what_any_vocabulary_makes(text: str) -> None:
    """A server that read a part has counted too few; who counted within what vocabularies make has read it all."""
    ref = Ref("ollama", "llama3.2")
    low, high = token_range(text, ref)
    assert prompt_cut([text], ref, int(low * 0.6))
    assert not prompt_cut([text], ref, low)
    assert not prompt_cut([text], ref, high)
    assert not prompt_cut([text, text], ref, 2 * low)


def test_counts_nobody_made_raise_no_alarm() -> None:
    """Servers that count nothing, or always the same few, are not said to have cut anything."""
    for counted in (None, 0, 1, 10, 150):
        assert not prompt_cut(TEXTS, Ref("x", "m"), counted)
    assert not prompt_cut(["Hi?"], Ref("x", "m"), 1000)


def serving(member: int, judge: int) -> Any:
    """A server with a small context: it counts what it has read."""

    def answer(request: Received) -> list[Any]:
        prompt = request.json["messages"][-1]["content"]
        labels = re.findall(r"^===== BEGIN CANDIDATE ([A-Z][1-9]) ", prompt, re.M)
        verdict = {"ranking": labels, "scores": {label: {"correctness": 8} for label in labels}, "rationale": "Both."}
        said, counted = (
            (json.dumps(verdict), judge) if labels else (f"{request.json['model']} says so. {PROSE * 100}", member)
        )
        return [head(), event(delta(said)), event(finish()), event(usage(None, prompt=counted)), event("[DONE]")]

    return answer


def test_member_and_judge_are_told_apart() -> None:
    """Who was cut carries the warning with its remedy; a judge that was cut says so on the verdict."""
    question = PROSE * 300
    for member, judge in ((2051, 60_000), (9_000, 2051), (9_000, 60_000)):
        with WireServer(serving(member, judge)) as server:
            result = fusion_nb.fuse(question, ["a", "b"], judge="j", mode="best-of", base_url=server.url, journal=False)
        cut = {r.ref.model: "prompt_cut" in r.warnings for r in result.replies}
        assert cut == {"a": member == 2051, "b": member == 2051, "j": judge == 2051}
        assert ("did not read all of the candidates" in result.verdict.note) == (judge == 2051)
    assert "OLLAMA_CONTEXT_LENGTH" in remarks(["prompt_cut"])[0]
