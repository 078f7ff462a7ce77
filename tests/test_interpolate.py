"""What `{name}` in a prompt does, and what it leaves alone."""

from types import SimpleNamespace

import pandas as pd
import pytest

from fusion_nb.magic.interpolation import interpolate

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
    assert interpolate(prompt, NAMES) == sent


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
    assert interpolate(text, NAMES) == text


def test_values_are_not_expanded_again() -> None:
    """A value that itself holds a field is data: it cannot reach other variables."""
    assert interpolate("{trap}", NAMES) == "{topic}"


def test_a_property_that_raises_leaves_the_text() -> None:
    """Looking a name up never breaks the cell."""

    class Angry:
        @property
        def mood(self) -> str:
            raise RuntimeError("no")

    assert interpolate("{angry.mood}", {"angry": Angry()}) == "{angry.mood}"


def test_a_table_is_sent_whole() -> None:
    """A DataFrame goes out with all its rows, not with the dots of its repr."""
    table = pd.DataFrame({"a": range(200)})
    assert "199" in interpolate("{table}", {"table": table})
    assert "..." not in interpolate("{table}", {"table": table})
