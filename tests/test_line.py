"""How the line of a magic is taken apart."""

import re

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from fusion_nb.errors import UnknownName, UserError
from fusion_nb.magic.line_parser import KeepQuestion, ParsedLine, parse_line

VALUED = ("--pool", "-p", "--mode", "--system", "--temperature")
FLAGS = ("--quiet", "-q", "--raw")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ParsedLine(None, [], "")),
        ("--pool a,b --mode merge", ParsedLine(None, ["--pool=a,b", "--mode=merge"], "")),
        ("--pool=a,b -q", ParsedLine(None, ["--pool=a,b", "-q"], "")),
        ("df << --pool a", ParsedLine("df", ["--pool=a"], "")),
        ("--system \"You're terse\" -p 'a b'", ParsedLine(None, ["--system=You're terse", "-pa b"], "")),
        (r'--system "say \"hi\""', ParsedLine(None, ['--system=say "hi"'], "")),
        ("--temperature -0.5", ParsedLine(None, ["--temperature=-0.5"], "")),
    ],
)
def test_options(text: str, line: ParsedLine) -> None:
    """Options with values, flags, quotes and `name <<` are read as a person means them."""
    assert parse_line(text, VALUED, FLAGS) == line


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("-q What's 2 < 3, and isn't it?", "What's 2 < 3, and isn't it?"),
        ('--pool a Is "this" fine -- or not?', 'Is "this" fine -- or not?'),
        ("Explain git commit --amend please", "Explain git commit --amend please"),
        ("Is x << y a shift?", "Is x << y a shift?"),
    ],
)
def test_the_prompt_of_a_line_is_not_shell_text(text: str, rest: str) -> None:
    """Apostrophes, quotes and dashes of a prompt are left as they are."""
    assert parse_line(text, VALUED, FLAGS).rest == rest


@pytest.mark.parametrize(
    "prompt",
    [
        "What does this do: ls -q", "sort -k 2 -t , file", "What is the -o option", "Tell me about curl -s ADDRESS -o file",
        "What is git log --oneline", "Why -- and how?", "Is -p a flag of mkdir -p", "ps -ef | grep -m 1 x",
    ],
)  # fmt: skip
def test_a_prompt_arrives_whole_and_changes_no_option(prompt: str) -> None:
    """What looks like an option inside of a question is part of the question."""
    assert parse_line(f"-q {prompt}", VALUED, FLAGS) == ParsedLine(None, ["-q"], prompt)


@pytest.mark.parametrize(
    "text", ["What is 6*7? --pool a -q", "Why? --quiet", "Why? --raw --pool=a", "Is it --system 'x y'"]
)
def test_an_option_behind_the_prompt_is_refused_unsent(text: str) -> None:
    """It was meant as an option, and would be sent as text: one sentence with the remedy, which works."""
    with pytest.raises(UserError, match="put it before the prompt"):
        parse_line(text, VALUED, FLAGS)
    assert parse_line(f"-- {text}", VALUED, FLAGS) == ParsedLine(None, [], text)


@pytest.mark.parametrize("dash", ["\u2013", "\u2014", "\u2212", "\u2014\u2014", "\u2015 "])
def test_a_long_dash_is_no_hyphen(dash: str) -> None:
    """An editor that turns -- into a dash sends nobody a question that was meant for another pool."""
    with pytest.raises(UserError, match="write --pool"):
        parse_line(f"{dash}pool a Why?", VALUED, FLAGS)
    assert parse_line(f"{dash}poolside reading?", VALUED, FLAGS).rest == f"{dash}poolside reading?"


def test_an_unknown_option_offers_the_nearest() -> None:
    """A slip of the finger costs one look, not a search in the manual."""
    with pytest.raises(UnknownName, match="--pool"):
        parse_line("--poool a", VALUED, FLAGS)


def test_an_option_without_its_value_says_so() -> None:
    """A value that was forgotten is named."""
    with pytest.raises(UserError, match="--pool needs a value"):
        parse_line("--pool", VALUED, FLAGS)


def transformed(cell: str) -> str:
    manager = TransformerManager()
    manager.token_transformers.insert(0, KeepQuestion)
    return str(manager.transform_cell(cell))


@pytest.mark.parametrize(
    ("line", "magic", "prompt"),
    [
        ("%fuse Why is the sky blue?\n", "fuse", "Why is the sky blue?"),
        ("df = %fuse -q Is it?\n", "fuse", "-q Is it?"),
        ("panel = %fuse_panel --pool demo Why?\n", "fuse_panel", "--pool demo Why?"),
        ("for x in y:\n    %fuse What's {x}?\n", "fuse", "What's {x}?"),
        ('%fuse Is "this" (or [that]) fine?\n', "fuse", 'Is "this" (or [that]) fine?'),
    ],
)
def test_a_question_is_asked(line: str, magic: str, prompt: str) -> None:
    """A prompt that ends in `?` goes to the models; IPython would look for help on its last word."""
    assert f"get_ipython().run_line_magic({magic!r}, {prompt!r})" in transformed(line)


@pytest.mark.parametrize("line", ["%fuse?\n", "%%fuse?\n", "%fuse_panel??\n", "df?\n"])
def test_help_is_still_help(line: str) -> None:
    """`%fuse?` with nothing before the mark is the manual."""
    assert "pinfo" in transformed(line)


@pytest.mark.parametrize(
    "cell",
    ['doc = """\n%fuse Why is the sky blue?\n"""\n', "x = '''a\n%fuse Why?\nb'''\n", "y = 7 % fuse\n# %fuse Why?\n"],
)
def test_a_line_inside_of_a_string_is_a_string(cell: str) -> None:
    """Text that only quotes the magic is not rewritten."""
    assert transformed(cell) == cell


def test_a_question_mark_alone_is_a_call_for_help() -> None:
    """`%fuse ?` costs nothing: it is the manual, as `%fuse?` is."""
    assert parse_line("?", VALUED, FLAGS) == ParsedLine(None, ["--help"], "")
    assert parse_line("--pool a ??", VALUED, FLAGS) == ParsedLine(None, ["--pool=a", "--help"], "")


def test_a_semicolon_at_the_end_is_no_part_of_a_value() -> None:
    """`%fuse --add name;` silences the cell, as anywhere in IPython; inside a value and in quotes it stays."""
    assert parse_line("--pool a;b --mode merge;", VALUED, FLAGS).options == ["--pool=a;b", "--mode=merge"]
    assert parse_line("--quiet;", VALUED, FLAGS) == ParsedLine(None, ["--quiet"], "")
    assert parse_line("--system 'be brief;'", VALUED, FLAGS).options == ["--system=be brief;"]


@pytest.mark.parametrize("text", ["--pool --mode merge", "--mode -q", '--system "be brief --pool a', "--system 'brief"])
def test_a_value_that_is_none_is_refused(text: str) -> None:
    """An option in the place of a value, and a quotation mark that is not closed, are said before anything is paid."""
    with pytest.raises(UserError, match=r"needs a value|not closed"):
        parse_line(text, VALUED, FLAGS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("--pool a --pool b Why?", "--pool stands twice: give it once, several by comma"),
        ("--pool a -p b", "-p stands twice: give it once, several by comma"),
        ("-p a --pool=a", "--pool stands twice"),
        ("--mode merge -q --mode merge", r"--mode stands twice: give it once\."),
    ],
)
def test_a_value_given_twice_is_refused(text: str, says: str) -> None:
    """Of two pools the last would be asked and paid, and nobody would know of the first; the short name is the same."""
    with pytest.raises(UserError, match=says):
        parse_line(text, VALUED, FLAGS)


def test_a_switch_given_twice_is_harmless() -> None:
    """It says the same thing twice."""
    assert parse_line("-q --quiet -q Why?", VALUED, FLAGS).rest == "Why?"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2bad << --pool y", "'2bad' is no name of a variable"),
        ("2bad <<", "'2bad' is no name of a variable"),
        ("a.b << --pool y --raw", "'a.b' is no name of a variable"),
        ("x[0]<< -p y", "is no name of a variable"),
        ("--pool reviews lab2 << --mode y", "lab2 << comes first on the line"),
        ("-q lab2 <<", "lab2 << comes first on the line"),
    ],
)
def test_a_name_that_cannot_be_bound_is_told_as_one(text: str, says: str) -> None:
    """It is not taken for a prompt whose options stand behind it."""
    with pytest.raises(UserError, match=re.escape(says)):
        parse_line(text, VALUED, FLAGS)


def test_a_name_in_any_alphabet_is_bound() -> None:
    """What Python takes as a name is one."""
    assert parse_line("größe << --pool a", VALUED, FLAGS) == ParsedLine("größe", ["--pool=a"], "")
    assert parse_line("2 << 3 is what?", VALUED, FLAGS).rest == "2 << 3 is what?"
