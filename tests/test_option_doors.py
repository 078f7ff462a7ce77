"""The table of options seen from its doors: signatures, editors, the magics' line, `%config`, panels, the record."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from traitlets import TraitError

import fusion_nb
from fusion_nb import options
from fusion_nb.core.events import RunStarted
from fusion_nb.errors import UserError
from fusion_nb.magic import line_parser
from fusion_nb.options import CALLS, DERIVED, LINE, ROWS, TABLE
from fusion_nb.panel.pool_form import PoolForm
from tests import option_types
from tests.shell import Shell

PROMPT = "How many times does the letter r occur in the word strawberry?"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def shell() -> Iterator[Shell]:
    running = Shell()
    yield running
    running.close()


@pytest.mark.parametrize("call", [call for call in CALLS if call != "panel"])
def test_signatures_show_every_option(call: str) -> None:
    """`?` and Tab in a notebook know every option of a call, with its default, and say what each does."""
    function = getattr(fusion_nb, call)
    parameters = inspect.signature(function).parameters
    assert {row.name for row in options.of(call)} <= set(parameters)
    assert not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for row in options.of(call):
        shown = parameters[row.name].default
        assert shown == (None if call in DERIVED and row.record else row.default), row.name
        assert row.help in (function.__doc__ or "") or row.name in option_types.POSITIONAL


def test_editors_and_type_checkers_see_the_table() -> None:
    """The typed dictionaries behind `Unpack` are the table's: `python -m tests.option_types` writes them anew."""
    assert option_types.FILE.read_text(encoding="utf-8") == option_types.text()


def test_no_call_takes_whatever_it_is_given() -> None:
    """`**options` are typed: a misspelt option is an error in an editor, and a sentence when it is run."""
    for call in ("fuse", "rejudge", "estimate"):
        source = inspect.getsource(getattr(fusion_nb, call))
        assert "Unpack[" in source
    with pytest.raises(UserError, match="Did you mean max_cost"):
        fusion_nb.fuse(PROMPT, pool="demo", max_costs=1)  # type: ignore[call-arg]
    with pytest.raises(UserError, match="criteria"):
        fusion_nb.rejudge(criterea="humour")  # type: ignore[call-arg]


@pytest.mark.parametrize("row", [row for row in TABLE if row.flags], ids=lambda row: row.name)
def test_the_line_knows_each_flag_once(row: options.Option, shell: Shell) -> None:
    """Each flag belongs to one row, stands in the manual with its help, and Tab offers it and its values."""
    assert [each.name for each in TABLE if set(each.flags) & set(row.flags)] == [row.name]
    manual = " ".join(shell.run("%fuse --help").text.split())
    assert row.flags[-1] in manual
    assert row.help.split("; ")[0].split(" (")[0][:40] in manual
    typed = f"%fuse {row.flags[-1][:4]}"
    with provisionalcompleter():
        assert row.flags[-1] in {each.text for each in shell.ip.Completer.completions(typed, len(typed))}
        typed = f"%fuse {row.flags[-1]} "
        offered = {each.text for each in shell.ip.Completer.completions(typed, len(typed))}
    assert set(row.values) <= offered


def test_the_lines_options_are_the_tables() -> None:
    """Nothing is declared for the line that is not in the table."""
    assert {flag for row in TABLE for flag in row.flags} == line_parser.VALUED | line_parser.FLAGS


@pytest.mark.parametrize("verb", DERIVED)
def test_the_line_refuses_what_a_past_run_does_not_take(verb: str, shell: Shell) -> None:
    """`%fuse --resume RUN --criteria x` and its kin are one sentence that names the option, and nobody is asked."""
    shell.run(f"%%fuse --pool demo --mode best-of\n{PROMPT}")
    run = fusion_nb.last()
    assert run is not None
    wanted = {
        "rejudge": "--rejudge last",
        "add": "--add demo:careful",
        "retry": "--retry",
        "resume": f"--resume {run.run}",
    }
    before = len(fusion_nb.runs())
    for row in TABLE:
        if not row.flags or verb in row.calls or row.calls == (LINE,):
            continue
        value = "" if row.switch else f" {row.values[0] if row.values else '2'}"
        ran = shell.run(f"%fuse {wanted[verb]} {row.flags[-1]}{value}")
        assert isinstance(ran.error, UserError), row.name
        assert row.flags[-1] in str(ran.error)
        assert f"--{verb}" in str(ran.error)
    assert len(fusion_nb.runs()) == before


@pytest.mark.parametrize(
    "typed",
    [
        "--dry-run --background --pool demo\nHi?", "--rejudge last --resume last", "--add demo:swift --retry",
        "--rejudge last\nAnd what of this?", "--retry\nAnd what of this?", "-o 1x --pool demo\nHi?",
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(typed: str, shell: Shell) -> None:
    """Two ways at once, or a question that would be dropped: one sentence, nothing sent."""
    shell.run(f"%%fuse --pool demo --quiet\n{PROMPT}")
    before = len(fusion_nb.runs())
    ran = shell.run(f"%%fuse {typed}" if "\n" in typed else f"%fuse {typed}")
    assert isinstance(ran.error, UserError)
    assert len(fusion_nb.runs()) == before


def test_a_dry_run_of_a_past_run_asks_nobody(shell: Shell) -> None:
    """`--dry-run --rejudge last` says what the judge would take; members that are kept cost nothing."""
    shell.run(f"%%fuse --pool demo --quiet\n{PROMPT}")
    before = len(fusion_nb.runs())
    ran = shell.run("%fuse --dry-run --rejudge last")
    assert ran.error is None
    assert [line.ref.service for line in ran.value.lines] == ["demo"]
    assert repr(ran.value).startswith("<Estimate: a judge, ")
    assert len(fusion_nb.runs()) == before


def test_defaults_hold_behind_every_door(shell: Shell) -> None:
    """`%config Fuse`, `fusion_nb.defaults` and the calls are one: an alias and a cap that were set once hold everywhere."""
    shell.run("%config Fuse.aliases = {'house': 'demo:swift'}")
    assert fusion_nb.defaults.aliases == {"house": "demo:swift"}
    fusion_nb.defaults.mode = "best-of"
    assert fusion_nb.fuse(PROMPT, pool="house,demo:careful").mode == "best-of"
    assert shell.run(f"%%fuse --pool house --quiet\n{PROMPT}").error is None
    panel = fusion_nb.Panel(PROMPT, pool="house")
    assert (panel.mode, "error" in panel.advice) == ("best-of", False)
    panel.close()
    assert fusion_nb.estimate(PROMPT, pool="house").spec.pool[0].model == "swift"
    shell.run("%config Fuse.max_cost = 0.0000001")
    for call in (
        lambda: fusion_nb.fuse(PROMPT, pool="demo"),
        lambda: fusion_nb.stream(PROMPT, pool="demo"),
        lambda: fusion_nb.estimate(PROMPT, pool="demo"),
        lambda: fusion_nb.Panel(PROMPT, pool="demo").run(),
    ):
        with pytest.raises(UserError, match="too small for even one call"):
            call()
    assert fusion_nb.fuse(PROMPT, pool="demo", max_cost=1).status == "ok", "what a call says comes first"


def test_a_panel_shows_the_cap_that_holds() -> None:
    """A default of the cap stands in the panel's field, and the call's own comes before it."""
    fusion_nb.defaults.max_cost = 0.25
    panel, own = fusion_nb.Panel(PROMPT, pool="demo"), fusion_nb.Panel(PROMPT, pool="demo", max_cost="0.5")
    assert (panel.max_cost, own.max_cost) == (0.25, 0.5)
    panel.close()
    own.close()


def test_the_smallest_cap_of_session_and_day_holds() -> None:
    """A call cannot lift a cap that was set for all runs; it can lower it."""
    fusion_nb.defaults.max_cost_per_day = 1
    assert options.settle("fuse", {"max_cost_per_day": 5})["max_cost_per_day"] == 1
    assert options.settle("rejudge", {"max_cost_per_day": "0.5"})["max_cost_per_day"] == Decimal("0.5")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("mode", "poll"), ("max_cost", "lots"), ("max_cost", 0), ("max_cost", True), ("max_tokens", 100.9),
        ("timeout", -1), ("orders", 3), ("reasoning", "hard"), ("temperature", 3), ("aliases", "mini"),
        ("services", [1]), ("journal", "perhaps"), ("pool", 7), ("criteria", 7), ("concurrency", 0), ("then", "debate"),
    ],
)  # fmt: skip
def test_values_are_checked_when_they_are_set(
    name: str, bad: Any, shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    """A default that could not be used is refused at once, by name; what was set before stays."""
    before = getattr(fusion_nb.defaults, name)
    with pytest.raises(Exception, match=f"Fuse.{name} was not changed"):
        setattr(fusion_nb.defaults, name, bad)
    assert getattr(fusion_nb.defaults, name) == before
    shell.run(f"%config Fuse.{name} = {bad!r}")
    assert f"Fuse.{name} was not changed" in caplog.text
    assert getattr(fusion_nb.defaults, name) == before


@pytest.mark.parametrize(
    ("name", "bad"),
    [("quorum", 1.9), ("max_tokens", 100.9), ("seed", True), ("seed", -1), ("orders", True), ("quorum", 9)],
)
def test_a_number_is_taken_as_it_was_meant(name: str, bad: Any) -> None:
    """1.9 is no whole number, True is none at all: refused, not cut."""
    with pytest.raises(UserError, match=name):
        fusion_nb.fuse(PROMPT, pool="demo", **{name: bad})


def test_every_option_of_a_request_is_on_record() -> None:
    """Where the table says that a run's record keeps an option, it does, and a derived run reads it there."""
    given = {"criteria": ("humour",), "orders": 2, "system": "Be kind.", "temperature": 0.5, "seed": 7}
    given |= {"reasoning": "low", "max_cost": Decimal(1), "max_tokens": 99, "timeout": 61.0, "ttft": 62.0, "idle": 63.0}
    given |= {"grace": 6.0, "concurrency": 3, "allow_unpriced": True, "quorum": 1}
    run = fusion_nb.fuse(PROMPT, pool="demo", then="best-of", mode="debate", **given)  # type: ignore[arg-type]
    recorded = options.recorded_options(fusion_nb.load(run.run))
    assert {name: recorded[name] for name in given} == given
    assert recorded["then"] == "best-of"
    missing = [row.name for row in TABLE if row.record and not hasattr(RunStarted, row.record.partition(".")[0])]
    assert missing == []


def test_the_panels_traits_are_options() -> None:
    """Each option that the form shows is a row, and begins as the table says."""
    panel = fusion_nb.Panel()
    assert panel.mode == ROWS["mode"].default
    for name in ("pool", "mode", "judge", "max_cost"):
        assert isinstance(getattr(PoolForm, name, None), object)
        assert "panel" in ROWS[name].calls
    panel.close()


def test_wrong_options_of_a_panel_are_said_when_it_is_made() -> None:
    """Not at the first press of a button."""
    with pytest.raises(UserError, match="max_tokens"):
        fusion_nb.Panel(PROMPT, pool="demo", max_tokens="many")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="progress"):
        fusion_nb.Panel(PROMPT, pool="demo", progress=print)  # type: ignore[call-arg]


def test_a_panel_asks_before_it_passes_confirm_over() -> None:
    """`confirm_over` in a panel: the first press says what it may cost, the second sends it."""
    panel = fusion_nb.Panel(PROMPT, pool="demo", confirm_over="0.0000001")
    with pytest.raises(UserError, match="do it again"):
        panel.run()
    assert not panel.busy
    panel.run()
    while panel.busy:
        panel._run.pause(0.05)
    assert panel.result is not None
    assert panel.result.status == "ok"
    panel.close()


def _remedies() -> list[str]:
    """Every call of ours, or option, that a message of the product names as its remedy."""
    root = Path(fusion_nb.__file__).parent
    texts = [text for path in root.rglob("*.py") for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', path.read_text())]
    calls = {call for text in texts for call in re.findall(r"\bfusion_nb\.((?:history\.)?[a-z_]+)\(", text)}
    return sorted(calls)


def test_calls_that_messages_name_exist() -> None:
    """What a person is told to call can be called after `import fusion_nb`, and nothing more."""
    for name in _remedies():
        target: Any = fusion_nb
        for step in name.split("."):
            target = getattr(target, step)
        assert callable(target), name


def test_options_that_messages_name_exist() -> None:
    """Every `--option` in a message of the product is an option of the line."""
    root = Path(fusion_nb.__file__).parent
    others = {
        "--delete",
        "--purge-before",
        "--export",
        "--import",
        "--debug",
        "--rejudge",
        "--env-file",
        "--keyring",
        "--forget",
        "--by",
        "--yes",
        "--remove",
    }
    named = {
        flag
        for path in root.rglob("*.py")
        for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', path.read_text(encoding="utf-8"))
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+[a-z]", text)
    }
    unknown = {flag for flag in named if flag not in line_parser.VALUED | line_parser.FLAGS | others}
    assert not {flag for flag in unknown if not flag.startswith("--jp-") and not flag.startswith("--fnb")}


def test_messages_name_options_as_python_does() -> None:
    """Who called `fuse()` can type `max_cost=` and no flag. A flag stands in a message behind its Python name, or in a
    whole command; what is raised gets its flags at the magics' door."""
    root = Path(fusion_nb.__file__).parent
    bare = []
    for path in sorted(root.rglob("*.py")):
        if path.is_relative_to(root / "magic") or path.name == "options.py":
            continue
        for text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            # A command of a magic, or its last part; a flag in brackets behind the option's name.
            beside = re.sub(r"%%?fuse[^`.]*|^ --[a-z-]+ \S+$|\w+(?:\(\)|=\w+)? \(--[a-z-]+\)", "", text)
            flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", beside))
            bare += [f"{path.name}: {flag}" for flag in flags & (line_parser.VALUED | line_parser.FLAGS)]
    assert bare == []


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts of a module, those with values in them whole."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "_" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


@pytest.mark.parametrize(
    ("sentence", "on_the_line"),
    [
        ("max_cost $1 is too small: raise it, or lower max_tokens (now 9).", "--max-cost $1 is too small: raise it, or lower --max-tokens (now 9)."),
        ('Name one with judge=, or try pool="demo".', "Name one with --judge, or try --pool demo."),
        ("allow_unpriced=True asks it; estimate() says more.", "--allow-unpriced asks it; --dry-run says more."),
        ("retry() asks those that failed.", "--retry asks those that failed."),
        ("services= adds one, base_url= for a run.", "%config Fuse.services adds one, --base-url for a run."),
        ("timeout is a number; the pool is empty.", "timeout is a number; the pool is empty."),
        ("Not 'max_cost', Fuse.max_cost, history.retry() or {\"base_url\": 1}.", "Not 'max_cost', Fuse.max_cost, history.retry() or {\"base_url\": 1}."),
        ("'I set max_cost high' is the model's, not max_cost.", "'I set max_cost high' is the model's, not --max-cost."),
        ("fuse() does not take call: leave it out.", "fuse() does not take call: leave it out."),
    ],
)  # fmt: skip
def test_the_magics_door_says_flags(sentence: str, on_the_line: str) -> None:
    """One table makes the flags, and their names in sentences; what is quoted, and words, stay as they are."""
    assert line_parser.in_flags(sentence) == on_the_line
    assert line_parser.in_flags(on_the_line) == on_the_line


@pytest.mark.parametrize(
    ("line", "options", "python", "flag"),
    [
        ("--max-cost lots", {"max_cost": "lots"}, "max_cost must be", "--max-cost must be"),
        ("--key-env X", {"key_env": "X"}, "key_env goes with base_url", "--key-env goes with --base-url"),
        ("--max-tokens 0", {"max_tokens": 0}, "max_tokens must be", "--max-tokens must be"),
    ],
)
def test_a_message_names_what_can_be_typed_where_it_is_read(
    shell: Shell, line: str, options: dict[str, Any], python: str, flag: str
) -> None:
    """From `fuse()` the argument, from a magic the flag."""
    with pytest.raises(UserError) as refused:
        fusion_nb.fuse(PROMPT, pool="demo", **options)
    assert python in str(refused.value)
    assert "--" not in str(refused.value)
    # A panel asks nobody about an address before it runs.
    for magic in ("%fuse", *(["%fuse_panel"] if "key_env" not in options else [])):
        ran = shell.run(f"{magic} --pool demo {line} {PROMPT}")
        assert isinstance(ran.error, UserError)
        assert flag in str(ran.error)


class _SilentRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no words for this")


_ODD: list[Any] = [
    *(np.bool_(True), np.array([1, 2]), np.array(["demo"]), pd.Series(["demo", "x"]), pd.NA, float("nan")),
    *(Decimal("sNaN"), Decimal("1e999999"), Decimal("1e-500"), Fraction(1, 3), 10**400, 10**5000, complex(1, 1)),
    *("9" * 5000, "a" * 100_000, "debate:" + "9" * 5000, "debate:²", "\ud800", b"demo", [b"demo"], [0], [[]], range(2)),
    *({1: 2}, iter(["demo"]), object(), _SilentRepr(), [_SilentRepr()]),
]


@pytest.mark.parametrize("row", options.TABLE, ids=lambda row: row.name)
def test_odd_values_are_taken_or_refused_in_one_short_sentence(row: options.Option) -> None:
    """Arrays, missing values, booleans of numpy, numbers without end, objects that cannot be shown: none raises
    anything but a sentence that a screen holds, and what is taken is taken again as it is."""
    for value in _ODD:
        sentence = ""
        try:
            checked = row.check(value)
        except UserError as error:
            sentence = str(error)
        else:
            assert checked is None or row.check(checked) == checked
        assert len(sentence) < 400
        assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("temperature", np.float32(0.5), 0.5), ("timeout", Fraction(3, 2), 1.5), ("max_tokens", np.int64(7), 7),
        ("max_cost", np.float64(0.1), Decimal("0.1")), ("max_cost", "$0.30", Decimal("0.30")), ("orders", np.int8(2), 2),
        ("replay", np.bool_(True), True), ("reasoning", np.int32(2000), "2000"), ("mode", " debate:2 ", "debate:2"),
        ("reasoning", "High", "high"), ("pool", (["demo"]), ("demo",)),
    ],
)  # fmt: skip
def test_numbers_of_numpy_and_texts_are_taken(name: str, value: Any, taken: Any) -> None:
    assert options.ROWS[name].check(value) == taken


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", np.bool_(True)), ("timeout", np.bool_(True)), ("grace", np.bool_(False)), ("pool", b"demo"),
     ("pool", ["demo", 0]), ("pool", [None, "demo"]), ("reasoning", 10**9), ("max_cost", "1e12"), ("functions", ""),
     ("max_cost", "1_0"), ("max_cost", "$$5"), ("timeout", "1_0"), ("timeout", b"9"), ("temperature", "0_1"),
     ("orders", "1_"), ("orders", "0_2"), ("max_tokens", "1_000"), ("seed", "0_7"), ("reasoning", "1_000"),
     ("criteria", ","), ("criteria", " ; "), ("criteria", ["", " "])],
)  # fmt: skip
def test_what_means_nothing_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError):
        options.ROWS[name].check(value)


@pytest.mark.parametrize(
    "bad", [5, None, b"last", ["last"], pd.DataFrame({"run": ["x"]})], ids=lambda bad: type(bad).__name__
)
def test_what_is_no_run_is_refused_in_a_sentence(bad: Any) -> None:
    calls: list[Callable[[], object]] = [
        *(lambda name=name: getattr(fusion_nb, name)(bad) for name in ("load", "rejudge", "retry", "resume")),
        *(lambda: fusion_nb.add(bad, "demo:swift"), lambda: fusion_nb.choose(bad, 1), lambda: fusion_nb.worth([bad])),
        lambda: fusion_nb.history.delete(bad),
    ]
    calls += [lambda: fusion_nb.Panel(result=bad)] if bad is not None else []
    for call in calls:
        with pytest.raises(UserError, match=r"its id or 'last'.*not (int|NoneType|bytes|list|DataFrame)"):
            call()


def test_a_run_may_be_given_by_its_id_or_as_its_result() -> None:
    result = fusion_nb.fuse(PROMPT, pool="demo")
    panel = fusion_nb.Panel(result=result.run)
    assert panel.result == result
    panel.close()
    assert str(fusion_nb.worth(result.run)) == str(fusion_nb.worth([result]))
    assert fusion_nb.choose(result, np.int64(2)).answer == result.replies[1].text
    assert fusion_nb.history.delete(result) == 1


@pytest.mark.parametrize("members", [None, "", [], 5, [5], [None], b"demo", {"demo": 1}])
def test_members_to_add_are_checked_before_anyone_is_asked(members: Any) -> None:
    result = fusion_nb.fuse(PROMPT, pool="demo:swift")
    with pytest.raises(UserError, match="pool"):
        fusion_nb.add(result, members)
    assert fusion_nb.load().run == result.run


@pytest.mark.parametrize(
    "call",
    [lambda: fusion_nb.runs(5), lambda: fusion_nb.models(None), lambda: fusion_nb.spending(5),
     lambda: fusion_nb.worth(5), lambda: fusion_nb.history.purge_before(None), lambda: fusion_nb.history.export(5),
     lambda: fusion_nb.choose("last", 1.0), lambda: fusion_nb.choose("last", True), lambda: fusion_nb.Panel(5),
     lambda: fusion_nb.fuse(PROMPT, pool="a", aliases={"a": {}}),
     lambda: fusion_nb.fuse(PROMPT, pool="a", aliases={"a": 1})],
)  # fmt: skip
def test_arguments_of_a_wrong_type_are_refused_in_a_sentence(call: Callable[[], object]) -> None:
    fusion_nb.fuse(PROMPT, pool="demo")
    with pytest.raises(UserError):
        call()


@pytest.mark.parametrize("answer", ["no", "yes", 1, object()])
def test_an_answer_that_is_neither_yes_nor_no_sends_nothing(answer: Any) -> None:
    """`confirm=input` gives a text, which is true to Python whatever was typed."""
    with pytest.raises(UserError, match="Nothing was sent: confirm must return True or False"):
        fusion_nb.fuse(PROMPT, pool="demo", confirm_over="0.000001", confirm=lambda _: answer)
    assert fusion_nb.runs().empty


def test_errors_are_pickled_and_copied_whole() -> None:
    """A pool of processes sends errors back in this way."""
    with pytest.raises(UserError) as caught:
        fusion_nb.fuse(PROMPT, pool="demo", mode="poll")
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))


def test_a_record_with_nothing_left_of_its_cap_is_gone_on_with_under_a_cap_of_zero() -> None:
    """What a resumed run had left may be zero: its calls are then denied in words, and a new cap of one's own holds."""
    assert options.settle("retry", {}, {"max_cost": Decimal(0)})["max_cost"] == 0
    assert options.settle("retry", {"max_cost": "0.5"}, {"max_cost": Decimal(0)})["max_cost"] == Decimal("0.5")
    with pytest.raises(UserError, match="max_cost"):
        options.settle("retry", {"max_cost": 0}, {"max_cost": Decimal(1)})


def test_a_refusal_names_calls_as_a_script_writes_them() -> None:
    for name in ("progress", "call", "nonsense"):
        with pytest.raises(UserError, match=r"\bPanel\(\) does not"):
            fusion_nb.Panel(PROMPT, pool="demo", **{name: print})
    with pytest.raises(UserError, match=r"Panel\(\), rejudge\(\)"):
        fusion_nb.fuse(PROMPT, pool="demo", functions=[print])  # type: ignore[call-arg]
    with pytest.raises(UserError, match=r"fusion_nb\.models\(\)"):
        fusion_nb.fuse(PROMPT, pool="no such model")
    with pytest.raises(UserError, match=r"fusion_nb\.runs\(\)"):
        fusion_nb.load("no such run")


def test_a_panel_says_what_a_judge_is() -> None:
    panel = fusion_nb.Panel(result=fusion_nb.fuse(PROMPT, pool="demo"))
    with pytest.raises(UserError, match="The judge is a model"):
        panel.rejudge(5)  # type: ignore[arg-type]
    assert not panel.busy
    panel.close()


def test_what_was_spent_is_a_sentence_wherever_it_is_shown() -> None:
    """`spending()` as the last line of a cell says what its `str()` says."""
    assert repr(fusion_nb.spending()) == f"<Spending: {fusion_nb.spending()}>"


@pytest.mark.parametrize("name", ["max_cots", "max_cost_day", "Max_cost", "pools"])
def test_a_default_with_a_slip_in_its_name_is_refused(name: str) -> None:
    """A cap that nobody holds to would be worse than none."""
    with pytest.raises(fusion_nb.UserError, match=r"Unknown default .* Did you mean (max_cost|pool)"):
        setattr(fusion_nb.defaults, name, 0.01)


@pytest.mark.parametrize("row", [5, "http://127.0.0.1:1", None, ["a"]])
def test_a_service_that_is_no_dictionary_is_refused_when_it_is_set(row: Any) -> None:
    with pytest.raises(TraitError, match="corp must be a dictionary"):
        fusion_nb.defaults.services = {"corp": row}
