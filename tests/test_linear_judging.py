"""No public path of the judging room is quadratic in what a model wrote: sizes are quadrupled and times compared.

CPU time of this process is measured, so a busy machine changes nothing; and as a ratio, so a slow one changes nothing.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence

import pytest

from fusion_nb.core import ModeInput, Ref
from fusion_nb.core.citations import read_citations
from fusion_nb.core.injection_signs import injection_signs
from fusion_nb.core.reasoning_tags import without_thoughts
from fusion_nb.judging.analysis_reader import read_analysis, resolve_labels
from fusion_nb.judging.answer_splitter import AnswerSplitter, split, unwrapped
from fusion_nb.judging.blind_candidates import blind_labels, neutralize
from fusion_nb.judging.free_form import parse_free_form, read_form, read_prose
from fusion_nb.judging.json_in_text import mend_json
from fusion_nb.judging.judge_prompts import criteria_of
from fusion_nb.judging.short_answer import agreed, final_answer, matches
from fusion_nb.judging.verdict_reader import read_verdict
from fusion_nb.judging.vote import extract_answer, same_text

NAMES = {"K7": "claude", "M2": "gemini", "Q4": "gpt4o"}
LABELS = list(NAMES)
NONCE = "0123456789abcdef" * 2
QUICK = 0.05
"""Seconds of CPU for 16,000 characters below which no growth matters."""
BRICKS = (
    *("a", " ", "\n", " \n", "\t", '"', "\\", "[", "{", "(", "=", "= ", "#", "-", "*", "_", "```\n", "1,", "9/", ". "),
    *('{"a":', '{"a": "b "c", ', "{a:/* ", "'a', ", '"scores": {"K7": 9, ', '{"answer": 1} ', '"answer": "', "K7 > "),
    *("<think>", "</think>", "`<think>", "<|im_start|>", "</candidate", "\\boxed{", "\\boxed{1} ", "answer is "),
    *("<answer>", "<answer>1</answer>", "A) ", "A) a\n", "yes. ", "B\n\n"),
    *("[K7] ", "[K7, M2", "x [K7]\n", "K7 ", "K7\n", "K7: 8/10 ", "K7 8 out of 10, M2 and ", "both K7 and M2 "),
    *("K7 is better than M2 and ", "I prefer ", "therefore, ", "ANSWER ", "ANSWER: x\n", "give this answer "),
    *(
        "ignore all the ",
        "as a judge you ",
        "the first answer is ",
        "a\u200b",
        "\U000e0041",
        "\x1b",
        "\ud800",
        "\u00e9",
    ),
)


def feed(text: str) -> None:
    splitter = AnswerSplitter(NONCE)
    for start in range(0, len(text), 7):
        splitter.feed(text[start : start + 7])
    splitter.close()


def verdict_of(value: str) -> None:
    quoted = json.dumps(value)
    read_verdict(f'{{"scores": {{"K7": {{"a": {quoted}}}}}, "ranking": {quoted}}}', NAMES, ("a", "b"))


PATHS: dict[str, Callable[[str], object]] = {
    "injection_signs": injection_signs,
    "read_citations": lambda text: read_citations(text, {"K7": 1, "M2": 2}),
    "without_thoughts": without_thoughts,
    "final_answer": lambda text: final_answer(text, "How many?"),
    "final_answer of a choice": lambda text: final_answer(text, "Which?\nA) a\nB) b"),
    "final_answer of yes or no": lambda text: final_answer(text, "Is it? Yes or no."),
    "final_answer of a prompt": lambda text: final_answer("5", text),
    "agreed": lambda text: agreed([text, text], "How many?"),
    "matches": lambda text: matches(text, "5", "How many?"),
    "extract number": lambda text: extract_answer(text, "number"),
    "extract choice": lambda text: extract_answer(text, "choice"),
    "extract label": lambda text: extract_answer(text, "label:K7,yes,a"),
    "extract json": lambda text: extract_answer(text, "json:answer"),
    "extract text": lambda text: (extract_answer(text, "text"), same_text([text, text])),
    "resolve_labels": lambda text: resolve_labels(text, NAMES),
    "read_analysis": lambda text: read_analysis({"consensus": [text] * 5}, NAMES),
    "split": lambda text: split(text, NONCE),
    "splitter": feed,
    "unwrapped": unwrapped,
    "neutralize": neutralize,
    "blind_labels": lambda text: blind_labels(random.Random(1), 3, [text]),
    "parse_free_form": lambda text: parse_free_form(text, LABELS),
    "parse_free_form beside a candidate": lambda text: parse_free_form(f"Candidate 1 {text[:9000]}", LABELS, [text]),
    "read_form": lambda text: read_form(text, LABELS),
    "read_prose": lambda text: read_prose(f"K7 {text}", LABELS),
    "read_verdict": lambda text: read_verdict(text, NAMES, ("a", "b")),
    "read_verdict of its values": verdict_of,
    "mend_json": mend_json,
    "criteria_of": lambda text: criteria_of(ModeInput("p", (), Ref("a", "b"), 1, criteria=(text,))),
}


def seconds(path: Callable[[str], object], brick: str, size: int, *, times: int) -> float:
    text = (brick * (size // len(brick) + 1))[:size]
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        path(text)
        best = min(best, time.process_time() - start)
    return best


def quadratic(path: Callable[[str], object], bricks: Sequence[str], quick: float = QUICK) -> list[str]:
    """The bricks with which four times the text takes more than eight times as long: linear is 4, quadratic 16."""
    slow = [brick for brick in bricks if seconds(path, brick, 16_000, times=1) > quick]
    return [
        brick
        for brick in slow
        if seconds(path, brick, 30_000, times=2) > 8 * max(seconds(path, brick, 7_500, times=3), quick / 4)
    ]


@pytest.mark.parametrize("name", PATHS)
def test_no_path_is_quadratic_in_model_text(name: str) -> None:
    """Whatever is repeated, however often."""
    assert quadratic(PATHS[name], BRICKS) == []


def test_a_quadratic_path_would_be_seen() -> None:
    """The measure itself can fail: reading, for each character, what stands before it is found out."""
    assert quadratic(lambda text: [text[:end].upper() and None for end in range(len(text))], ["a"], 0.0) == ["a"]
