"""merge: one answer written from the candidates, streamed as it is written, its sources kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import ModeInput, Verdict
from fusion_nb.judging.answer_splitter import AnswerSplitter, split, unwrapped
from tests.scripted_calls import Script, ScriptedCalls, ScriptedReply, ScriptedRequest, case, cut, judged, verdict_json

NONCE = "0123456789abcdef" * 2
HELD = case("The Seine runs through Paris.", "The Seine; it ends in the Channel.", "The Rhône.")
SCORES = {1: 8, 2: 9, 3: 2}
ANSWER = "The Seine runs through Paris. [{1}, {2}] It ends in the Channel. [{2}]\n\nThe rest is mine."
CLEAN = "The Seine runs through Paris. It ends in the Channel.\n\nThe rest is mine."


def run(judge: list[Script], task: ModeInput = HELD, pieces: int = 3) -> tuple[Verdict, ScriptedCalls]:
    calls = ScriptedCalls(judge)
    calls.pieces = pieces
    return calls.run("merge", task), calls


def test_the_answer_comes_without_its_citations_and_they_are_kept() -> None:
    """One call: the fused answer, clean, and which call each passage came from."""
    verdict, calls = run([judged(SCORES, answer=ANSWER)])
    assert verdict.answer == CLEAN
    passages = [(CLEAN[c.start : c.end], c.calls) for c in verdict.citations]
    assert passages == [("The Seine runs through Paris.", (1, 2)), (" It ends in the Channel.", (2,))]
    assert verdict.chosen == ()
    assert verdict.state == "judged"
    assert verdict.ranking == (2, 1, 3)
    assert sum(verdict.share(call) or 0 for call in (1, 2, 3)) == pytest.approx(1)
    assert len(calls.requests) == 1


def test_the_answer_streams_while_it_is_written() -> None:
    """What people watch is the answer alone, citations inside; the verdict before it is no part of it."""
    _, calls = run([judged(SCORES, answer=ANSWER)], pieces=1)
    label = calls.requests[0].label
    assert calls.draft == ANSWER.replace("{1}", label(1)).replace("{2}", label(2))
    assert calls.requests[0].streamed
    assert calls.requests[0].schema is None, "a service held to a schema could not write the answer"


def test_broken_json_leaves_the_answer_and_costs_one_short_repair() -> None:
    """The verdict alone is asked for again; the answer that was written stands."""
    wrong = lambda a: f'{{"scores": 3}}\nANSWER {a.nonce}\nThe Seine. [{a.label(1)}]'  # noqa: E731
    verdict, calls = run([wrong, judged(SCORES)])
    assert (verdict.state, verdict.answer) == ("repaired", "The Seine.")
    assert verdict.score(2) == 9
    assert [c.calls for c in verdict.citations] == [(1,)]
    again = calls.requests[1]
    assert "ANSWER " not in again.prompt
    assert "The Seine" not in again.messages[1].content
    assert not again.streamed
    assert again.schema is not None


def test_an_answer_without_a_verdict_stands() -> None:
    """Unreadable twice: the answer is still an answer, and it is said that there are no scores."""
    verdict, _ = run([lambda a: f"Well.\nANSWER {a.nonce}\nThe Seine.", "Well, well."])
    assert (verdict.state, verdict.answer) == ("unread", "The Seine.")
    assert not verdict.scores
    assert "without scores" in verdict.note


def test_no_verdict_and_no_answer_are_both_asked_for_again() -> None:
    """A judge that just answered the prompt is asked once more, for all of it, and streams anew."""
    verdict, calls = run(["The Seine, of course.", judged(SCORES, answer=ANSWER)])
    assert (verdict.state, verdict.answer) == ("repaired", CLEAN)
    assert f"ANSWER {calls.requests[1].nonce}" in calls.requests[1].prompt
    assert calls.requests[1].streamed
    assert calls.draft.startswith("The Seine runs")


def test_no_answer_falls_back_to_the_best_scored() -> None:
    """Scores but no answer: the best candidate, byte for byte, said in a sentence, and nothing more is paid."""
    verdict, calls = run([judged(SCORES)])
    assert verdict.answer == HELD.candidates[1].text
    assert verdict.chosen == (2,)
    assert "best, gemini." in verdict.note
    assert verdict.state == "judged"
    assert len(calls.requests) == 1


def test_citations_alone_are_no_answer() -> None:
    """`[K7]` and nothing else is what a candidate is there for."""
    verdict, _ = run([judged(SCORES, answer="[{1}]\n")])
    assert (verdict.chosen, verdict.answer) == ((2,), HELD.candidates[1].text)


def test_no_verdict_at_all_falls_back_to_the_first_finished() -> None:
    """Nothing readable, twice: the candidate that was there first."""
    times = {1: (0.0, 3.0), 2: (0.0, None), 3: (1.0, 1.5)}
    replies = [replace(r, started=times[r.call][0], latency=times[r.call][1]) for r in HELD.candidates]
    verdict, _ = run(["hm", "hm"], replace(HELD, candidates=tuple(replies)))
    assert verdict.state == "unread"
    assert verdict.chosen == (3,)
    assert verdict.answer == "The Rhône."
    assert "finished first, gpt4o" in verdict.note


def test_a_judge_that_fails_falls_back_too() -> None:
    """No call succeeded: one candidate, the reason, no second call."""
    verdict, calls = run([ScriptedReply("", "timeout", "No end after 600 s.")])
    assert (verdict.state, verdict.chosen) == ("failed", (1,))
    assert "No end after 600 s" in verdict.note
    assert len(calls.requests) == 1


def test_a_judge_that_fails_in_the_middle_of_its_answer() -> None:
    """Half an answer is none: the best-scored candidate by the verdict that had arrived, else the first finished."""
    half = lambda a: ScriptedReply(f"{verdict_json(a, SCORES)}\nANSWER {a.nonce}\nThe Sei", "error", "Connection lost.")  # noqa: E731
    verdict, _ = run([half])
    assert (verdict.state, verdict.chosen, verdict.answer) == ("failed", (2,), HELD.candidates[1].text)
    assert verdict.score(2) == 9
    assert "Connection lost" in verdict.note
    verdict, _ = run([lambda a: ScriptedReply(f"{{\nANSWER {a.nonce}\nThe Sei", "error", "Connection lost.")])
    assert (verdict.state, verdict.chosen) == ("failed", (1,))


def test_a_cut_off_answer_is_kept_and_said() -> None:
    """The limit of tokens fell into the answer: it is kept, and the person is told."""
    short = lambda a: ScriptedReply(f"{verdict_json(a, SCORES)}\nANSWER {a.nonce}\nThe Seine ru", "incomplete")  # noqa: E731
    verdict, calls = run([short])
    assert (verdict.state, verdict.answer) == ("judged", "The Seine ru")
    assert "cut off" in verdict.note
    assert len(calls.requests) == 1


def test_an_answer_inside_the_json_is_an_answer() -> None:
    """Some judges put it under a key of its own instead of behind the object."""
    verdict, _ = run([judged(SCORES, answer_=1), judged(SCORES)])
    assert verdict.chosen == (2,)
    verdict, calls = run([lambda a: verdict_json(a, SCORES, answer=f"The Seine. [{a.label(2)}]")])
    assert (verdict.answer, verdict.chosen) == ("The Seine.", ())
    assert [c.calls for c in verdict.citations] == [(2,)]
    assert len(calls.requests) == 1


def test_a_judge_with_a_form_of_its_own_and_an_answer() -> None:
    """No JSON, but a verdict in brackets and the answer where it belongs: both count, at one call."""
    verdict, calls = run([lambda a: f"[[{a.label(2)}]]\nANSWER {a.nonce}\nThe Seine."])
    assert (verdict.state, verdict.answer) == ("judged", "The Seine.")
    assert "ignored the form" in verdict.note
    assert len(calls.requests) == 1


def test_prose_and_an_answer_are_asked_for_the_verdict_alone() -> None:
    """The answer stands; the repair is asked for the verdict, and where it brings none the prose counts."""
    prose = lambda a: f"{a.label(2)} is the best.\nANSWER {a.nonce}\nThe Seine."  # noqa: E731
    verdict, calls = run([prose, judged({1: 9, 2: 3, 3: 7})])
    assert (verdict.state, verdict.answer, verdict.ranking[0]) == ("repaired", "The Seine.", 1)
    assert "ANSWER " not in calls.requests[1].prompt
    verdict, _ = run([prose, ScriptedReply("", "error", "Connection lost.")])
    assert (verdict.state, verdict.answer, verdict.ranking[:1]) == ("repaired", "The Seine.", (2,))
    assert "Connection lost" in verdict.note


def test_a_candidate_that_was_cut_off_is_told() -> None:
    """So in merge as well."""
    assert "cut off" in run([judged(SCORES, answer=ANSWER)], cut(HELD, 3))[1].requests[0].prompt


BENT = (
    f"ANSWER {NONCE}\n",
    f"**ANSWER {NONCE}**\n",
    f"## ANSWER {NONCE}\n\n\n",
    f"`ANSWER {NONCE}`\n",
    f"ANSWER {NONCE}: \n",
    f"ANSWER: {NONCE}\n",
    f"answer {NONCE.upper()}   \n",
    f"ANSWER {NONCE[:20]}\n",
    f"ANSWER {NONCE} ",
    f"> ANSWER {NONCE}\r\n",
)


@pytest.mark.parametrize("line", BENT)
@pytest.mark.parametrize("before", ["", '{"scores": {}}\n', '```json\n{"a": 1}\n```\n\n'])
def test_the_line_may_be_bent(line: str, before: str) -> None:
    """Bold, a heading, a colon, a slip late in the code, the answer right behind it."""
    assert split(f"{before}{line}# The Seine\n\n**Yes.**", NONCE)[1] == "# The Seine\n\n**Yes.**"


@pytest.mark.parametrize("line", ["ANSWER", "ANSWER " + "f" * 32, f"The ANSWER {NONCE}", NONCE, f"ANSWER{NONCE}", ""])
def test_other_lines_begin_no_answer(line: str) -> None:
    """A text that cannot know the code cannot begin an answer."""
    assert split(f"{{}}\n{line}\nThe Seine.", NONCE) == (f"{{}}\n{line}\nThe Seine.", "")


@pytest.mark.parametrize(
    ("after", "answer"),
    [
        ("```markdown\nThe Seine.\n```", "The Seine.\n"),
        ("```md\nRun:\n```sh\nls\n```\n```\n", "Run:\n```sh\nls\n```\n"),
        ("\n```markdown\nThe Seine.\n```\n\n", "The Seine.\n"),
        ("```markdown\nThe Seine.", "The Seine."),
        ("```python\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("```\nls\n```\nlists.", "```\nls\n```\nlists."),
        ("``", "``"),
        ("Use ``` to fence.\n```\nls\n```", "Use ``` to fence.\n```\nls\n```"),
    ],
)
def test_a_fence_around_the_answer_goes_and_a_fence_around_code_stays(after: str, answer: str) -> None:
    """Judges wrap what they write; code in an answer is part of it."""
    assert split(f"{{}}\nANSWER {NONCE}\n{after}", NONCE)[1] == answer


def test_a_fence_opened_before_the_line_is_closed_with_the_answer() -> None:
    """So where the line itself stands inside the fence."""
    assert split(f"{{}}\n```\nANSWER {NONCE}\nThe Seine.\n```\n", NONCE)[1] == "The Seine.\n"


def test_a_bare_fence_around_a_text_with_citations_goes() -> None:
    """Without a language a fence may be code; citations tell that it is not."""
    assert unwrapped("```\nThe Seine. [K7]\n```") == "The Seine. [K7]"
    assert unwrapped("```\nls -l\n```\n") == "```\nls -l\n```"


PARTS = st.lists(
    st.sampled_from(
        [
            *BENT,
            NONCE,
            NONCE[:9],
            "ANSWER ",
            "```",
            "```markdown\n",
            "```py\n",
            "\n",
            " ",
            "`",
            "x",
            "[K7]",
            "\r\n",
            "*",
        ]
    )
    | st.text(max_size=4)
    | st.just("y" * 161),
    max_size=14,
).map("".join)


@given(PARTS, st.lists(st.integers(1, 30)))
def test_any_chunking_gives_the_same_channels(text: str, sizes: list[int]) -> None:
    """One character at a time, or in pieces of any size: nothing lost, nothing added, the same answer."""
    whole = split(text, NONCE)
    for cuts in ([1] * len(text), sizes):
        splitter, rest = AnswerSplitter(NONCE), text
        pieces: list[tuple[str, str]] = []
        for size in cuts:
            pieces += splitter.feed(rest[:size])
            rest = rest[size:]
        pieces += [*splitter.feed(rest), *splitter.close()]
        assert not splitter.close()
        assert "".join(piece for _, piece in pieces) == text
        assert all(piece for _, piece in pieces)
        assert tuple("".join(p for c, p in pieces if c == channel) for channel in ("content", "answer")) == whole


def test_an_answer_in_another_language_is_left_as_it_is() -> None:
    """The answer is the judge's text, whatever its script; only citations go."""

    def japanese(request: ScriptedRequest) -> str:
        return f"{verdict_json(request, SCORES)}\nANSWER {request.nonce}\nパリを流れるのはセーヌ川です[{request.label(1)}]。"

    assert run([japanese])[0].answer == "パリを流れるのはセーヌ川です。"


@pytest.mark.parametrize("form", ["<think>{draft}</think>\n{reply}", "{draft}\nNo, again.\n</think>\n{reply}"])
def test_an_answer_drafted_in_a_thought_is_no_answer(form: str) -> None:
    """Verdict and answer are those behind the thought, be they drafted in it line for line."""

    def thinks(request: ScriptedRequest) -> str:
        draft = f"{verdict_json(request, {1: 9, 2: 3, 3: 7})}\nANSWER {request.nonce}\nThe Rhine."
        return form.format(draft=draft, reply=f"{verdict_json(request, SCORES)}\nANSWER {request.nonce}\nThe Seine.")

    verdict, calls = run([thinks])
    assert (verdict.state, verdict.answer, verdict.score(1)) == ("judged", "The Seine.", SCORES[1])
    assert len(calls.requests) == 1


def test_a_thought_without_an_end_holds_no_answer() -> None:
    """Cut off while thinking: nothing of it is read, and the judge is asked again."""
    cut_off = lambda a: ScriptedReply(f"<think>{verdict_json(a, SCORES)}\nANSWER {a.nonce}\nThe Rhine.", "incomplete")  # noqa: E731
    verdict, calls = run([cut_off, judged(SCORES, answer="The Seine.")])
    assert (verdict.state, verdict.answer) == ("repaired", "The Seine.")
    assert len(calls.requests) == 2


@pytest.mark.parametrize("answer", ["Write `</think>` to close it.", "The tag <think> opens it.\n</think> closes it."])
def test_an_answer_may_speak_of_the_tags(answer: str) -> None:
    """Where the question is about them, the answer keeps them."""
    assert run([judged(SCORES, answer=answer)])[0].answer == answer


def test_no_answer_is_taken_from_a_field_for_thoughts() -> None:
    """An empty reply whose verdict stands in its reasoning: the verdict counts, the answer there is a thought."""

    def thinks(request: ScriptedRequest) -> ScriptedReply:
        reasoning = f"{verdict_json(request, SCORES)}\nANSWER {request.nonce}\nThe Rhine."
        return ScriptedReply("", "empty", "It answered without text.", reasoning=reasoning, finish="stop")

    verdict, _ = run([thinks])
    assert (verdict.state, verdict.chosen) == ("judged", (max(SCORES, key=SCORES.__getitem__),))
    assert "no merged answer" in verdict.note
