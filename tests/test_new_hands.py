"""What people try first, and what they look at: help, lists with blanks, tables in a terminal, answers by name."""

from collections.abc import Iterator

import pandas as pd
import pytest

import fusion_nb
from fusion_nb.views.frame_text import compact_text
from tests.shell import Shell


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("FUSION_NB_UI", "text")
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "200")
    shell = Shell()
    yield shell
    shell.close()


@pytest.mark.parametrize("magic", ["fuse_models", "fuse_runs", "fuse_spend", "fuse_key", "fuse_setup", "fuse_panel"])
def test_every_magic_tells_its_forms(shell: Shell, magic: str) -> None:
    """`--help` of every magic prints its manual, and does nothing else."""
    ran = shell.run(f"%{magic} --help")
    assert ran.error is None
    assert ran.value is None
    assert f"%{magic}" in ran.text


def test_a_whole_cell_may_ask_for_help(shell: Shell) -> None:
    """`%%fuse --help` is the manual with examples and groups, not IPython's refusal of an empty cell."""
    ran = shell.run("%%fuse --help")
    assert ran.error is None
    for part in ("%%fuse df << --pool claude,gemini,gpt4o", "money:", "%fuse_runs"):
        assert part in ran.text


@pytest.mark.parametrize("cell", ["%%fuse", "%%fuse --pool demo", "%%fuse --pool demo\n\n  \n"])
def test_a_cell_without_a_prompt_says_what_is_missing(shell: Shell, cell: str) -> None:
    """An empty cell is answered by us, with the remedy."""
    ran = shell.run(cell)
    assert "prompt is empty" in str(ran.error)


def test_a_prompt_on_the_first_line_of_a_cell_is_not_sent(shell: Shell) -> None:
    """What stands beside the options of a cell is refused, as before."""
    ran = shell.run("%%fuse --pool demo Why is the sky blue?")
    assert "Not an option" in str(ran.error)


@pytest.mark.parametrize(
    "pool", ["demo, demo", "demo ,demo", "demo , demo", '"demo", demo', "'demo', \"demo\"", '"demo,demo"']
)
def test_a_blank_beside_a_comma_is_no_end_of_the_list(shell: Shell, pool: str) -> None:
    """`--pool claude, gemini` is a pool of two; what follows is still options, then the prompt."""
    ran = shell.run(f"%fuse --pool {pool} --max-tokens 900 hello there")
    assert ran.error is None
    assert len(ran.value[ran.value.role == "candidate"]) == 6
    cell = shell.run(f"%%fuse --pool {pool} --quiet\nhello there")
    assert len(cell.value[cell.value.role == "candidate"]) == 6


def test_candidates_by_name(shell: Shell) -> None:
    """`result.candidates["claude"]`, and who there is where the name is wrong."""
    result = fusion_nb.fuse("hi", pool="demo")
    assert result.candidates["demo:swift"] is result.candidates[0]
    assert result.candidates[1:] == tuple(result.candidates)[1:]
    with pytest.raises(fusion_nb.UserError, match="There are demo:swift, demo:steady, demo:careful"):
        result.candidates["claude"]


def test_what_an_object_is_can_be_read(shell: Shell) -> None:
    """A reply, a verdict and the accessor say what they are in one line."""
    result = fusion_nb.fuse("hi", pool="demo")
    for value in (result.candidates[0], result.verdict, result.frame().fusion):
        assert len(repr(value)) < 250
    assert "by_member" in repr(result.frame().fusion)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_tables_fit_a_terminal(shell: Shell, columns: int) -> None:
    """Tables of calls, runs and models: one line a row, within the window, ids and names whole."""
    result = fusion_nb.fuse("hi", pool="demo")
    for frame, whole in ((result.frame(), "label"), (fusion_nb.runs(), "run"), (fusion_nb.models("haiku"), "ref")):
        text = compact_text(frame, columns)
        lines = text.splitlines()
        assert len(lines) == len(frame) + 3
        assert max(map(len, lines)) <= columns
        assert all(str(value) in text for value in frame[whole])


def test_other_frames_are_printed_by_pandas(shell: Shell) -> None:
    """A frame of a person's own, a part of ours and `max_columns = None` stay as pandas prints them."""
    frame = fusion_nb.fuse("hi", pool="demo").frame()
    dear = pd.DataFrame({"ref": "openrouter:" + "m" * 30, "name": "M", "context": 8, "prompt_usd_per_mtok": [1.5],
                         "completion_usd_per_mtok": 7.5, "source": "x", "alias": "m", "modalities": "text"})  # fmt: skip
    for columns in range(40, 120):
        # One price without the other would mislead.
        text = compact_text(dear, columns) or ""
        assert ("1.50" in text) == ("7.50" in text)
    assert "7.50" in (compact_text(dear, 80) or "")
    assert compact_text(pd.DataFrame({"a": [1]})) is None
    assert compact_text(frame[["text"]]) is None
    with pd.option_context("display.max_columns", None):
        assert compact_text(frame) is None


def test_debug_shows_the_line_of_the_persons_own_function(shell: Shell) -> None:
    """`--debug` begins with the traceback of the function that failed."""
    shell.run("def inner(p):\n    return 1 / 0\ndef outer(p):\n    return inner(p)")
    ran = shell.run("%fuse --pool outer --debug hi")
    told = ran.text.split("In your function")[1]
    assert "in outer" in told
    assert "in inner" in told
