"""Python functions of the user's own in a pool."""

import asyncio
import functools
import time
from typing import Any

import pytest

import fusion_nb


def test_sync_async_and_streaming_functions_answer_beside_models() -> None:
    """A plain function, a coroutine, a generator and an async generator are members like any other."""

    def plain(prompt: str) -> str:
        return f"plain {prompt}"

    async def coroutine(prompt: str) -> str:
        await asyncio.sleep(0)
        return f"coroutine {prompt}"

    def pieces(prompt: str):
        yield from ("a ", "b ", prompt)

    async def stream(messages: list[dict[str, str]]):
        yield messages[0]["role"]
        yield " said"

    result = fusion_nb.fuse("Hi", [plain, coroutine, pieces, stream, "demo:swift"], "best-of", judge="demo:judge")
    assert [r.text for r in result.candidates[:4]] == ["plain Hi", "coroutine Hi", "a b Hi", "user said"]
    assert [r.ref.name for r in result.candidates[:2]] == ["plain", "coroutine"]
    assert all(r.cost is None for r in result.candidates[:4])
    assert result.unpriced == 4


def test_a_function_that_raises_is_one_row() -> None:
    """Its exception is the row's sentence; the others answer."""

    def broken(prompt: str) -> str:
        raise KeyError("weights")

    result = fusion_nb.fuse("Hi", [broken, lambda p: "fine"], "best-of", judge="demo:judge")
    assert (result.replies[0].status, result.replies[0].error) == ("error", "function")
    assert "KeyError" in (result.replies[0].detail or "")
    assert result.answer == "fine"


def test_a_function_that_hangs_does_not_hang_the_run() -> None:
    """A blocked thread is left behind at the timeout; the run ends."""
    began = time.monotonic()
    result = fusion_nb.fuse(
        "Hi", [lambda p: time.sleep(3), lambda p: "fine"], "best-of", judge="demo:judge", timeout=0.3
    )
    assert time.monotonic() - began < 2.5
    assert result.replies[0].status == "timeout"


def test_a_function_may_judge() -> None:
    """The judge can be a function too: what it says is read like any judge's."""

    def judge(prompt: str) -> str:
        return "[[" + prompt.split("===== BEGIN CANDIDATE ")[1][:2] + "]]"

    result = fusion_nb.fuse("Hi", [lambda p: "one", lambda p: "two"], "best-of", judge=judge)
    assert result.answer in ("one", "two")


def _by_other_names(question: str, answers: dict[str, str]) -> str:
    return max(answers, key=lambda label: len(answers[label]))


def _by_keyword(prompt: str, *, candidates: dict[str, str]) -> str:
    return _by_other_names(prompt, candidates)


def _with_more(prompt: str, found: dict[str, str], power: int = 2) -> str:
    return _by_other_names(prompt, found)


@pytest.mark.parametrize(
    "judge",
    [
        _by_other_names,
        _by_keyword,
        _with_more,
        lambda p, c: max(c, key=lambda label: len(c[label])),
        functools.partial(_with_more, power=3),
    ],
)
def test_two_parameters_make_a_judge_whatever_their_names(judge: Any) -> None:
    """The first is what was asked, the second the answers by label; a parameter with a default is left alone."""

    def one(prompt: str) -> str:
        return "one"

    def three(prompt: str) -> str:
        return "three"

    result = fusion_nb.fuse("Hi", [one, three], "best-of", judge=judge)
    assert (result.status, result.answer, result.notes) == ("ok", "three", ())


def test_what_cannot_be_called_is_refused_before_anyone_is_asked() -> None:
    """A judge of three parameters, a member of two, and either of none: one sentence, and nothing is sent."""
    asked = []

    def member(prompt: str) -> str:
        asked.append(prompt)
        return f"answer {len(asked)}"

    def three(prompt: str, candidates: dict[str, str], more: int) -> str:
        return next(iter(candidates))

    def two(prompt: str, context: str) -> str:
        return prompt

    def none() -> str:
        return "here"

    for pool, judge, said in (
        ([member, member], three, r"three.*cannot be called.*'more'.*\(prompt, candidates\).*default"),
        ([member, two], "demo:judge", r"two cannot be called.*'context'.*the prompt alone"),
        ([member, none], "demo:judge", r"none cannot be called.*the prompt alone"),
        ([member, member], none, r"none.*cannot be called.*\(prompt, candidates\)"),
    ):
        with pytest.raises(fusion_nb.UserError, match=said):
            fusion_nb.fuse("Hi", pool, "best-of", judge=judge)
    assert asked == []


def test_why_a_judge_gave_no_verdict_is_among_the_notes() -> None:
    """A program that looks at `result.notes` finds it there too."""

    def judge(prompt: str, candidates: dict[str, str]) -> str:
        raise ValueError("no luck")

    result = fusion_nb.fuse("Hi", [lambda p: "one", lambda p: "two"], "best-of", judge=judge)
    assert result.status == "unjudged"
    assert "judge raised ValueError: no luck" in " ".join(result.notes)


@pytest.mark.parametrize("how", ["fuse", "stream"])
def test_a_coroutine_bound_to_the_notebooks_loop_runs_on_it(how: str) -> None:
    """Inside a running loop (a cell), a coroutine function that uses what lives on that loop works, though we block."""

    async def cell() -> str:
        lock, home = asyncio.Lock(), asyncio.get_running_loop()

        async def bound(prompt: str) -> str:
            async with lock:
                await asyncio.sleep(0.01)
            return f"same loop: {asyncio.get_running_loop() is home}"

        if how == "fuse":
            return fusion_nb.fuse("Hi", [bound], "best-of").answer or ""
        run = fusion_nb.stream("Hi", [bound], mode="best-of")
        assert list(run)
        return run.result.answer or ""

    # In a process of its own: nest_asyncio2 patches asyncio for good.
    assert asyncio.run(cell()) == "same loop: True"
