"""Verdicts as judges really write them: dialects of JSON, labels in dress, rankings and scores in other shapes.

Each shape has its opposite beside it: what looks alike and must not be read.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.judging.free_form import parse_free_form
from fusion_nb.judging.relaxed_json import relaxed_objects
from fusion_nb.judging.verdict_reader import Problem, Reading, read_verdict

NAMES = {"R4": "claude", "B8": "gemini", "T1": "gpt4o"}
CRITERIA = ("accuracy", "style")
SCORES: dict[str, Any] = {
    "R4": {"accuracy": 6, "style": 7},
    "B8": {"accuracy": 9, "style": 8},
    "T1": {"accuracy": 2, "style": 5},
}
GOOD: dict[str, Any] = {"rationale": "B8 has it right.", "scores": SCORES, "ranking": ["B8", "R4", "T1"]}
TEXT = json.dumps(GOOD, ensure_ascii=False)


def read(value: Any) -> Reading | Problem:
    return read_verdict(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), NAMES, CRITERIA)


def whole(value: Any) -> bool:
    """Whether all of the good verdict was read: ranking, every score, nothing left out."""
    reading = read(value)
    return isinstance(reading, Reading) and (reading.ranking, reading.scores, reading.left_out) == (
        ("B8", "R4", "T1"),
        SCORES,
        "",
    )


@pytest.mark.parametrize(
    "text",
    [
        repr(GOOD),
        TEXT.replace('"scores"', '\n# of ten\n"scores"'),
        TEXT.replace("{", "{\u200b", 1),
        TEXT.replace('"', "&quot;"),
        TEXT.replace(": 9", ": +9").replace(": 2", ": 2."),
        TEXT.replace(": 9", ": \uff19"),
        repr({**GOOD, "analysis": None, "final": True}),
        repr({**GOOD, "ranking": ("B8", "R4", "T1")}),
        TEXT.replace('"', "\u201d"),
        TEXT.replace('{"', "{\u201c").replace('"', "\u201d"),
        TEXT.replace(': "', ": \u201e").replace('"', "\u201d"),
        TEXT.replace('"', "\uff02"),
        TEXT.replace(":", "\uff1a"),
        TEXT.replace(", ", "\uff0c").replace(": ", "\uff1a"),
        TEXT.translate(str.maketrans("{}[]", "\uff5b\uff5d\uff3b\uff3d")).replace(", ", "\u3001"),
        TEXT.replace('"scores"', "scores").replace('"ranking"', "ranking").replace('"accuracy"', "accuracy"),
        TEXT.replace('["B8", "R4", "T1"]', "[B8, R4, T1]"),
        TEXT.replace("B8 has it right.", 'It says "Canberra", and "Sydney" is wrong'),
        TEXT.replace("B8 has it right.", 'He writes {"scores": 3} and "ends", so'),
        TEXT.replace("B8 has it right.", 'The last word is "wrong"'),
        TEXT.replace('}, "ranking"', '} "ranking"'),
        TEXT.replace('"scores": {', '"scores": { // of ten\n').replace('"ranking"', '/* best first */ "ranking"'),
        TEXT.replace("]}", "],}"),
        json.dumps(TEXT),
        json.dumps({"output": TEXT}),
        TEXT.replace('"', '\\"'),
        f"My verdict:\n```json\n{TEXT}\n```\nThat is all.",
        f"```python\nverdict = {GOOD!r}\n```",
        json.dumps([GOOD]),
        json.dumps({"result": {"verdict": GOOD}}),
    ],
)
def test_a_verdict_in_a_dialect_of_json(text: str) -> None:
    """Quotes, keys, punctuation and wrappers of other languages: every part is read, in one request."""
    assert whole(text), read(text)


@pytest.mark.parametrize("dialect", [repr(GOOD), TEXT.replace('"', ""), TEXT.replace(":", "\uff1a"), json.dumps(TEXT)])
def test_a_dialect_that_is_cut_off_is_none(dialect: str) -> None:
    """Nothing is completed: a score of 10 that ends after its first digit is no 1, a list that is open no ranking."""
    for cut in range(len(dialect) // 3, len(dialect)):
        reading = read(dialect[:cut])
        assert isinstance(reading, Problem) or whole(dialect[:cut]), dialect[:cut]


def test_a_cut_score_is_not_a_smaller_one() -> None:
    """`10` and `1` differ by where the text ends."""
    ten = repr({"ranking": ["B8", "R4", "T1"], "scores": {"B8": 10, "R4": 9, "T1": 10}})
    assert isinstance(read(ten[: ten.rindex("10") + 1]), Problem)


def test_a_key_twice_is_no_key_in_any_dialect() -> None:
    """Two scores for one candidate: neither is taken."""
    twice = "{'scores': {'B8': 9, 'B8': 2, 'R4': 5, 'T1': 1}}"
    assert isinstance(read(twice), Problem)


def test_two_dialects_that_differ_are_no_verdict() -> None:
    """A draft in one dialect and another verdict in the same: none of them is picked."""
    draft = {**GOOD, "ranking": ["R4", "T1", "B8"], "scores": None}
    assert isinstance(read(f"{draft!r}\n{GOOD!r}"), Problem)


@pytest.mark.parametrize(
    "dress",
    [
        "Response {}",
        "answer {}",
        "Candidate-{}",
        "**{}**",
        "[{}]",
        "({})",
        "candidate_{}",
        "Model {}:",
        "{} (right)",
        "The {} answer",
        "option{}",
        "#{}",
        "`{}`",
    ],
)
def test_a_name_that_holds_one_label_is_that_label(dress: str) -> None:
    """In scores, ranking and analysis, in any case."""
    for form in (dress, dress.lower(), dress.upper()):
        scores = {form.format(label): each for label, each in SCORES.items()}
        ranking = [form.format(label) for label in GOOD["ranking"]]
        assert whole({"scores": scores, "ranking": ranking}), form


@pytest.mark.parametrize(
    "name", ["not B8", "B8 or R4", "B8R4", "B88", "AB8", "all but B8", "B8 vs T1", "B9", "B", "8", ""]
)
def test_a_name_that_holds_none_or_two_is_none(name: str) -> None:
    """A denial, a choice of two, a longer word: no label is taken from it."""
    reading = read({"ranking": [name, "R4", "T1"]})
    assert isinstance(reading, Problem)


@pytest.mark.parametrize(
    "ranking",
    [
        "B8 > R4 > T1",
        "B8>R4>T1",
        "B8 >> R4 >> T1",
        "B8 \u227b R4 \u227b T1",
        "T1 < R4 < B8",
        "B8, R4, T1",
        "[B8, R4, T1]",
        "1. B8\n2. R4\n3. T1",
        "1st: B8; 2nd: R4; 3rd: T1",
        "Response B8 > Response R4 > Response T1",
        "B8 -> R4 -> T1",
        ["B8 > R4 > T1"],
        ["1. B8", "2. R4", "3. T1"],
        [{"model": "B8", "rank": 1}, {"model": "R4", "rank": 2}, {"model": "T1", "rank": 3}],
        [{"rank": 3, "label": "T1"}, {"rank": 1, "label": "B8"}, {"rank": 2, "label": "R4"}],
        [
            {"candidate": "Response B8", "position": "1st", "why": "right"},
            {"candidate": "R4", "position": "2nd"},
            {"candidate": "T1", "position": "3rd"},
        ],
        [{"id": "B8"}, {"id": "R4"}, {"id": "T1"}],
        [{"id": "B8", "score": 9}, {"id": "R4", "score": 6}, {"id": "T1", "score": 2}],
        {"1": "B8", "2": "R4", "3": "T1"},
        {"T1": 3, "B8": 1, "R4": 2},
        {"T1": {"rank": 3}, "B8": {"rank": 1, "why": "right"}, "R4": {"rank": 2}},
        ["B8: right and complete", "R4 - not all of it", "T1 (wrong, unlike B8)"],
    ],
)
def test_a_ranking_in_another_shape(ranking: Any) -> None:
    """Objects, arrows, numbered lines: the order is the one that is written."""
    assert whole({"scores": SCORES, "ranking": ranking}), read({"ranking": ranking})
    alone = read({"ranking": ranking})
    assert isinstance(alone, Reading)
    assert alone.ranking == ("B8", "R4", "T1")


@pytest.mark.parametrize(
    "ranking",
    [
        "B8 > R4 < T1",
        "B8 is better than R4, and T1 is last",
        "B8 = R4 > T1",
        "B8 > R4",
        "best to worst",
        [{"label": "B8", "rank": 1}, {"label": "R4", "rank": 1}, {"label": "T1", "rank": 2}],
        [{"label": "B8", "rank": "top"}, {"label": "R4", "rank": "middle"}, {"label": "T1", "rank": "last"}],
        [{"label": "B8", "rival": "R4"}, {"label": "R4"}, {"label": "T1"}],
        {"B8": 1, "R4": 2},
        [["B8", "R4"], "T1"],
        42,
    ],
)
def test_a_ranking_that_can_be_read_in_two_ways_is_none(ranking: Any) -> None:
    """Ties, prose, half an order: alone it decides nothing."""
    assert isinstance(read({"ranking": ranking}), Problem)


@pytest.mark.parametrize(
    "form",
    [
        lambda n: {"score": n, "reasoning": "because"},
        lambda n: {"value": n, "comment": "2 mistakes"},
        lambda n: {"score": n, "out_of": 10},
        lambda n: {"score": f"{n}/10", "weight": 0.5},
        lambda n: f"{n} out of 10",
        lambda n: f"{n}/10",
        lambda n: f"{n}.0",
        lambda n: f"{n} points",
        lambda n: f"Score: {n}",
        lambda n: f"{n} - right in all parts",
        lambda n: f"{n} (clear)",
        lambda n: f"{n}/10 (2 slips)",
        lambda n: f"{n}.0/10.0",
        lambda n: f"{n} von 10",
        lambda n: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"][n],
        lambda n: f"{n},0",
    ],
)
def test_a_score_in_another_shape(form: Any) -> None:
    """With its reason, as a fraction of ten, in words: it is the number that is written."""
    scores = {label: {key: form(n) for key, n in each.items()} for label, each in SCORES.items()}
    assert whole({"scores": scores, "ranking": GOOD["ranking"]}), scores


@pytest.mark.parametrize(
    "form",
    [
        lambda n: n * 10,
        lambda n: n / 10,
        lambda n: f"{n}/20",
        lambda n: f"{n * 10}%",
        lambda n: f"{n / 2} stars",
        lambda n: {"score": n, "max": 20},
        lambda n: f"{n * 10} out of 100",
        lambda n: -n if n < 0 else 10 + n,
    ],
)
def test_a_score_on_another_scale_is_never_shown_as_of_ten(form: Any) -> None:
    """The ranking counts alone, what is left out is said; against the ranking the scores still speak."""
    scores = {label: {key: form(n) for key, n in each.items()} for label, each in SCORES.items()}
    reading = read({"scores": scores, "ranking": GOOD["ranking"]})
    assert isinstance(reading, Reading)
    assert (reading.ranking, reading.scores) == (("B8", "R4", "T1"), None)
    assert reading.left_out == "the scores are on another scale than 1 to 10"
    assert isinstance(read({"scores": scores, "ranking": ["T1", "R4", "B8"]}), Problem)
    assert isinstance(read({"scores": scores}), Problem), "without a ranking the judge is asked for scores of ten"


@pytest.mark.parametrize(
    "scores",
    [
        [{"label": label, **each} for label, each in SCORES.items()],
        [{"candidate": f"Response {label}", "scores": each, "comment": "fine"} for label, each in SCORES.items()],
        {"accuracy": {"R4": 6, "B8": 9, "T1": 2}, "style": {"R4": 7, "B8": 8, "T1": 5}},
        {label: [each["accuracy"], each["style"]] for label, each in SCORES.items()},
        {label: {"Accuracy ": each["accuracy"], "STYLE": each["style"], "charm": 1} for label, each in SCORES.items()},
    ],
)
def test_scores_the_other_way_round(scores: Any) -> None:
    """As a list of candidates, by criterion first, in the order of the criteria."""
    assert whole({"scores": scores, "ranking": GOOD["ranking"]}), read({"scores": scores})


@pytest.mark.parametrize("key", ["criteria_scores", "ratings", "Scores", "evaluations"])
def test_scores_under_another_name(key: str) -> None:
    """The key is a word for scores; so it may be for the ranking."""
    assert whole({key: SCORES, "final_ranking": GOOD["ranking"]})
    assert whole({**SCORES, "ranking": GOOD["ranking"]}), "beside the ranking, by label"


def test_one_number_under_a_name_of_its_own_is_an_overall_score() -> None:
    """Beside the criteria that were asked for, it is no score; alone it is the only one."""
    overall = {label: {"overall": each["accuracy"], "comment": "fine"} for label, each in SCORES.items()}
    reading = read({"scores": overall, "ranking": GOOD["ranking"]})
    assert isinstance(reading, Reading)
    assert reading.scores == {label: {"overall": each["accuracy"]} for label, each in SCORES.items()}
    beside = {label: {**each, "overall": 5} for label, each in SCORES.items()}
    assert whole({"scores": beside, "ranking": GOOD["ranking"]})


def test_a_rationale_under_another_name() -> None:
    """What a judge calls its reasoning is its rationale."""
    reading = read({"reasoning": "B8 has it right.", "ranking": GOOD["ranking"]})
    assert isinstance(reading, Reading)
    assert reading.rationale == "gemini has it right."


@pytest.mark.parametrize(
    "value", [{"winner": "B8"}, {"verdict": {"winner": "Response B8"}}, {"best": "B8", "why": "right"}]
)
def test_a_winner_alone_is_a_verdict(value: Any) -> None:
    """A judge that names only the best has decided."""
    reading = read(value)
    assert isinstance(reading, Reading)
    assert (reading.ranking, reading.scores) == (("B8",), None)


@pytest.mark.parametrize(
    "value",
    [
        {"criterion": "style", "winner": "B8"},
        {"style": {"winner": "B8"}, "accuracy": {"winner": "B8"}},
        [{"aspect": "style", "winner": "B8"}, {"aspect": "accuracy", "winner": "R4"}],
        {"winner": "B8 or R4"},
        {"winner": "not B8"},
        {"winner": "neither"},
        {"loser": "B8"},
        {**GOOD, "winner": "R4"},
        {"winner": "R4", "ranking": GOOD["ranking"]},
        {"winner": "R4", "scores": SCORES},
    ],
)
def test_a_winner_by_one_criterion_or_against_the_rest_is_none(value: Any) -> None:
    """Best in style is not best, and a winner that the scores contradict is no winner."""
    assert isinstance(read(value), Problem)


@given(st.text(alphabet=st.sampled_from("{}[]\"'\u201c\u201d:,\uff1a\uff0c \\nB8R4T1 a1/*#()\n"), max_size=200))
def test_no_text_breaks_the_relaxed_reader(text: str) -> None:
    """It yields objects or nothing, whatever it is given."""
    assert all(isinstance(each, dict) for each in relaxed_objects(text))
    read(text)


@given(
    st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=40) | st.integers(0, 9) | st.none(), max_size=6)
)
def test_what_is_strict_is_read_the_same_by_both_readers(value: dict[str, Any]) -> None:
    """An object in plain JSON means to the relaxed reader what it means to Python's."""
    text = json.dumps(value)
    plain = all(
        not set(t) & set("\"\u201d\u201c'\\\x00") for t in [*value, *(v for v in value.values() if isinstance(v, str))]
    )
    if value and plain and text.isascii() and "\\" not in text and all(len(key) < 80 for key in value):
        assert next(relaxed_objects(text), None) == value


@pytest.mark.parametrize(
    "behind",
    [
        "Wait, I mixed up the labels: R4 is the better one.",
        "Correction: R4 should be first.",
        "Scratch that. R4 wins.",
        "Sorry, the ranking is the other way round; R4 before B8.",
        "I got them wrong, it should be R4.",
        "Final answer: R4",
        "[[R4]]",
        "Therefore, R4 is better than B8.",
        "Actually, R4 is the best.",
        "Hmm, on reflection R4 wins.",
        "EDIT: R4 > B8 > T1",
        "Ranking: R4, B8, T1",
        "Apologies, the labels above are reversed: R4 deserves the first place.",
        "Korrektur: R4 ist besser.",
    ],
)
def test_words_behind_a_verdict_may_take_it_back(behind: str) -> None:
    """A judge that corrects itself towards another candidate contradicts itself; the repair is asked."""
    assert isinstance(read(f"{TEXT}\n\n{behind}"), Problem)


@pytest.mark.parametrize(
    "behind",
    [
        "R4 is worth reading too, for its style.",
        "Wait for the next release before you use B8's second step.",
        "I hope this helps!",
        "Final answer: B8",
        "Ranking: B8 > R4 > T1",
        "In short, B8 wins over R4.",
        "Actually, R4 names no city at all.",
        "R4 is better in style.",
        "R4, T1: both too short.",
        "T1 should be read with care.",
    ],
)
def test_words_behind_a_verdict_that_do_not(behind: str) -> None:
    """What merely follows a verdict changes nothing in it."""
    assert whole(f"{TEXT}\n\n{behind}")


def test_scores_that_run_the_other_way_round_choose_nobody() -> None:
    """Where a judge says that lower is better, its scores alone make no winner; with a ranking they may be about it."""
    penalties = {"scores": {"R4": 2, "B8": 9, "T1": 5}, "note": "Penalty points: lower is better."}
    assert isinstance(read(penalties), Problem)
    assert whole({**GOOD, "rationale": "B8 knows that a lower score is better in golf."})


@pytest.mark.parametrize("form", [lambda n: f"{n - 1}-{n}", lambda n: "FEDCBA"[round(n / 2)] if n < 10 else "A"])
def test_scores_that_are_no_number_leave_a_sound_ranking(form: Any) -> None:
    """A range and a grade say an order and no score: the ranking counts, and no score is shown."""
    scores = {label: {each: form(number) for each, number in row.items()} for label, row in SCORES.items()}
    reading = read({**GOOD, "scores": scores})
    assert isinstance(reading, Reading)
    assert (reading.ranking, reading.scores) == (("B8", "R4", "T1"), None)
    turned = read({**GOOD, "scores": scores, "ranking": ["T1", "R4", "B8"]})
    assert isinstance(turned, Problem)
    about = {label: {each: f"~{number}" for each, number in row.items()} for label, row in SCORES.items()}
    assert whole({**GOOD, "scores": about})


@pytest.mark.parametrize("text", ["The worst answer is [[R4]].", "[[R4]] is fine.\nLoser: [[R4]]"])
def test_brackets_around_the_loser_are_no_pick(text: str) -> None:
    """Brackets name the winner unless the words before them say the opposite."""
    assert parse_free_form(text, list(NAMES)) is None
    assert parse_free_form("The best answer is [[R4]].", list(NAMES)) is not None


OTHER = {**GOOD, "scores": {**SCORES, "R4": {"accuracy": 10, "style": 10}}, "ranking": ["R4", "B8", "T1"]}


@pytest.mark.parametrize("behind", [
    f"I was wrong. Final:\n{json.dumps(OTHER)[:-1]},}}",
    f"Corrected:\n{json.dumps(OTHER)[:90]}",
    "Corrected: {'ranking': ['R4', 'B8', 'T1']}",
    "Amended: {ranking: [R4, B8, T1]}  // second look",
    '{"winner": "R4"}',
    '```json\n{"winner": "R4", "rationale": "after all"}\n```',
    '["R4", "B8", "T1"]',
    "[R4, T1, B8]",
    "Please ignore the JSON above.",
    "The ranking above is wrong.",
    "These are placeholder scores.",
])  # fmt: skip
def test_a_second_verdict_in_any_dialect_or_a_withdrawal_leaves_none(behind: str) -> None:
    """A judge that corrects itself is not read by its first verdict, however carelessly the second is written."""
    assert isinstance(read(f"{TEXT}\n{behind}"), Problem)


@pytest.mark.parametrize("beside", [
    f"{TEXT}\n{TEXT[:-1]},}}",
    f"{TEXT}\nIn short: {{'winner': 'B8'}}",
    f'{TEXT}\n["B8", "R4", "T1"]',
    f"{TEXT}\nSee also [R4, T1] for the units, and {{x: 1}}.",
    f"{TEXT}\nR4 gives a wrong sample size; the scores say so.",
    f"R4 is best in style. {TEXT}",
    f"Here is the JSON object:\n{TEXT}\nI hope this helps.",
    f"{TEXT}\nR4's JSON is invalid, and the object is wrong in T1.",
    f"{TEXT}\nNo candidate has valid JSON: R4's object is cut off.",
])  # fmt: skip
def test_what_repeats_or_explains_a_verdict_leaves_it(beside: str) -> None:
    assert whole(beside)
