"""What `{name}` in a prompt does, and what it leaves alone."""

import re
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from fusion_nb.errors import UserError
from fusion_nb.magic.interpolation import MOST, fill_option, interpolate

NAMES = {
    "topic": "tides",
    "n": 3,
    "row": {"city": "Kyoto", "a": 1},
    "items": ["first", "second"],
    "point": SimpleNamespace(x=SimpleNamespace(y=7)),
    "trap": "{topic}",
}


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("Explain {topic} in {n} lines.", "Explain tides in 3 lines."),
        ("{row['city']} {row[\"city\"]} {items[1]} {items[-1]}", "Kyoto Kyoto second second"),
        ("{point.x.y}", "7"),
    ],
)
def test_names_that_resolve_become_their_values(prompt: str, sent: str) -> None:
    """A bare, dotted or indexed name of the notebook stands for its value."""
    assert interpolate(prompt, NAMES).text == sent


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Kyoto", "n": 1}',
        r"\frac{1}{2} and \textbf{topics}",
        "{missing} {row['nope']} {items[9]} {point.z}",
        "{{topic}} and {{ topic }} of a template",
        "{topic!r} {n:.2f} {topic.upper()} {n + 1} {} { topic }",
        "f'{row[city]}'",
        "set(){topic",
    ],
)
def test_every_other_brace_is_text(text: str) -> None:
    """JSON, LaTeX, templates, format specs, calls and names that do not resolve are sent as written."""
    assert interpolate(text, NAMES).text == text


def test_values_are_not_expanded_again() -> None:
    """A value that itself holds a field is data: it cannot reach other variables."""
    assert interpolate("{trap}", NAMES).text == "{topic}"


def test_a_property_that_raises_leaves_the_text() -> None:
    """Looking a name up never breaks the cell."""

    class Angry:
        @property
        def mood(self) -> str:
            raise RuntimeError("no")

    assert interpolate("{angry.mood}", {"angry": Angry()}).text == "{angry.mood}"


def test_a_long_prompt_is_read_in_time_that_grows_with_it() -> None:
    """Ten thousand lines of code, lists and fields: the second half costs what the first did."""

    def seconds(lines: int) -> float:
        text = "Look:\n\n" + "    a = {topic} ` $\n" * lines + "- {topic} <b>\n\n      {n}\n" * lines
        began = time.process_time()
        interpolate(text, NAMES)
        return time.process_time() - began

    seconds(10)
    assert seconds(4000) < 12 * seconds(1000) + 0.2


def test_a_table_is_sent_whole() -> None:
    """A DataFrame goes out with all its rows, not with the dots of its repr."""
    table = pd.DataFrame({"a": range(100)})
    assert "99" in interpolate("{table}", {"table": table}).text
    assert "..." not in interpolate("{table}", {"table": table}).text


LITERAL = [
    r"$\frac{n}{topic}$ and $e^{n}$", r"\frac{n}{topic} outside of dollars", r"\sum_{n}^{topic} x", "x_{n} and e^{n}",
    r"\begin{cases}{n}\end{cases}", r"\[ {n} + 1 \]", "$$\n{n}\n$$", "`{topic}` in a span", "``a ` {topic}``",
    "```python\nprint(f'{topic}')\n```", "~~~\n{topic}\n~~~", "```\n{topic} in a fence that never ends",
    'print(f"{topic}")', "f'''\n{topic}\n'''", "rf'{topic}\\d'", 't"{topic}"', 'Rt"{topic}"', "echo ${topic}", r"\text{topic}",
    # Indented code: behind a blank line or a heading, at the beginning, by spaces or a tab, in a list, in a quotation.
    "Look:\n\n    print({topic})\n\n    return {n}\n", "Look:\n\n\treturn {topic}", "    {topic}\n\nWhat is it?", "# Code\n    {n}",
    "- point\n\n      code {topic}", "1. point\n\n       code {topic}", "- point\n\nText.\n\n    {topic}", "> Look:\n>\n>     {topic}",
    "  All of it stands right.\n\n      {topic}\n", "Look:\n\n    a = `{n}\n    b = {topic}$", "Look:\n\n    ```\n    {topic}",
    # Fences in lists and quotations.
    "- point\n\n  ~~~\n  {topic}\n\n  {n}\n  ~~~", "- ```\n  {topic}\n\n  {n}\n  ```", "> ~~~\n> {topic}\n> ~~~", "text\n    ```\n    {n}\n    ```",
    # What HTML sets as code, or reads as such.
    "<pre>{topic}</pre>", "<code>{topic}</code>", "<PRE class='x'>\n{topic}\n\n{n}\n</Pre>", "<pre><code>{n}</code>{topic}</pre>",
    "<style>p {topic}</style>", "<script>\nif (a) {n}\n</script>", "<math><mi>{n}</mi></math>", "<samp>{topic}</samp>",
    # LaTeX, to which blanks before an argument are nothing.
    r"\textbf {topic}", r"\sqrt {n}", r"\sqrt [3] {n}", r"\begin{tabular} {topic}", r"\begin {tabular} {topic}", r"\frac {n} {topic}",
    r"\frac{n} {topic}", "\\emph\t{topic}", r"\sum_{n} ^{topic}", r"\sum_ {n} ^ {topic}", r"x_ {n}", r"\newcommand {topic} [1] {n}",
    "\\begin {cases}\n{n}\n\\end {cases}", r"\section* {topic}", r"f: \mathbb {topic} \to \mathbb {n}",
]  # fmt: skip


@pytest.mark.parametrize("text", LITERAL)
def test_code_and_formulas_arrive_as_written(text: str) -> None:
    """A name that happens to be a variable of the notebook is no reason to change somebody's formula or code."""
    filled = interpolate(text, NAMES)
    assert filled.text == text
    assert filled.filled == ()


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("{topic}{n}", "tides3"), ("report_{topic}.csv", "report_tides.csv"), ("It costs $5, {topic}", "It costs $5, tides"),
        ("a `span` then {topic}", "a `span` then tides"), ("$x$ and {topic} and $y$", "$x$ and tides and $y$"),
        ("```\ncode\n```\n{topic}", "```\ncode\n```\ntides"), ("From $5 to $6: {n}", "From $5 to $6: 3"),
        ("half of {n}", "half of 3"), ("Schrödinger's {topic}", "Schrödinger's tides"), ("it's {topic}, isn't it", "it's tides, isn't it"),
        ("Dear {topic}", "Dear tides"), ("Dear\n    {topic}", "Dear\n    tides"),
        ("- a\n    - {topic}\n        - {n}", "- a\n    - tides\n        - 3"), ("* a\n\n    * {topic}", "* a\n\n    * tides"),
        ("- a\n\n        - {topic}", "- a\n\n        - tides"), ("1. a\n\n    more of {topic}", "1. a\n\n    more of tides"),
        ("- a\n\n\tmore of {topic}", "- a\n\n\tmore of tides"), ("1. a\n    {topic}\n2. {n}", "1. a\n    tides\n2. 3"),
        ("    About {topic}\n\n    in {n} lines\n", "    About tides\n\n    in 3 lines\n"), ("\t{topic}", "\ttides"),
        ("    {topic}", "    tides"), ("> About {topic}\n> in {n}", "> About tides\n> in 3"), ("a\n\n   {topic}", "a\n\n   tides"),
        ("Look:\n\n    code\n\nNow {topic}", "Look:\n\n    code\n\nNow tides"), ("- a\n\nNow\n   {topic}", "- a\n\nNow\n   tides"),
        ("Look:\n\n    a ` b\n\n{topic} ` {n}", "Look:\n\n    a ` b\n\ntides ` 3"), ("```x``` is {topic}", "```x``` is tides"),
        ("What is <pre> in {topic}?", "What is <pre> in tides?"), ("`<code>`, {topic}, `</code>`", "`<code>`, tides, `</code>`"),
        ("<b>{topic}</b> <preface>{n}</preface>", "<b>tides</b> <preface>3</preface>"), ("a <pre>x</pre> {topic}", "a <pre>x</pre> tides"),
        (r"\textbf{Dear} {topic}", r"\textbf{Dear} tides"), (r"\emph {very} {topic}", r"\emph {very} tides"), (r"a \\ {topic}", r"a \\ tides"),
        (r"Look in C:\Users {topic}", r"Look in C:\Users tides"), (r"join with \n {topic}", r"join with \n tides"),
        (r"D:\data\new {topic}", r"D:\data\new tides"), ("I know a _{topic}_", "I know a _tides_"), ("a * {topic}", "a * tides"),
    ],
)  # fmt: skip
def test_what_stands_beside_code_or_money_is_filled_in(text: str, sent: str) -> None:
    """The opposite danger: a lone sign, or code elsewhere in the prompt, keeps no variable out."""
    assert interpolate(text, NAMES).text == sent


def test_what_was_left_standing_is_said_and_can_be_filled_in() -> None:
    """A field in code that resolves is named with the remedy, and the remedy works."""
    filled = interpolate("```\n{topic}\n```\n{n}", NAMES)
    assert filled.left == ("{topic}",)
    assert "Filled in: {n} (1 character)." in filled.note
    assert "{name!full}" in filled.note
    assert interpolate("```\n{topic!full}\n```", NAMES).text == "```\ntides\n```"
    assert interpolate("{missing} `x`", NAMES).note == ""


def test_a_text_is_filled_in_whole_and_a_large_object_only_when_it_is_meant() -> None:
    """A table somebody mentions does not go to every vendor unasked; a text always arrives whole."""
    table = pd.DataFrame({"a": range(1000)})
    names = {"table": table, "text": "x" * 10 * MOST, "items": list(range(10_000)), "small": [1, 2]}
    for field in ("table", "items"):
        with pytest.raises(UserError, match=rf"{field}!full.*to send it whole"):
            interpolate(f"Look: {{{field}}}", names)
        assert "999" in interpolate(f"Look: {{{field}!full}}", names).text
    assert interpolate("{text}", names).text == names["text"]
    assert interpolate("{small}", names).text == "[1, 2]"
    assert interpolate("{text}", names).filled == (("{text}", 10 * MOST),)


@pytest.mark.parametrize("value", [len, dict, re, interpolate, lambda: 1])
def test_functions_classes_and_modules_are_no_part_of_a_prompt(value: object) -> None:
    """Braces around such a name are somebody's code."""
    assert interpolate("{thing}", {"thing": value}).text == "{thing}"


def test_an_options_value_may_be_a_variable() -> None:
    """The object itself where the value is one field; a part of a text is filled in; a name nobody knows is said."""
    members = ["demo:swift", len]
    assert fill_option("--pool", "{members}", {"members": members}) is members
    assert fill_option("--pool", "demo:{which},claude", {"which": "swift"}) == "demo:swift,claude"
    assert fill_option("--seed", "{row['n']}", {"row": {"n": 7}}) == 7
    for value in ("{nobody}", "claude,{nobody}"):
        with pytest.raises(UserError, match=r"--pool.*nobody"):
            fill_option("--pool", value, {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{n:.2f} of {topic!r}", ("{n:.2f}", "{topic!r}")),
        ("{n+1}, {n + 1}, {topic.upper()}, {n=}", ("{n+1}", "{n + 1}", "{topic.upper()}", "{n=}")),
        ("{row['nope']} and {len(topic)}", ("{row['nope']}", "{len(topic)}")),
        ("{topic} {topic!full} {n}", ()),
        ("{missing:.2f} {missing + 1} {missing!r}", ()),
        ('{n: 1} {"n": 1} { n + 1 } {{n + 1}} {n, topic} {n;}', ()),
        ("`{n + 1}`, $x^{n+1}$, x^{n-1}, \\\\frac{n+1}{2} and ${n+1}", ()),
    ],
)
def test_what_is_not_computed_is_told(text: str, told: tuple[str, ...]) -> None:
    """Braces of an f-string with a variable of the notebook are sent as text: the line of what was filled in says so."""
    done = interpolate(text, NAMES)
    assert done.computed == told
    assert ("give the value a name" in done.note) is bool(told)
    assert all(braces in done.text for braces in told)
