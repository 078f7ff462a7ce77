"""Thoughts are never an answer, whatever marks them; what only looks like one stays text."""

import pytest

from fusion_nb.core.default_ignorable import is_blank
from fusion_nb.providers.inline_thoughts import THOUGHT_ENDED, ThoughtFilter, requested_tags
from tests.test_wire import Decoded, stream
from tests.wire_server import delta, finish

ANSWER = "Water boils at 100 °C at sea level."
SIZES = (1, 2, 3, 5, 11, 10_000)


def parted(text: str, size: int, tags: frozenset[str] = frozenset()) -> tuple[str, str]:
    """(answer, thought) of a text that comes in pieces of `size` characters."""
    parts = ThoughtFilter(tags)
    pieces = [piece for at in range(0, len(text), size) for piece in parts.feed(text[at : at + size])]
    answer = thought = ""
    for kind, piece in [*pieces, *parts.close()]:
        if kind == THOUGHT_ENDED:
            answer, thought = "", thought + answer
        elif kind == "reasoning":
            thought += piece
        else:
            answer += piece
    return answer, thought


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("before", [
    "<think>At sea level or on a hill?</think>",
    "<think>\nHmm </b> <b>\n</think>\n\n",
    "\n<Thinking effort='high'>Hmm.</Thinking>\n",
    "<thought>Hmm.</thought>",
    "<thoughts>Hmm.</thoughts>",
    "<reasoning>Hmm.</reasoning>\n",
    "<REASONING_PROCESS>Hmm.</REASONING_PROCESS>",
    "<antThinking>Hmm.</antThinking>",
    "<seed:think>Hmm.</seed:think>",
    "<inner_monologue>Hmm.</inner_monologue>",
    "<scratchpad>Hmm.</scratchpad>\n",
    "<analysis>Hmm.</analysis>\n",
    "<reflection>Hmm.</reflection>",
    "[THINK]Hmm.[/THINK]",
    "[REASONING]\nHmm.\n[/REASONING]\n",
    "◁think▷Hmm.◁/think▷",
    "<|begin_of_thought|>Hmm.<|end_of_thought|>\n",
    "<|begin_of_thought|>Hmm.<|end_of_thought|><|begin_of_solution|>\n",
    "<|START_THINKING|>Hmm.<|END_THINKING|><|START_RESPONSE|>",
    "<|thinking|>Hmm.<|/thinking|>",
    "<unused94>thought\nHmm.<unused95>",
    "<|channel|>analysis<|message|>Hmm.<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>commentary to=x<|message|>Hmm.<|end|><|start|>assistant<|channel|>final <|constrain|>text<|message|>",
    "analysisHmm, the user asks.assistantfinal",
    "<think>One.</think>\n<think>Two.</think>\n",
    "<think></think>",
    "<think/>",
    "<think />\n\n",
    "\u200b<think>Hmm.</think>",
    "\ufeff\u2060\n<think>Hmm.</think>",
    "<|channel>thought\nHmm.<channel|>",
    "<|channel>thought\n<channel|>\n",
    "Hmm, a hill? No.\n<channel|>",
    '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n> Hmm.\n</details>\n',
    "<details>\n<summary>💭 Thinking...</summary>\n\nHmm.\n</details>\n",
    "</think>\n\n",
    "Hmm, a hill?\nNo.\n</think>\n\n",
    "Hmm, a hill? No.</think>",
    "Hmm, a hill? No. </think> ",
    'Draft: {"a": 1}\n</thinking>\n',
    "Hmm.\n[/THINK]\n",
    "Hmm.\n◁/think▷\n",
])  # fmt: skip
def test_a_thought_at_the_beginning_is_no_answer(before: str, size: int) -> None:
    """The answer is what stands behind the thought, however the text is cut; no mark is left in it."""
    answer, thought = parted(before + ANSWER, size)
    assert answer.strip() == ANSWER
    assert ANSWER not in thought


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("after"), ["<|return|>", "<|end|>", "<|end_of_solution|>", "\n<|END_RESPONSE|>\n"])
def test_the_mark_behind_the_answer_is_not_part_of_it(after: str, size: int) -> None:
    """What marks the end of an answer behind a thought is taken off with the thought."""
    assert parted(f"<|begin_of_thought|>Hmm.<|end_of_thought|>{ANSWER}{after}", size)[0].strip() == ANSWER


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", [
    ANSWER,
    f"Models write <think>like this</think> before they answer. {ANSWER}",
    "The mark is </think> and nothing else.",
    "The mark is </think>\n\nIt ends the thought.",
    "Write `</think>` behind it.",
    'Close it with "</think>".',
    "```xml\n<thinking>\nHmm.\n</thinking>\n```\n",
    "```\nHmm.\n</think>\n```\nThat is the form.",
    "<details><summary>Thinking about cats</summary>\nThey purr.\n</details>",
    "<details><summary>Proof</summary>\nHmm.\n</details>\nThat is all.",
    "<details open>\nHmm.\n</details>",
    "<details",
    "<channel> and <|channel> are two",
    "<|channel>thoughtless",
    "First:\n<thinking>\nHmm.\n</thinking>\nThen the answer.",
    "<thinker>is a statue</thinker>",
    "<thoughtful>so it is</thoughtful>",
    "<html><body>think</body></html>",
    "<b>think</b> about it",
    "[THINKPAD] and [THINK",
    "[1, 2, [3]]",
    "[Think](https://example.org) about it",
    "a < b, c <",
    "<",
    "analysis of variance: F = 3",
    "analysis",
    "◁ left, ▷ right",
    " \n ",
    "  indented",
    "<|im_start|>assistant",
    "The word assistantfinal is no mark here.",
    "Ends in <|return|>",
])  # fmt: skip
def test_what_only_looks_like_a_thought_stays_text(text: str, size: int) -> None:
    """Marks in the middle, quoted, in code, or of another name are text, to the character."""
    assert parted(text, size) == (text, "")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("begin", ["<think>", "<reasoning>", "[THINK]", "◁think▷", "<|channel|>analysis<|message|>"])
def test_a_thought_without_an_end_leaves_no_answer(begin: str, size: int) -> None:
    """A reply that was cut inside its thought has no answer, whatever stands in it."""
    assert parted(f"{begin}It may be {ANSWER}", size) == ("", f"It may be {ANSWER}")


def test_a_tag_that_the_prompt_asks_for_is_the_answers() -> None:
    """Who asks for `<analysis>` gets it; `<think>` in a prompt makes no model's thoughts an answer."""
    text = "<analysis>Sound.</analysis><verdict>Yes</verdict>"
    assert parted(text, 4, requested_tags("Answer as <analysis>...</analysis><verdict>...</verdict>.")) == (text, "")
    folded = "<details><summary>Thinking</summary>Hmm.</details>"
    assert parted(folded, 4, requested_tags("Put each step into <details>.")) == (folded, "")
    assert parted(text, 4, requested_tags("Give an analysis."))[0] == "<verdict>Yes</verdict>"
    assert parted(f"<think>Hmm.</think>{ANSWER}", 4, requested_tags("What does <think> mean?"))[0] == ANSWER


def test_thoughts_over_the_wire() -> None:
    """Thoughts come as reasoning; a reply that only thought is empty, and the last words decide which it was."""
    decoded = Decoded(stream(*map(delta, ("<th", "ink>Hm", "m.</", "think>\n\n", ANSWER)), finish(), "[DONE]"))
    assert (decoded.text("reasoning"), decoded.text(), decoded.error) == ("Hmm.", ANSWER, None)
    decoded = Decoded(stream(delta("<think>Hm"), delta("m."), "[DONE]"))
    assert (decoded.text(), decoded.error) == ("", ("empty", "empty"))
    decoded = Decoded(stream(delta("Hm.\n"), delta("</think>"), delta("\n"), delta(ANSWER), finish(), "[DONE]"))
    moved = [n for n, chunk in enumerate(decoded.chunks) if chunk.thought_ended]
    assert len(moved) == 1
    assert "".join(c.text for c in decoded.chunks[moved[0] :]) == ANSWER


def test_many_marks_cost_no_more_than_their_length() -> None:
    """Text of nothing but marks is read in time that grows with its size: a hundred times as much is no wall."""
    for text in ("x\n</think>\n", "</think>", "<think>", "<", "assistantfinal", "<|end|>", "`</think>` "):
        answer, thought = parted(text * 20_000, 4096)
        assert len(answer) + len(thought) <= len(text) * 20_000


@pytest.mark.parametrize(
    "text", ["", " \n", "\u200b\u2060", "\u2800\u2800", "\u3164", "\ufe0f", "\x00\x00", "</s>", "<|im_end|>\n"]
)
def test_what_nobody_can_read_is_no_answer(text: str) -> None:
    """Hidden characters and marks of an end are blanks; what is seen is not, be it one character."""
    assert is_blank(text)
    assert not is_blank(text + "0")
    assert not is_blank("\U0001f44d" + text)
