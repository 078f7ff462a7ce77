"""How the line of a magic is taken apart."""

import pytest

from fusion_nb.errors import UnknownName, UserError
from fusion_nb.magic.line import ParsedLine, keep_question, parse_line

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


def test_options_may_follow_the_prompt() -> None:
    """`%fuse What is 6*7? --pool a -q` reads as well as the other way round."""
    assert parse_line("What is 6*7? --pool a -q", VALUED, FLAGS) == ParsedLine(None, ["--pool=a", "-q"], "What is 6*7?")


def test_an_unknown_option_offers_the_nearest() -> None:
    """A slip of the finger costs one look, not a search in the manual."""
    with pytest.raises(UnknownName, match="--pool"):
        parse_line("--poool a", VALUED, FLAGS)


def test_an_option_without_its_value_says_so() -> None:
    """A value that was forgotten is named."""
    with pytest.raises(UserError, match="--pool needs a value"):
        parse_line("--pool", VALUED, FLAGS)


@pytest.mark.parametrize(
    ("line", "magic", "prompt"),
    [
        ("%fuse Why is the sky blue?\n", "fuse", "Why is the sky blue?"),
        ("df = %fuse -q Is it?", "fuse", "-q Is it?"),
        ("panel = %fuse_panel --pool demo Why?\n", "fuse_panel", "--pool demo Why?"),
    ],
)
def test_a_question_is_asked(line: str, magic: str, prompt: str) -> None:
    """A prompt that ends in `?` goes to the models; IPython would look for help on its last word."""
    kept = "".join(keep_question([line]))
    assert kept.endswith(f"get_ipython().run_line_magic({magic!r}, {prompt!r})\n")
    assert kept.split("get_ipython")[0] == line.split("%", maxsplit=1)[0]


@pytest.mark.parametrize("line", ["%fuse?\n", "%%fuse?\n", "%fuse_panel??\n", "df?\n", "x = y?\n"])
def test_help_is_still_help(line: str) -> None:
    """`%fuse?` with nothing before the mark is the manual."""
    assert keep_question([line]) == [line]


def test_a_question_mark_alone_is_a_call_for_help() -> None:
    """`%fuse ?` costs nothing: it is the manual, as `%fuse?` is."""
    assert parse_line("?", VALUED, FLAGS) == ParsedLine(None, ["--help"], "")
    assert parse_line("--pool a ??", VALUED, FLAGS) == ParsedLine(None, ["--pool=a", "--help"], "")


def test_a_semicolon_at_the_end_is_no_part_of_a_value() -> None:
    """`%fuse --add name;` silences the cell, as anywhere in IPython; inside a value and in quotes it stays."""
    assert parse_line("--pool a;b --mode merge;", VALUED, FLAGS).options == ["--pool=a;b", "--mode=merge"]
    assert parse_line("Why? --pool=a;", VALUED, FLAGS) == ParsedLine(None, ["--pool=a"], "Why?")
    assert parse_line("--system 'be brief;'", VALUED, FLAGS).options == ["--system=be brief;"]


@pytest.mark.parametrize("text", ["--pool --mode merge", "--mode -q", '--system "be brief --pool a', "--system 'brief"])
def test_a_value_that_is_none_is_refused(text: str) -> None:
    """An option in the place of a value, and a quotation mark that is not closed, are said before anything is paid."""
    with pytest.raises(UserError, match=r"needs a value|not closed"):
        parse_line(text, VALUED, FLAGS)
