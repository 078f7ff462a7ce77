"""`%%fuse` in a real IPython, on the demo pool and the replay server."""

from collections.abc import Iterator

import pandas as pd
import pytest
from IPython.core.completer import CompletionContext

import fusion_nb
from fusion_nb.errors import UserError
from tests.replay import Replay
from tests.shell import Shell

QUESTION = "How many times does the letter r occur in the word strawberry?"


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def test_load_ext_is_silent() -> None:
    """Loading says nothing, and loading twice is harmless."""
    shell = Shell()
    assert shell.run("%reload_ext fusion_nb").text == ""
    assert sum(type(held).__name__ == "Fuse" for held in shell.ip.configurables) == 1
    shell.close()
    assert "fuse" not in shell.ip.magics_manager.magics["cell"]


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
def test_a_cell_fuses_and_returns_the_frame(shell: Shell, mode: str) -> None:
    """All three modes: the answer is shown, the DataFrame is the cell's value, and `last()` is the result."""
    ran = shell.run(f"%%fuse --pool demo --mode {mode}\n{QUESTION}")
    assert ran.error is None, ran.text
    assert isinstance(ran.value, pd.DataFrame)
    assert set(ran.value["role"]) == {"candidate", "judge"}
    result = fusion_nb.last()
    assert result is not None
    assert result.answer
    assert result.answer.split("\n")[0] in ran.text
    assert "demo" in ran.text.lower()
    assert result.prompt == QUESTION


def test_the_frame_is_bound_and_silenced(shell: Shell) -> None:
    """`-o df` and `df <<` bind; `;` at the end leaves no value; `--quiet` shows nothing."""
    assert shell.run(f"%%fuse -o one --pool demo -q\n{QUESTION}").text.count("strawberry") <= 1
    assert shell.run(f"%%fuse two << --pool demo --quiet;\n{QUESTION}").value is None
    assert shell.run(f"%%fuse --pool demo -q\n{QUESTION}\n;").value is None
    assert fusion_nb.last().prompt == QUESTION  # type: ignore[union-attr]
    for name in ("one", "two"):
        assert isinstance(shell.ip.user_ns[name], pd.DataFrame)


def test_the_line_magic_takes_the_prompt_as_it_stands(shell: Shell) -> None:
    """`%fuse` needs no quoting; its options come first."""
    shell.run('%fuse -q --pool demo What\'s "this", then?')
    assert fusion_nb.last().prompt == 'What\'s "this", then?'  # type: ignore[union-attr]
    shell.run("x = 7")
    shell.run("%fuse --pool demo -q Is {x} prime? {y}")
    assert fusion_nb.last().prompt == "Is 7 prime? {y}"  # type: ignore[union-attr]


def test_code_that_calls_the_magic_gets_the_frame(shell: Shell) -> None:
    """A `;` that ends a prompt silences the cell it was typed in, and no call: a caller is no cell."""
    shell.run("def ask(text):\n    return get_ipython().run_cell_magic('fuse', '--pool demo -q', text)")
    assert isinstance(shell.run("ask('Explain: int x = 1;')").value, pd.DataFrame)
    assert fusion_nb.last().prompt == "Explain: int x = 1;"  # type: ignore[union-attr]


def test_a_local_variable_comes_before_the_notebooks(shell: Shell) -> None:
    """`%fuse` in a function fills in what the function's writer sees."""
    shell.run("topic = 'the notebook'")
    shell.run("def ask(topic):\n    %fuse --pool demo -q Explain {topic}\nask('the function')")
    assert fusion_nb.last().prompt == "Explain the function"  # type: ignore[union-attr]
    code = "get_ipython().run_cell_magic('fuse', '--pool demo -q', 'Explain {topic}')"
    shell.run(f"def ask(topic):\n    {code}\nask('the caller')")
    assert fusion_nb.last().prompt == "Explain the caller"  # type: ignore[union-attr]
    shell.run("%%fuse --pool demo -q\nExplain {topic}")
    assert fusion_nb.last().prompt == "Explain the notebook"  # type: ignore[union-attr]


def test_what_is_filled_in_is_said_before_it_is_sent(shell: Shell) -> None:
    """Name and size, and what was left standing in code; IPython's own names are text."""
    shell.run("topic = 'tides'")
    ran = shell.run("%%fuse --pool demo\nExplain {topic} and `{topic}` to {In} and {exit}.")
    assert ran.text.startswith("Filled in: {topic} (5 characters). Left as written in code or a formula: {topic};")
    assert fusion_nb.last().prompt == "Explain tides and `{topic}` to {In} and {exit}."  # type: ignore[union-attr]


def test_options_go_on_below_a_backslash_and_come_from_variables(shell: Shell) -> None:
    """As in a shell; and a pool may be a list of the notebook, functions included."""
    shell.run("def mine(prompt): return 'I say three'\nmembers = ['demo:swift', mine]\ncap = 1")
    ran = shell.run("%%fuse --pool {members} \\\n  --mode best-of --max-cost {cap} -q\nHow many?")
    assert ran.error is None
    result = fusion_nb.last()
    assert result is not None
    assert [ref.name for ref in result.pool] == ["demo:swift", "mine"]
    assert (result.mode, result.limits.max_cost, result.prompt) == ("best-of", 1, "How many?")
    ran = shell.run("%%fuse --pool {nobody}\nHow many?")
    assert isinstance(ran.error, UserError)
    assert "nobody" in str(ran.error)


def test_interpolation_and_raw(shell: Shell) -> None:
    """`{name}` is the variable, JSON is text, and `--raw` leaves everything."""
    shell.run("topic = 'tides'")
    shell.run('%%fuse -q --pool demo\nExplain {topic} as {"json": 1}.')
    assert fusion_nb.last().prompt == 'Explain tides as {"json": 1}.'  # type: ignore[union-attr]
    shell.run("%%fuse -q --pool demo --raw\nExplain {topic}.")
    assert fusion_nb.last().prompt == "Explain {topic}."  # type: ignore[union-attr]


def test_config_sets_the_defaults(shell: Shell) -> None:
    """`%config Fuse...` is honoured, and the line wins over it."""
    shell.run("%config Fuse.pool = ['demo:swift', 'demo:steady']")
    shell.run("%config Fuse.mode = 'best-of'")
    shell.run("%config Fuse.quiet = True")
    frame = shell.run(f"%%fuse\n{QUESTION}").value
    assert list(frame["label"]) == ["demo:swift", "demo:steady", "demo:judge"]
    assert frame.attrs["mode"] == "best-of"
    assert list(shell.run(f"%%fuse --pool demo:careful\n{QUESTION}").value["label"]) == ["demo:careful"]


def test_without_a_key_the_demo_answers_and_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very first cell of a new user works, and never passes a script off as a model."""
    ran = shell.run(f"%%fuse\n{QUESTION}")
    assert ran.error is None
    assert set(ran.value["service"]) == {"demo"}
    assert "OPENROUTER_API_KEY" in ran.text


def test_functions_of_the_notebook_can_be_named(shell: Shell) -> None:
    """A function defined in a cell is a member by its name."""
    shell.run("def shout(prompt): return prompt.upper()")
    frame = shell.run("%%fuse -q --pool shout,demo:swift --judge demo:judge --mode best-of\nhi").value
    assert frame["text"][0] == "HI"


BAD = {
    "--pool cluade": "claude",
    "--pool demo --mode mrege": "merge",
    "--pool demo --moed merge": "--mode",
    "--pool demo --max-cost lots": "--max-cost must be",
    "--pool demo --max-cost 0.0000001": "too small for even one call",
    "--pool demo --max-tokens many": "--max-tokens must be a whole number",
    "--pool ,": "empty",
    "--pool claude": "OPENROUTER_API_KEY",
    "--pool demo --judge nobody-at-all": "Unknown model",
    "--pool m --base-url http://example.com/v1": "https",
    "--pool m --base-url https://example.com/v1 --key-env OPENROUTER_API_KEY": "belongs to openrouter",
    "--pool demo --then merge stray words": "Not an option",
    "--pool demo --mode debate:9": "1 to 3",
    "--pool demo --quorum 9": "quorum",
    "--pool demo -o 1x": "name of a variable",
    "--pool demo -o In": "would hide IPython's own In",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_sentence(shell: Shell, line: str) -> None:
    """What cannot be sent is said in one sentence with the remedy: no traceback, nothing sent."""
    ran = shell.run(f"%%fuse {line}\nHello?")
    assert isinstance(ran.error, fusion_nb.FusionError)
    assert BAD[line] in ran.text
    assert "Traceback" not in ran.text
    assert len(ran.text.strip().splitlines()) == 1


def test_an_empty_prompt_is_refused(shell: Shell) -> None:
    """An empty cell is not sent to three models."""
    assert "prompt is empty" in shell.run("%%fuse --pool demo\n  \n").text


KEYS = ["sk-or-v1-" + "a1" * 32, "sk-ant-api03-" + "B2c" * 12, "sk-proj-" + "x9Y" * 12, "AIza" + "q7" * 18]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_on_the_line_is_refused_and_not_repeated(shell: Shell, key: str) -> None:
    """A key in a cell is not run with, and the refusal says where keys go without showing it."""
    ran = shell.run(f"%%fuse --pool claude --system {key}\nHello?")
    assert "looks like an API key" in ran.text
    assert "OPENROUTER_API_KEY" in ran.text
    assert key not in ran.text
    assert key not in str(ran.error)


def test_the_key_goes_out_once_and_appears_nowhere(
    shell: Shell, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from the environment is in no output, frame, event, repr or exception."""
    key = "sk-canary-" + "Zq8" * 14
    monkeypatch.setenv("CANARY_API_KEY", key)
    shell.ip.user_ns["services"] = {"canary": {"base_url": replay.url, "key_env": "CANARY_API_KEY"}}
    shell.run("%config Fuse.services = services")
    pool = "canary:rate/0/3/500,canary:fail/401,canary:rate/0/4/500"
    ran = shell.run(f"%%fuse -o df --pool {pool} --judge canary:scripted-judge --mode best-of\nCount.")
    result = fusion_nb.last()
    assert result is not None
    assert [r.status for r in result.replies] == ["ok", "error", "ok", "ok"]
    for seen in (
        ran.text,
        repr(ran.outputs),
        repr(result),
        result.to_html(),
        result.frame().to_csv(),
        repr(result.replies),
    ):
        assert key not in seen


def test_all_failed_shows_the_rows_and_one_sentence(shell: Shell, replay: Replay) -> None:
    """The cell fails with one sentence; the table of reasons is shown and bound."""
    shell.ip.user_ns["services"] = {"replay": {"base_url": replay.url}}
    shell.run("%config Fuse.services = services")
    ran = shell.run("%%fuse -o df --pool replay:fail/404,replay:fail/402 --judge demo:judge\nCount.")
    assert isinstance(ran.error, fusion_nb.RunFailed)
    assert "Traceback" not in ran.text
    assert list(shell.ip.user_ns["df"]["error"]) == ["model", "credits"]


def test_help_is_the_manual(shell: Shell) -> None:
    """`--help` lists every option, and `%fuse?` shows the same."""
    text = shell.run("%fuse --help").text
    assert all(option in text for option in ("--pool", "--mode", "--judge", "--max-cost", "-o", "--raw"))
    assert "--pool" in (shell.ip.find_cell_magic("fuse").__doc__ or "")


def complete(shell: Shell, line: str) -> list[str]:
    context = CompletionContext(
        token=line.rsplit(" ", 1)[-1], full_text=line, cursor_position=len(line), cursor_line=0, limit=100
    )
    matcher = next(m for m in shell.ip.Completer.custom_matchers if m.__name__ == "fuse_matcher")
    return [c.text for c in matcher(context)["completions"]]


def test_tab_completes_options_modes_and_members(shell: Shell) -> None:
    """Tab knows options, modes, aliases, services and, after a comma, the next member."""
    assert "--pool" in complete(shell, "%%fuse --po")
    assert complete(shell, "%%fuse --mode me") == ["merge"]
    assert "claude" in complete(shell, "%%fuse --pool cl")
    assert "gemini" in complete(shell, "%%fuse --pool claude,gem")
    assert "demo:steady" in complete(shell, "%%fuse --judge demo:s")
    assert complete(shell, "print('--po") == []


def test_models_are_listed_as_a_table(shell: Shell) -> None:
    """`%fuse_models demo` is a DataFrame with prices and context, and needs no key."""
    frame = shell.run("%fuse_models demo").value
    assert {"demo:swift", "demo:steady", "demo:careful"} <= set(frame["ref"])
    assert {"ref", "name", "context", "prompt_usd_per_mtok", "source"} <= set(frame.columns)
