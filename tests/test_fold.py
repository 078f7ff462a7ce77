"""State is the fold of the events: the same fixtures hold for every language that folds them."""

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import Ref, RunState
from fusion_nb.core.events import CallStarted, TextDelta, from_json
from fusion_nb.core.fold import fold, fold_all
from fusion_nb.core.json_codec import to_plain
from fusion_nb.run.result import FusionResult

RUNS = sorted((Path(__file__).parent / "fixtures/runs").glob("*.jsonl"))


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.stem)
def test_recorded_runs_fold_to_their_state(path: Path) -> None:
    """A run read back from its file is the state it had on the day, to the last digit of its cost."""
    events = [from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    expected = json.loads(path.with_suffix("").with_suffix(".state.json").read_text(encoding="utf-8"))
    assert to_plain(fold_all(events, FusionResult())) == expected


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.stem)
def test_a_result_survives_pickle(path: Path) -> None:
    """A result can be kept, sent to a worker and compared."""
    events = [from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    result = fold_all(events, FusionResult())
    assert pickle.loads(pickle.dumps(result)) == result


@given(st.lists(st.tuples(st.sampled_from(["content", "reasoning", "answer"]), st.text())))
def test_no_text_is_lost_whatever_the_pieces(pieces: list[tuple[str, str]]) -> None:
    """Deltas in any number, size and channel add up to exactly what was said."""
    state = fold(RunState(), CallStarted(call=1, ref=Ref("demo", "judge"), role="judge"))
    for channel, text in pieces:
        state = fold(state, TextDelta(call=1, text=text, channel=channel))
    assert state.replies[0].text == "".join(t for c, t in pieces if c != "reasoning")
    assert state.replies[0].reasoning == "".join(t for c, t in pieces if c == "reasoning")
    assert state.draft == "".join(t for c, t in pieces if c == "answer")
