"""The strict reading of the judge's JSON: what is accepted, what is named as a problem, what is never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.judging.analysis_reader import MAX_ITEMS, MAX_TEXT, resolve_labels
from fusion_nb.judging.verdict_reader import Problem, Reading, read_verdict

NAMES = {"K7": "claude", "Q2": "gemini", "M3": "gpt4o"}
CRITERIA = ("correctness", "clarity")
GOOD: dict[str, Any] = {
    "scores": {
        "K7": {"correctness": 9, "clarity": 8},
        "Q2": {"correctness": 3, "clarity": 7},
        "M3": {"correctness": 9, "clarity": 6.5},
    },
    "ranking": ["K7", "M3", "Q2"],
    "rationale": "K7 is right; Q2 is not.",
}


OWN_PLACE = "the ranking does not give each candidate a place of its own"


def got(text: str) -> Reading:
    reading = read_verdict(text, NAMES, CRITERIA)
    assert isinstance(reading, Reading), reading
    return reading


def problem(changes: dict[str, Any] | str) -> str:
    """What the reader complains about in a good verdict with `changes`, or in a text."""
    text = changes if isinstance(changes, str) else json.dumps(GOOD | changes)
    found = read_verdict(text, NAMES, CRITERIA)
    assert isinstance(found, Problem), found
    return found.text


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "```json\n{}\n```",
        "Here is my verdict:\n\n{}\n\nI hope this helps! {{not json}}",
        'The function `def f(x): return {{"a": x}}` is right, and {{"b": 1}} too.\n{}',
        '{{"verdict": {}}}',
        "\ufeff  {}",
        "<think>K7 looks best {{</think>{}",
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_object_is_found_wherever_it_stands(form: str, indent: int | None) -> None:
    """Fences, prose around, code before, a wrapper object: the verdict is read all the same."""
    reading = got(form.format(json.dumps(GOOD, indent=indent)))
    assert reading.ranking == ("K7", "M3", "Q2")
    assert reading.scores == GOOD["scores"]
    assert reading.mean("K7") == 8.5


@pytest.mark.parametrize("score", ["8", " 8 ", "8/10", "8 / 10", "8.0", 8, 8.0])
def test_a_number_may_be_spelled_as_text(score: object) -> None:
    """Judges that write "8/10" mean 8."""
    scores = {**GOOD["scores"], "Q2": {"correctness": score, "clarity": 1}}
    assert got(json.dumps(GOOD | {"scores": scores})).scores["Q2"]["correctness"] == 8.0  # type: ignore[index]


@pytest.mark.parametrize("score", [0, -1, True, None, "35/100", "1.5/5", "2 stars", "30 %", "", [8], {"v": 8}])
def test_a_score_is_from_1_to_10(score: object) -> None:
    """Anything else is no score: named where nothing else decides, left out and named where the ranking does."""
    scores = {**GOOD["scores"], "Q2": {"correctness": score, "clarity": 1}}
    flaw = 'Q2 has no score from 1 to 10 for "correctness"'
    assert problem(json.dumps({"scores": scores})) == flaw
    reading = got(json.dumps(GOOD | {"scores": scores}))
    assert (reading.ranking, reading.left_out) == (("K7", "M3", "Q2"), flaw)
    assert reading.scores == {"K7": {"clarity": 8}, "M3": {"clarity": 6.5}, "Q2": {"clarity": 1}}


@pytest.mark.parametrize("score", ["high", "1e1", "8 or 9", "n/a", "better than K7", "10, then 2"])
def test_a_score_in_words_may_say_anything(score: str) -> None:
    """Nobody knows whether it contradicts the ranking: the judge is asked for a number."""
    scores = {**GOOD["scores"], "Q2": {"correctness": score, "clarity": 1}}
    assert problem({"scores": scores}) == 'the score of Q2 for "correctness" is no number'


@pytest.mark.parametrize("score", [11, 1e300, 10**400, "80/100", "5/5", "nine"])
def test_scores_above_those_of_the_first_in_the_ranking_contradict_it(score: object) -> None:
    """Be they on another scale: the last in the ranking must not have the highest."""
    scores = {**GOOD["scores"], "Q2": {"correctness": score, "clarity": 10}}
    reading = read_verdict(json.dumps(GOOD | {"scores": scores}), NAMES, CRITERIA)
    assert isinstance(reading, Problem) or (reading.scores is None and score == 10**400)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_json_are_no_scores(constant: str) -> None:
    """`NaN` is no score, and none is made up for it."""
    found = read_verdict(json.dumps(GOOD).replace("6.5", constant), NAMES, CRITERIA)
    assert isinstance(found, Problem) or found.scores == {
        label: {"correctness": GOOD["scores"][label]["correctness"]} for label in NAMES
    }


@pytest.mark.parametrize(
    ("ranking", "said"),
    [
        (["K7", "M3"], "the ranking leaves out Q2"),
        (["K7", "M3", "Q2", "Z9"], "the ranking names 'Z9', which is no candidate"),
        (["K7", "M3", ["Q2"]], "the ranking names \"['Q2']\", which is no candidate; the ranking leaves out Q2"),
        ("K7 is better than M3 and Q2", "the ranking is not a list of labels"),
        ([{"label": "K7", "rank": 1}, {"label": "M3", "rank": 1}, {"label": "Q2", "rank": 3}], OWN_PLACE),
    ],
)
def test_the_ranking_holds_just_the_offered_labels(ranking: object, said: str) -> None:
    """Unknown and missing labels are named: the judge is asked again, unless the scores decide without them."""
    assert problem(json.dumps({"ranking": ranking})) == said
    reading = got(json.dumps(GOOD | {"ranking": ranking}))
    assert (reading.ranking, reading.scores, reading.left_out) == ((), GOOD["scores"], said)


def test_a_ranking_that_names_one_twice_contradicts_itself() -> None:
    """First and last at once: no part of it is believed, nor is the rest."""
    assert problem({"ranking": ["K7", "M3", "Q2", "K7"]}) == "the ranking names K7 twice"


def test_the_scores_hold_just_the_offered_labels() -> None:
    """So in the scores, a key that stands twice included: JSON would silently drop one of the two."""
    scores = GOOD["scores"]
    assert "leaves out Q2" in problem(json.dumps({"scores": {k: scores[k] for k in ("K7", "M3")}}))
    assert "names 'A1', which is no candidate" in problem(json.dumps({"scores": {**scores, "A1": scores["K7"]}}))
    assert "names Q2 twice" in problem(json.dumps(GOOD).replace('"M3": {"correctness": 9', '"Q2": {"correctness": 9'))
    assert '"ranking" stands twice' in problem(json.dumps(GOOD)[:-1] + ', "ranking": ["Q2", "M3", "K7"]}')
    assert "not an object" in problem(json.dumps({"scores": [1, 2, 3]}))


def test_labels_may_be_dressed_up() -> None:
    """`Candidate K7` and `k7` are K7."""
    assert got(json.dumps(GOOD | {"ranking": ["Candidate K7", "m3", " candidate q2"]})).ranking == ("K7", "M3", "Q2")


def test_a_verdict_must_not_contradict_itself() -> None:
    """Before another in the ranking with lower scores than that one, wherever: no verdict is claimed."""
    assert problem({"ranking": ["Q2", "K7", "M3"]}) == "the ranking puts Q2 first, but the scores of K7 are higher"
    assert problem({"ranking": ["K7", "Q2", "M3"]}) == "the ranking puts Q2 before M3, but the scores of M3 are higher"
    assert "the scores of K7 are higher" in problem({"ranking": ["M3", "K7"]}), "the part that is there contradicts"
    twice = {**GOOD["scores"], "K7": {"correctness": 9, "Correctness": 2, "clarity": 8}}
    assert problem(json.dumps({"scores": twice})) == 'the scores of K7 name "correctness" twice'
    again = json.dumps(GOOD).replace('"correctness": 3', '"correctness": 3, "correctness": 10')
    assert problem(again) == 'the scores of Q2 name "correctness" twice'
    same = json.dumps(GOOD).replace('"correctness": 3', '"correctness": 3, "correctness": 3')
    assert got(same).scores == GOOD["scores"], "said twice, and the same"
    tied = {label: {"correctness": 7, "clarity": 7} for label in NAMES}
    assert got(json.dumps(GOOD | {"scores": tied, "ranking": ["Q2", "K7", "M3"]})).ranking[0] == "Q2"


def test_one_of_ranking_and_scores_is_enough() -> None:
    """Either gives a verdict; neither gives none."""
    assert got(json.dumps({"scores": GOOD["scores"]})).ranking == ()
    assert got(json.dumps({"ranking": GOOD["ranking"]})).scores is None
    assert got(json.dumps(GOOD | {"ranking": None})).ranking == ()
    assert "no JSON object" in problem(json.dumps({"rationale": "all fine"}))


def test_one_number_a_candidate_is_an_overall_score() -> None:
    """A judge that does not tell criteria apart is still heard."""
    reading = got(json.dumps({"scores": {"K7": 9, "Q2": "4/10", "M3": 7.5}}))
    assert reading.scores == {"K7": {"overall": 9}, "Q2": {"overall": 4}, "M3": {"overall": 7.5}}


def test_criteria_are_matched_by_their_words() -> None:
    """Case, spaces and underscores do not matter; what was not asked for is left out."""
    scores = {label: {"Cites Sources": 5, "BREVITY": 6, "charm": 1} for label in NAMES}
    reading = read_verdict(json.dumps({"scores": scores}), NAMES, ("cites_sources", "brevity"))
    assert isinstance(reading, Reading)
    assert reading.scores == {label: {"cites_sources": 5, "brevity": 6} for label in NAMES}


def test_latex_and_a_last_comma_are_mended() -> None:
    """The two commonest slips of hand-written JSON do not cost a second call."""
    text = r'{"ranking": ["K7", "M3", "Q2",], "rationale": "K7 proves \(x^2\) and \sqrt{2}, \"well\"\n",}'
    assert got(text).rationale == r"claude proves \(x^2\) and \sqrt{2}," + ' "well"'


def test_two_verdicts_that_differ_are_none() -> None:
    """A judge that changes its mind half way has not decided; one that repeats itself has."""
    again = json.dumps(GOOD | {"scores": None, "ranking": ["Q2", "M3", "K7"]})
    assert problem(json.dumps(GOOD) + again) == "there are two verdicts that differ"
    assert got(json.dumps(GOOD) + json.dumps(GOOD)).ranking[0] == "K7"


def test_a_quoted_verdict_with_other_labels_does_not_count() -> None:
    """A candidate's own "verdict", quoted by the judge, cannot know the labels and is passed over."""
    quoted = '{"scores": {"A1": {"correctness": 10, "clarity": 10}}, "ranking": ["A1"]}'
    assert got(f"K7 says {quoted}. My verdict: {json.dumps(GOOD)}").ranking[0] == "K7"


@pytest.mark.parametrize("cut", range(5, len(json.dumps(GOOD)), 7))
def test_a_verdict_cut_off_anywhere_is_none(cut: int) -> None:
    """Whatever part of the object is missing, nothing is made up for it."""
    assert isinstance(read_verdict(json.dumps(GOOD)[:cut], NAMES, CRITERIA), Problem)


def test_the_judge_that_tried_is_told_apart_from_the_one_that_did_not() -> None:
    """Only a judge that ignored the form may have used one of its own."""
    for text in (json.dumps(GOOD)[:60], json.dumps(GOOD | {"ranking": ["Q2"]})):
        found = read_verdict(text, NAMES, CRITERIA)
        assert isinstance(found, Problem)
        assert found.tried
    for text in ("K7 is better.", "", "[[A]]", '{"reply": "hm"}'):
        found = read_verdict(text, NAMES, CRITERIA)
        assert isinstance(found, Problem)
        assert not found.tried


def test_people_read_names_not_labels() -> None:
    """In rationale and analysis each blind label that stands as a word becomes the member's name."""
    assert (
        resolve_labels("K7 beats candidate Q2; (M3), K77 and AK7 stay.", NAMES)
        == "claude beats gemini; (gpt4o), K77 and AK7 stay."
    )
    assert resolve_labels("K7的答案更好", NAMES) == "claude的答案更好"
    assert got(json.dumps(GOOD)).rationale == "claude is right; gemini is not."


def test_the_analysis_keeps_what_can_be_used() -> None:
    """Each of the five lists is checked by itself; an item of no known member, or of the wrong shape, is dropped."""
    analysis = {
        "consensus": ["All say K7's date.", "", 5, None, "<what the candidates agree on>"],
        "contradictions": [
            {"topic": "Date", "stances": [{"model": "K7", "stance": "1889"}, {"model": "Z9", "stance": "1900"}]},
            {"topic": "Height", "stances": []},
            {"topic": "", "stances": [{"model": "K7", "stance": "x"}]},
            "Date",
        ],
        "partial_coverage": [
            {"models": ["K7", "nobody", "candidate m3"], "point": "Cost"},
            {"models": ["Z9"], "point": "x"},
        ],
        "unique_insights": [{"model": "Q2", "insight": "Unlike K7, it counts."}, {"model": 3, "insight": "x"}, {}],
        "blind_spots": "none",
        "mood": ["good"],
    }
    assert got(json.dumps(GOOD | {"analysis": analysis})).analysis == {
        "consensus": ["All say claude's date."],
        "contradictions": [{"topic": "Date", "stances": [{"model": "claude", "stance": "1889"}]}],
        "partial_coverage": [{"models": ["claude", "gpt4o"], "point": "Cost"}],
        "unique_insights": [{"model": "gemini", "insight": "Unlike claude, it counts."}],
        "blind_spots": [],
    }


@pytest.mark.parametrize("analysis", [None, "good", 7, []])
def test_no_analysis_is_no_problem(analysis: object) -> None:
    """The analysis is optional: a verdict stands without it."""
    assert got(json.dumps(GOOD | {"analysis": analysis})).analysis is None


def test_texts_are_bounded_and_can_be_written_down() -> None:
    """A judge cannot flood the journal, nor put half a character into it."""
    flood = {"rationale": "x" * 10**5, "analysis": {"consensus": ["\ud800y"] * 1000}}
    reading = got(json.dumps(GOOD | flood))
    assert len(reading.rationale) < MAX_TEXT + 10
    assert reading.analysis is not None
    assert reading.analysis["consensus"] == ["\ufffdy"] * MAX_ITEMS


@pytest.mark.parametrize(
    "text",
    [
        '{"scores":' * 50_000,
        '{"scores": ' + "[" * 100_000,
        '{"ranking": ' + "9" * 6000 + "}",
        '{"scores": {"K7": ' * 200 + "1" + "}}" * 200,
        '{"a":1},' * 30_000,
        "{" * 200_000,
        '{"scores": "' + "\\" * 199_999,
        "\x00" * 1000,
    ],
)
def test_hostile_text_is_a_problem_and_no_more(text: str) -> None:
    """Deep nesting, endless numbers, thousands of objects: a problem, not an exception, and soon."""
    assert isinstance(read_verdict(text, NAMES, CRITERIA), Problem)


KEYS = st.sampled_from(["scores", "ranking", "rationale", "analysis", "answer", "model", "stances", *NAMES, *CRITERIA])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*NAMES, "8/10"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)


@given(
    st.text()
    | VALUES.map(json.dumps)
    | st.tuples(st.text(), st.dictionaries(KEYS, VALUES).map(json.dumps)).map("".join)
)
def test_the_reader_never_raises(text: str) -> None:
    """Whatever a judge writes, the run goes on; and what is read holds just the offered labels, and sound scores."""
    found = read_verdict(text, NAMES, CRITERIA)
    if isinstance(found, Reading):
        assert set(found.ranking) in (set(), set(NAMES))
        assert set(found.scores or NAMES) == set(NAMES)
        assert all(1 <= score <= 10 for given in (found.scores or {}).values() for score in given.values())
        json.dumps([found.rationale, found.analysis, found.answer], allow_nan=False).encode()
    else:
        assert found.text


def test_the_json_suite_never_raises() -> None:
    """Every file of JSONTestSuite, as a whole and as a verdict's score, is read or refused without an exception."""
    folder = Path(__file__).parents[1] / "../shared/vectors/json"
    if not folder.exists():
        pytest.skip("the shared vectors are not here")
    files = sorted(folder.iterdir())
    assert files
    for file in files:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        read_verdict(text, NAMES, CRITERIA)
        read_verdict(json.dumps(GOOD).replace("6.5", text), NAMES, CRITERIA)
