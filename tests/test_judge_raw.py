"""Judges that ignore the asked form: recorded texts of real ones, each read as the record says, or not at all.

Figures of agreement are with what the source stored for each verdict. They are exact: the texts are fixed and so are the
rules. A rule that reads more, or less, or otherwise, changes them.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.judging.free_form import Form, parse_free_form, read_form, read_prose

DATA = Path(__file__).parents[1] / "../shared/data"
PAIR = ("Assistant 1", "Assistant 2")
OUTPUTS = ("Output (a)", "Output (b)")
LABELS = ("K7", "Q2")

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recorded judge texts are not here")


@functools.cache
def recorded(path: str) -> list[dict[str, Any]]:
    file = DATA / path
    if not file.exists():
        return []
    text = gzip.decompress(file.read_bytes()) if path.endswith("gz") else file.read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def verdicts(kind: str) -> list[dict[str, Any]]:
    return [row for row in recorded("vicuna_bench/verdicts.jsonl.gz") if row["format"] == kind]


def at_the_end(text: str, labels: Sequence[str], texts: Sequence[str] = ()) -> Form | None:
    """What is read of a judge whose repair brought nothing: its own form, and failing that its prose."""
    return parse_free_form(text, labels, texts) or read_prose(text, labels, texts)


def pick(form: Form | None) -> str | None:
    if form is None:
        return None
    return "tie" if len(form.best) > 1 else ("first", "second")[form.best[0]]


def reading(form: Form | None, expected: dict[str, Any]) -> dict[str, Any] | None:
    """A form in the words of the record."""
    if form is None:
        return None
    if "score" in expected:
        return {"score": form.scores[0]}
    return {"pick": pick(form)} | ({"scores": list(form.scores)} if form.scores else {})


RAW = recorded("judge_raw.jsonl")
PAIRS = [row for row in RAW if len(row["labels_used_by_judge"]) == 2]


@pytest.mark.parametrize("row", RAW, ids=lambda row: row["id"])
def test_a_recorded_judge_text_is_read_as_recorded(row: dict[str, Any]) -> None:
    """All 34: the pick and the scores that stand in the record; no verdict where there is none."""
    form = read_form(row["raw"], row["labels_used_by_judge"])
    assert reading(form, row["reading"] or {}) == row["reading"]


def test_all_34_are_there() -> None:
    """No text is left out of the test above."""
    assert len(RAW) == 34
    assert sum(row["reading"] is None for row in RAW) == 9


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: row["id"])
def test_the_same_judge_with_our_labels(row: dict[str, Any]) -> None:
    """In a real run the judge knows candidates by blind label, or counts them: the same reading either way."""
    text = row["raw"]
    for label, name in zip(LABELS, row["labels_used_by_judge"], strict=True):
        text = text.replace(name, label)
    assert reading(at_the_end(text, LABELS), row["reading"] or {}) == row["reading"]
    assert reading(at_the_end(row["raw"], LABELS), row["reading"] or {}) == row["reading"]


def test_two_scores_on_the_first_line() -> None:
    """Vicuna's 1,440 reviews by GPT-4 and GPT-3.5, 86 of them against the form: every pick, all scores but three.

    The three are slips of the source, which wrote (10, 2) or (8, 8) where the text says 10 and 4, or 9 and 9.
    """
    rows = verdicts("two-scores-first-line")
    forms = [(row, read_form(row["raw"], PAIR)) for row in rows]
    assert len(rows) == 1440
    assert sum(pick(form) == row["pick"] for row, form in forms) == 1440
    differ = [(row["scores"], list(form.scores)) for row, form in forms if form and list(form.scores) != row["scores"]]
    assert sorted(differ) == [([8, 8], [9, 9]), ([10, 2], [10, 4]), ([10, 2], [10, 4])]


def test_two_scores_in_the_words_of_a_run() -> None:
    """The same reviews, with our blind labels in place of theirs, and with theirs where ours were expected."""
    for row in verdicts("two-scores-first-line"):
        text = re.sub("Assistant ([12])", lambda found: LABELS[int(found[1]) - 1], row["raw"])
        assert pick(parse_free_form(text, LABELS)) == row["pick"]
        assert pick(parse_free_form(row["raw"], LABELS)) == row["pick"]


def test_a_name_as_the_answer() -> None:
    """ChatEval's 560 verdicts: all but one, which breaks off at its verdict and is read from the sentence before."""
    rows = verdicts("assistant-name")
    wrong = [row for row in rows if pick(read_form(row["raw"], PAIR)) != row["pick"]]
    assert len(rows) == 560
    assert [(row["pick"], row["raw"][-18:]) for row in wrong] == [(None, "Answer: Assistant ")]


def test_a_bare_label() -> None:
    """LLMBar's 4,256 verdicts of four judges, 34 of them empty."""
    rows = recorded("llmbar/verdicts.jsonl.gz")
    assert len(rows) == 4256
    assert all(pick(read_form(row["raw"], OUTPUTS)) == row["pick"] for row in rows)


def test_a_rating_in_brackets() -> None:
    """MT-Bench's 640 ratings by GPT-4, one of them without a rating."""
    rows = recorded("mtbench_scores/verdicts.jsonl.gz")
    read = [read_form(row["raw"], ["Assistant"]) for row in rows]
    assert len(rows) == 640
    assert [form.scores[0] if form else None for form in read] == [row["score"] for row in rows]


def test_prose_that_says_who_is_better_is_believed_and_other_prose_is_not() -> None:
    """Explanations with their verdicts taken away: what is read is right, and the rest is left alone.

    "Response 1 lists more" is praise, not a verdict. The two wrong ones say the opposite of their own label.
    """

    def tally(pairs: list[tuple[str | None, str | None]]) -> Counter[str]:
        return Counter("none" if read is None else "right" if read == said else "wrong" for read, said in pairs)

    panda = recorded("pandalm/verdicts.jsonl.gz")
    reasons = [(pick(read_form(row["reason"], ("Response 1", "Response 2"))), row["pick"]) for row in panda]
    assert tally(reasons) == {"right": 642, "wrong": 2, "none": 1354}
    told = [row for row in verdicts("assistant-name") if "Answer: " in row["raw"] and row["pick"]]
    bodies = [(pick(read_form(row["raw"].rpartition("Answer: ")[0], PAIR)), row["pick"]) for row in told]
    assert tally(bodies) == {"right": 12, "none": 64}
    scored = [row for row in verdicts("two-scores-first-line") if row["pick"]]
    headless = [(pick(read_form(row["raw"].partition("\n")[2], PAIR)), row["pick"]) for row in scored]
    assert tally(headless) == {"right": 157, "none": 1281}


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("[[A]]", (0,)),
        ("My final verdict is: [[B]]", (1,)),
        ("[[C]]", (0, 1)),
        ("[[A>>B]]", (0,)),
        ("[[B>A]]", (1,)),
        ("[[A<<B]]", (1,)),
        ("[[A=B]]", (0, 1)),
        ("[[K7]]", (0,)),
        ("[[Q2>K7]]", (1,)),
        ("**K7**", (0,)),
        ("Winner: Candidate Q2.", (1,)),
        ("K7: 8/10\nQ2: 6/10", (0,)),
        ("**K7**\nScore: 4/10\n\n**Q2**\nScore: 9/10", (1,)),
        ("Candidate 1: 3/10. Candidate 2: 8/10.", (1,)),
        ("Final Scores: (K7: 3/10, Q2: 9/10)", (1,)),
        ("I would give both K7 and Q2 a score of 8 out of 10.", (0, 1)),
    ],
)
def test_forms_of_their_own(text: str, best: tuple[int, ...]) -> None:
    """The forms that judges are known to fall back to."""
    form = parse_free_form(text, LABELS)
    assert form is not None
    assert form.best == best


@pytest.mark.parametrize(
    "text",
    [
        "[[1",
        "[[A]] or rather [[B]]",
        "[[A]]. On reflection: [[A<B]]",
        "[[D]]",
        "Rating: [[7]]",
        "K7: 8/10",
        "Accuracy of K7: 8/10. Style of K7: 3/10. Accuracy of Q2: 8/10. Style of Q2: 9/10.",
        "K7: 3x + 10 = 5x\nQ2: 10 - 4 = 6",
        "9 8",
        "9 8\nThese are the two numbers.",
        "9 8 7",
        "90 80",
        "I cannot judge these answers.",
        "Seine",
        "",
        "   \n",
        "K7 is better.\n" + "x" * 40_000,
    ],
)
def test_what_is_no_verdict(text: str) -> None:
    """Cut off, contradicting, scoped to one criterion, hedged, half scored, refused: no verdict is claimed."""
    assert at_the_end(text, LABELS) is None


def test_more_than_two_candidates() -> None:
    """Pools of three and more: a pick, a tie of some, scores for all."""
    labels = ("K7", "Q2", "M3")
    assert read_prose("M3 is the best of the three.", labels) == Form((2,))
    assert parse_free_form("[[K7=M3]]", labels) == Form((0, 2))
    assert parse_free_form("K7: 5/10\nQ2: 8/10\nM3: 8/10", labels) == Form((1, 2), (5, 8, 8))
    assert parse_free_form("The scores for K7, Q2 and M3 are 4, 9 and 7, respectively.", labels) == Form(
        (1,), (4, 9, 7)
    )
    assert read_form("9 8 7", labels) == Form((0,), (9, 8, 7))
    assert parse_free_form("9 8 7\nCandidate 1 says most.", labels) == Form((0,), (9, 8, 7))
    assert parse_free_form("[[C]]", labels) == Form((2,))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Option B is better.", "Which is better, option A or Option B?"),
        ("[[A]]", "Answer with [[A]] or [[B]]."),
        ("Answer 2 is the best.", "Of these riddles, which has the best answer? Answer 1: a map. Answer 2: a hole."),
    ],
)
def test_a_judge_that_answers_the_prompt_itself_is_not_taken_for_a_verdict(text: str, spoken: str) -> None:
    """Where prompt or candidates speak in the same words, they say nothing about a candidate; blind labels still do."""
    assert at_the_end(text, LABELS) is not None
    assert at_the_end(text, LABELS, [spoken]) is None
    assert at_the_end("Q2 is better.", LABELS, [spoken]) is not None


@given(st.text(), st.integers(1, 30))
def test_no_text_breaks_the_reader(text: str, count: int) -> None:
    """Any text gives a form with known positions, or none."""
    labels = [f"{chr(65 + place % 26)}{place // 26 + 1}" for place in range(count)]
    for said in (text, f"{labels[0]} {text} {labels[-1]} 7/10", f"[[{text}]]", f"{text}\nScore: 5/10 {labels[-1]}"):
        form = at_the_end(said, labels, [text])
        assert form is None or (form.best and set(form.best) <= set(range(count)) and len(form.scores) in (0, count))
