"""Citations of a fused answer: taken out of the text, kept as the passages they speak of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core.citations import read_citations

LABELS = {"K7": 1, "Q2": 2, "M3": 3}


def passages(text: str) -> list[tuple[str, tuple[int, ...]]]:
    clean, citations = read_citations(text, LABELS)
    return [(clean[c.start : c.end], c.calls) for c in citations]


@pytest.mark.parametrize(
    ("text", "clean", "cited"),
    [
        ("Paris [K7].", "Paris.", [("Paris", (1,))]),
        ("One. [K7] Two. [Q2, M3]", "One. Two.", [("One.", (1,)), (" Two.", (2, 3))]),
        ("One [K7; Q2], two [M3 & K7] and three [Q2, and M3].", "One, two and three.", None),
        ("- a [K7]\n- b [Q2]", "- a\n- b", [("- a", (1,)), ("- b", (2,))]),
        ("Not cited.\nCited. [K7]", "Not cited.\nCited.", [("Cited.", (1,))]),
        ("Twice. [K7][Q2]", "Twice.", [("Twice.", (1, 2))]),
        ("Twice. [K7] [K7]", "Twice.", [("Twice.", (1,))]),
        ("[Candidate K7] said so [candidates Q2, M3].", " said so.", [(" said so", (2, 3))]),
        ("Known and not. [K7, Z9]", "Known and not.", [("Known and not.", (1,))]),
        ("A list x[0], [A1], [Z9] and [link](u).", "A list x[0], [A1], [Z9] and [link](u).", []),
        ("A link [K7](http://a.b) stays.", "A link [K7](http://a.b) stays.", []),
        ("セーヌ川[K7]。", "セーヌ川。", [("セーヌ川", (1,))]),
        ("", "", []),
    ],
)
def test_marks_go_and_passages_are_kept(text: str, clean: str, cited: list[tuple[str, tuple[int, ...]]] | None) -> None:
    """What a person reads has no marks in it; which calls a passage came from is on record."""
    assert read_citations(text, LABELS)[0] == clean
    if cited is not None:
        assert passages(text) == cited


def test_a_mark_on_a_line_of_its_own_speaks_of_the_paragraph_above() -> None:
    """After a list or a block of code, a judge can only cite on the next line."""
    text = "First.\n\n- a\n- b\n[K7]\n\n```\ncode\n```\n\n[Q2, M3]\n\nLast."
    assert passages(text) == [("- a\n- b", (1,)), ("```\ncode\n```", (2, 3))]
    assert passages("Only this.\n[K7]") == [("Only this.", (1,))]
    assert passages("Cited. [Q2]\n[K7]") == [("Cited.", (2, 1))]
    assert passages("[K7] first") == []


TEXTS = st.lists(
    st.sampled_from([" ", "\n", ".", "word", "[K7]", "[Q2, M3]", "[Z9]", "[", "]", "\n\n", "K7"]) | st.text(max_size=3)
).map("".join)


@given(TEXTS)
def test_citations_are_passages_of_the_clean_text(text: str) -> None:
    """Ends lie in the text, in order, never overlapping; nothing but marks is taken away."""
    clean, citations = read_citations(text, LABELS)
    end = 0
    for citation in citations:
        assert end <= citation.start < citation.end <= len(clean)
        assert clean[citation.start : citation.end].strip()
        assert citation.calls
        assert len(set(citation.calls)) == len(citation.calls)
        end = citation.end
    kept = re.sub(r"[ \t]?\[(K7|Q2, M3)\](?!\()", "", text)
    assert clean == kept or "[" in kept


def test_a_long_answer_is_read_in_one_pass() -> None:
    """Length does not explode: a line of 200,000 characters with a citation at its end is read like any other."""
    text = "word " * 40_000 + "[K7]"
    assert passages(text) == [(("word " * 40_000)[:-1], (1,))]
