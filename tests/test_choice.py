"""A person's choice over the judge's, kept in the run's own file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb import UserError, history
from fusion_nb.core.events import ChoiceMade, RunEnded
from fusion_nb.core.fold import BY_HAND
from fusion_nb.journal import run_files, run_index
from fusion_nb.journal.run_reader import DAMAGED, find
from fusion_nb.run import derived_runs
from tests.journalled import new_run, tiny, written

PROMPT = "How many times does the letter r occur in the word strawberry?"


@pytest.fixture(autouse=True)
def own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def test_a_choice_comes_back_with_the_run() -> None:
    """`load` gives answer, `chosen` and a note that a person chose it; the judge's whole verdict is `judged`."""
    before = fusion_nb.fuse(PROMPT, "demo")
    chosen = history.choose(before.run, 2)
    after = fusion_nb.load(before.run)
    assert after == chosen
    assert after.answer == before.reply(2).text
    assert after.verdict is not None
    assert (after.verdict.chosen, after.verdict.note) == ((2,), f"{BY_HAND}: demo:steady.")
    assert after.judged == before.verdict
    assert after.frame()["chosen"].tolist() == [False, True, False, False]
    assert BY_HAND in after.to_html()
    assert BY_HAND in after.to_markdown()
    assert after.seconds == before.seconds


def test_a_person_may_change_their_mind() -> None:
    """The latest choice holds; every one of them stands in the file, numbered on, and the judge's verdict once."""
    before = fusion_nb.fuse(PROMPT, "demo")
    for call in (1, 3):
        history.choose(before.run, call)
    after = fusion_nb.load(before.run)
    assert after.answer == before.reply(3).text
    assert after.judged == before.verdict
    events = run_files.read(find(before.run)).events
    assert [e.call for e in events if isinstance(e, ChoiceMade)] == [1, 3]
    assert [e.seq for e in events[-3:]] == [events[-3].seq + n for n in range(3)]
    assert all(e.when for e in events if isinstance(e, ChoiceMade))


def test_a_choice_where_no_judge_came_to_decide() -> None:
    """A run that was stopped before the judge has an answer then; what is left of it can still be resumed."""
    start, *rest = tiny(new_run(), "Paris.")
    stopped = [start, *rest[:-2], RunEnded(seq=9, at=1.0, status="cancelled")]
    run, _ = written(stopped)
    result = history.choose(run, 1)
    assert result.answer == "Paris."
    assert (result.status, result.judged) == ("cancelled", None)
    assert fusion_nb.load(run) == result
    assert derived_runs.resume(result).reused


def test_the_list_of_runs_follows() -> None:
    """Words of the chosen answer find the run; it is not called damaged, crashed or changed in its cost."""
    before = fusion_nb.fuse(PROMPT, "demo")
    (row,) = run_index.runs()
    history.choose(before.run, 1)
    word = before.reply(1).text.split()[-1]
    assert run_index.runs(word) == [row]
    assert history.crash_notice() == ""


def test_without_a_journal_the_choice_says_where_it_lives() -> None:
    """A run that is in no journal can be chosen from; one sentence says that nothing of it is on disk."""
    result = history.choose(fusion_nb.fuse(PROMPT, "demo", journal=False), 1)
    assert result.verdict is not None
    assert result.verdict.chosen == (1,)
    assert "in this result alone" in result.notes[-1]


def test_what_cannot_be_chosen_is_one_sentence() -> None:
    """The judge, a number that is no call's, a run under way: nothing is written."""
    result = fusion_nb.fuse(PROMPT, "demo")
    before = find(result.run).read_bytes()
    for call in (4, 0, 9):
        with pytest.raises(UserError, match="not a candidate"):
            history.choose(result.run, call)
    with pytest.raises(UserError, match="under way"):
        history.choose(replace(result, status="running"), 1)
    assert find(result.run).read_bytes() == before


def test_a_choice_of_nothing_is_damage() -> None:
    """A line that names a call the run never made is passed over and called damage; no reply is made up for it."""
    run, path = written(tiny(new_run()))
    with path.open("a") as file:
        file.write(json.dumps({"event": "ChoiceMade", "seq": 99, "at": 1.0, "call": 7}) + "\n")
    result = fusion_nb.load(run)
    assert len(result.replies) == 1
    assert DAMAGED in result.notes
