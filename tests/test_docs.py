"""What docs/architecture.md says of the code is so."""

import re
from pathlib import Path

import fusion_nb

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "fusion_nb"


def test_the_files_it_names_are_there() -> None:
    """Whoever is told to open a file finds it."""
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|ts))`", text))
    missing = [name for name in named if not any((place / name).exists() for place in (PACKAGE, ROOT))]
    assert len(named) > 25
    assert missing == []


def test_its_words_are_few_and_each_stands_once() -> None:
    """A glossary of at most forty rows: one word, one thing."""
    table = PAGE.read_text(encoding="utf-8").partition("## Words")[2].partition("\n## ")[0]
    words = [word.strip() for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:] for word in row.split(",")]
    assert len(words) == len(set(words))
    assert len(words) < 60
    assert len(re.findall(r"^\| ", table, re.MULTILINE)) <= 41


# Words of the old code that said nothing to a stranger; each has a standard term now.
PRIVATE = {"begun", "reach", "shelf", "purse", "doors", "following", "picking", "kept", "arrived", "behind", "past"}
PRIVATE |= {
    "ahead",
    "outlook",
    "glance",
    "wish",
    "cast",
    "desk",
    "ways",
    "rooms",
    "kin",
    "waits",
    "plain",
    "held",
    "said",
}


def test_no_module_or_public_name_is_a_private_word() -> None:
    """Names are the field's: a stranger finds the file for a change by its name."""
    modules = {part for path in PACKAGE.rglob("*.py") for part in path.stem.split("_")}
    assert not modules & PRIVATE
    assert not {part for name in fusion_nb.__all__ for part in name.lower().split("_")} & PRIVATE
