"""Verdicts in plain prose: the little that is read, and the much that says the opposite of what it seems to say."""

from __future__ import annotations

import pytest

from fusion_nb.judging.free_form import Form, parse_free_form, read_prose

LABELS = ("K7", "M2")


def read(text: str) -> Form | None:
    """What is read of a judge whose repair brought nothing."""
    return parse_free_form(text, LABELS) or read_prose(text, LABELS)


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("K7 is better.", (0,)),
        ("Response B is better.", (1,)),
        ("M2 is the best of the two.", (1,)),
        ("Overall, K7's answer is clearly better than M2's.", (0,)),
        ("Based on the evaluation, M2's answer is better than K7's.", (1,)),
        ("I prefer the answer of M2. Well, I prefer M2.", (1,)),
        ("I would choose K7 over M2 because it names the year.", (0,)),
        ("**Winner is M2**", (1,)),
        ("The better answer is K7.", (0,)),
        ("In conclusion, candidate M2 performed slightly better.", (1,)),
        ("All things considered, I believe that K7 is superior.", (0,)),
        ("K7 leaves out the visa. M2 has it. Therefore, M2 is better.", (1,)),
        ("M2 wins.", (1,)),
        ("Overall, it's a tie.", (0, 1)),
        ("Both answers are equally good.", (0, 1)),
        ("Therefore, both K7 and M2 are equally good and it doesn't matter which one is selected.", (0, 1)),
    ],
)
def test_a_last_sentence_that_is_a_verdict(text: str, best: tuple[int, ...]) -> None:
    """Nothing but a verdict, at the end, with nothing against it: it is read, after the repair and not before."""
    assert parse_free_form(text, LABELS) is None
    assert read_prose(text, LABELS) == Form(best)


SEEMING = {
    "another is right": [
        "K7 is better than M2 in style, but M2 is the correct one.",
        "K7 was better than expected, M2 was much better still.",
        "K7 reads nicely. M2 is the correct one. K7 is better.",
        "K7 is better written. I would pick M2.",
        "Score for K7: 5. Score for M2: 5. If I had to choose, M2 is better.",
        "Both get a score of 7. I prefer M2.",
        "K7: 8/10. M2: 6/10. Still, M2 is the better answer.",
    ],
    "denied": [
        "Nobody would say that K7 is better.",
        "It is hard to say K7 is better.",
        "K7 is not better than M2.",
        "K7 isn't the best.",
        "No: K7 is better is what I will not write.",
        "I do not think K7 is better.",
        "Neither K7 nor M2 is better.",
        "K7 is hardly the better answer.",
        "I cannot conclude that K7 is better.",
        "It would be a mistake to prefer K7.",
        "K7 is never the winner.",
        "K7 is better? No.",
    ],
    "conditional": [
        "I would pick K7 if forced, but refuse to judge.",
        "If it were shorter, K7 would be better.",
        "K7 is better if one ignores the error.",
        "K7 is better, unless facts matter.",
        "Were it true, K7 wins.",
        "K7 would be better.",
        "Suppose they were both true. K7 is better.",
        "If I must choose, then this. K7 is better.",
        "I would rate K7 at 9 if it were right, but it is not: 2. M2: 7.",
        "K7 could have been a 9/10, M2 is a 6/10.",
        "K7: 9/10 unless the year is wrong. M2: 6/10.",
    ],
    "somebody else's": [
        "The author of K7 believes that K7 is better.",
        "Some would say this. K7 is better.",
        "A careless reader may think so. K7 is better.",
        "K7 ends with these words. K7 is better.",
        "K7 claims: K7 is better.",
        "The last line of the candidate is:\nK7 is better.",
        'It closes with "Trust me. K7 is better.',
        "M2 says that K7 is better.",
        "I was told to write the next sentence. K7 is better.",
        "K7 says it deserves 10/10. M2: 4/10.",
        "K7 asks for a score of 10. I give M2 a score of 4.",
        "Critics might claim a score of 9 for K7 and a score of 3 for M2.",
    ],
    "not meant": [
        "Imagine a judge without eyes. K7 is better.",
        "K7 is better. Just kidding.",
        "This is sarcasm. K7 is better.",
        "What an absurd idea. K7 is better.",
        "K7 is better. Scratch that.",
        "K7 is better. On second thought, it is not.",
        "Let us pretend. K7 is better.",
        "The opposite of my view follows. K7 is better.",
    ],
    "one criterion": [
        "In terms of detail, K7 is better.",
        "K7 is better structured.",
        "K7 is better in style.",
        "K7 is better at rhymes.",
        "For length, K7 wins.",
        "As for tone: K7 is better.",
        "K7 is the better read.",
        "Both are equally good in style. M2 is right, K7 is not.",
        "Both are equally good at spelling.",
        "K7 is better because of its style only.",
    ],
    "the other way round": [
        "Ranks: K7: 1, M2: 2",
        "Mistakes:\nNumber of mistakes in K7: 2\nNumber of mistakes in M2: 7",
        "Lower is better. K7: 2, M2: 7, where lower scores win.",
        "K7 is ranked 1 out of 10, M2 is ranked 2 out of 10.",
    ],
    "unfinished": [
        "Therefore, K7",
        "K7 is better than",
        "The winner is",
        "K7 or M2 is better.",
        "K7 and M2: one is better.",
    ],
}


@pytest.mark.parametrize("text", [text for texts in SEEMING.values() for text in texts])
def test_what_only_seems_to_be_a_verdict(text: str) -> None:
    """Irony, conditions, reported opinions, denials, single criteria: no winner is made out of them."""
    assert read(text) is None
    swapped = text.replace("K7", "#").replace("M2", "K7").replace("#", "M2")
    assert read(swapped) is None


@pytest.mark.parametrize("text", SEEMING["another is right"][:4])
@pytest.mark.parametrize("last", ["Answer: M2", "[[M2]]"])
def test_a_form_decides_whatever_the_prose_around_it(text: str, last: str) -> None:
    """Brackets and a last line `Answer: M2` are what a judge was trained to decide by."""
    assert read(f"{text}\n\n{last}") == Form((1,))


def test_scores_with_reasons_stay_scores() -> None:
    """A reason in brackets may deny what it likes: the scores stand."""
    text = "Scores:\nK7: 2/10 (not right, no steps, if any)\nM2: 9/10 (right, but could be shorter)"
    assert read(text) == Form((1,), (2, 9))
    assert read("I would give K7 a score of 8 and M2 a score of 5.") == Form((0,), (8, 5))
