"""The person's own functions: whatever one of them does, its outcome is right and nothing else is harmed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import io
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import MethodType, ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest

from fusion_nb.core import CheckOutcome
from fusion_nb.core.selection_option_checks import Check
from fusion_nb.errors import UserError
from fusion_nb.judging.check_runner import THREADS, Called, CheckRunner, FunctionRunner, hanging
from tests.kernel import ROOT, kernel

PATIENCE, SHORT = 60.0, 0.05  # seconds; the short limit is for functions that hang
WELL = (True, None, "")


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def ask(function: Any, weight: float | None = None, timeout: float = PATIENCE) -> tuple[bool, float | None, str]:
    (outcome,) = asyncio.run(CheckRunner([Check("is_json", function, weight)], timeout).outcomes("result", "text"))
    return outcome.passed, outcome.score, outcome.error


class Hang(threading.Event):
    """A function that ends when the test sets it."""

    began = False

    def __call__(self, text: str) -> bool:
        self.began = True
        return self.wait(PATIENCE)


@pytest.fixture
def slow() -> Iterator[list[Hang]]:
    """As many as there are threads."""
    functions = [Hang() for _ in range(THREADS)]
    yield functions
    for function in functions:
        function.set()
    until(lambda: hanging() == 0 and type(sys) is ModuleType)


async def running(functions: list[Hang]) -> list[asyncio.Task[Called]]:
    tasks = [asyncio.create_task(FunctionRunner(PATIENCE).call(function, "")) for function in functions]
    await asyncio.to_thread(until, lambda: all(function.began for function in functions))
    return tasks


@pytest.mark.parametrize("function", [
    lambda text: text == "text", lambda *given: given == ("text",), lambda result: result == "text",
    lambda text, limit=3: (text, limit) == ("text", 3),
    lambda answer, text: (answer, text) == ("result", "text"),
    lambda result, text=None: (result, text) == ("result", "text"),
    lambda result, *more: (result, more) == ("result", ("text",)),
    functools.partial(lambda limit, text: (limit, text) == (3, "text"), 3),
    functools.partial(lambda text, *, limit: (limit, text) == (3, "text"), limit=3),
    type("Callable", (), {"__call__": lambda self, result, text: (result, text) == ("result", "text")})(),
    MethodType(lambda self, text: self == text, "text"),
    bool, str.isalpha, "text".__eq__, np.strings.isalpha, np.frompyfunc(bool, 1, 1),
])  # fmt: skip
def test_a_check_takes_the_text_or_the_result_too(function: Any) -> None:
    """Its signature says which, whatever kind of function it is; a builtin that does not say gets the text."""
    assert ask(function) == WELL


@pytest.mark.parametrize("value", [
    True, False, np.True_, np.False_, np.array(True), 0.5, 1, 0, -0.0, np.float32(0.25), np.int64(1), 1 + 2**-52,
])  # fmt: skip
def test_a_yes_or_no_is_a_gate_and_a_number_ranks(value: Any) -> None:
    """A gate has a score, 1 or 0, where it has a weight; a number passes, also at 0."""
    gate, score = np.asarray(value).dtype == bool, min(float(value), 1.0)
    assert ask(lambda text: value) == (bool(value) or not gate, None if gate else score, "")
    assert ask(lambda text: value, weight=2.0) == (bool(value) or not gate, score, "")


@pytest.mark.parametrize("value", [
    "yes", None, float("nan"), -0.1, 1.01, 10**400, 1j, [True], np.array([0.5]), "\n" * 99,
])  # fmt: skip
def test_anything_else_is_a_failed_check(value: Any) -> None:
    """It says what the check gave, and what a check gives."""
    passed, score, error = ask(lambda text: value)
    assert (passed, score, error[:17]) == (False, None, "is_json returned ")
    assert error.endswith(": a check returns True, False or a number from 0 to 1.")
    assert ask(lambda text: value, weight=1.0) == (False, 0.0, error)


@pytest.mark.parametrize(("error", "sentence"), [
    (ValueError("bad thing"), "is_json raised ValueError: bad thing"),
    (ValueError("two\nlines, \x1b[31mred\u202e"), "is_json raised ValueError: two lines, [31mred"),
    (ValueError("x" * 10**6), f"is_json raised ValueError: {'x' * 172}\N{HORIZONTAL ELLIPSIS}"),
    (SystemExit(3), "is_json raised SystemExit: 3"), (KeyboardInterrupt(), "is_json raised KeyboardInterrupt"),
    (GeneratorExit(), "is_json raised GeneratorExit"), (asyncio.CancelledError(), "is_json raised CancelledError"),
    (type("Unshowable", (BaseException,), {"__str__": sys.exit})(), "is_json raised an error that cannot be shown."),
])  # fmt: skip
def test_whatever_is_raised_is_the_checks_error(error: BaseException, sentence: str) -> None:
    """One line that names the check and the error, from a plain function and from a coroutine."""
    for function in (mock.Mock(side_effect=error), mock.AsyncMock(side_effect=error)):
        assert ask(function) == (False, None, sentence)
        assert ask(function, weight=1.0) == (False, 0.0, sentence)


def test_a_check_runs_in_the_callers_context() -> None:
    """It sees the caller's context variables; a coroutine does too, and is awaited on its thread's own loop."""
    word = contextvars.ContextVar("word", default="none")

    async def coroutine(text: str) -> float:
        await asyncio.sleep(0)
        return 0.5 if word.get() == "caller's" else 0.0

    word.set("caller's")
    assert ask(coroutine) == (True, 0.5, "")
    assert ask(lambda text: word.get() == "caller's") == WELL


def test_a_function_may_be_used_to_read_an_answer() -> None:
    """Its value as a short answer, or one sentence as the user's error."""
    read = FunctionRunner(PATIENCE).reading(float)
    answer = asyncio.run(read("1.5"))
    assert answer is not None
    assert (answer.value, answer.number) == ("1.5", True)
    with pytest.raises(UserError, match=r"^float raised ValueError: could not convert string to float: 'a'\.$"):
        asyncio.run(read("a"))


def test_no_more_than_four_threads_can_be_held(slow: list[Hang]) -> None:
    """What waits, or comes later, fails with a remedy while four hang; a thread that comes back is used again."""
    checks = [Check(name, function) for name, function in zip("abcd", slow, strict=True)]

    async def together() -> list[str]:
        behind = CheckRunner([Check("waits", bool)], PATIENCE).outcomes(None, "text")
        both = await asyncio.gather(CheckRunner(checks, SHORT).outcomes(None, ""), behind)
        return [outcome.error for outcomes in both for outcome in outcomes]

    held = "all 4 threads are held by functions that do not end: restart the kernel or mend a, b, c, d."
    hung = [f"{name} did not end within 0.05 s." for name in "abcd"]
    assert asyncio.run(together()) == [*hung, f"waits was not run, as {held}"]
    assert (ask(bool), hanging()) == ((False, None, f"is_json was not run, as {held}"), 4)
    slow[2].set()
    until(lambda: hanging() == 3)
    assert ask(bool) == WELL


def test_the_limit_does_not_count_the_wait_for_a_thread(slow: list[Hang]) -> None:
    """A check that waits behind others for longer than its limit has all of it when it begins."""

    async def together() -> Any:
        await running(slow)
        behind = asyncio.create_task(FunctionRunner(1.0).call(str, "well"))
        await asyncio.sleep(1.2)
        assert not behind.done()
        for function in slow:
            function.set()
        return (await behind).value

    assert asyncio.run(together()) == "well"


def test_a_cancelled_wait_ends_at_once(slow: list[Hang]) -> None:
    """The function goes on and frees its thread at its end; one that waited for a thread is never called."""
    called = threading.Event()

    async def cancelled() -> None:
        tasks = [*await running(slow), asyncio.create_task(FunctionRunner(PATIENCE).call(called.set))]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        assert {type(end) for end in await asyncio.gather(*tasks, return_exceptions=True)} == {asyncio.CancelledError}

    asyncio.run(cancelled())
    assert not any(function.is_set() for function in slow)
    for function in slow:
        function.set()
    assert all(ask(bool) == WELL for _ in range(2 * THREADS))
    assert not called.is_set()


def noisy(text: str) -> bool:
    """Prints in every way a function can, and replaces the streams as tests of code do."""
    print("LOST", flush=True)
    sys.stderr.write("LOST")
    sys.stdout.buffer.write(b"LOST")
    with contextlib.redirect_stdout(io.StringIO()) as own, mock.patch("sys.stderr", io.StringIO()) as errors:
        print("own", end="")
        print("own", end="", file=sys.stderr)
    for stream in (mock.Mock(write=sys.stdout.write), None, io.StringIO()):
        sys.stdout = stream
        print("LOST")
    return own.getvalue() == errors.getvalue() == "own"


def test_what_checks_print_is_lost(capsys: pytest.CaptureFixture[str], slow: list[Hang]) -> None:
    """Meanwhile others print, or replace the streams, as ever; a logger first used by a check is heard outside of it."""
    before, handlers = (sys.stdout, sys.stderr), []

    def redirects(text: str) -> bool:
        handlers.append(logging.StreamHandler())
        with contextlib.redirect_stdout(io.StringIO()) as own:
            print("own", slow[0](text), end="")
        return own.getvalue() == "own True"

    async def together() -> bool:
        checks = CheckRunner([Check("a", noisy), Check("b", redirects), Check("c", noisy)], PATIENCE)
        runs = asyncio.gather(*(checks.outcomes(None, "") for _ in range(20)))
        await asyncio.to_thread(until, lambda: slow[0].began)
        print("heard")
        assert pickle.loads(pickle.dumps(sys)) is sys
        with contextlib.redirect_stdout(io.StringIO()) as mine:
            print("mine", end="")
            slow[0].set()
            await runs
        assert mine.getvalue() == "mine"
        return all(outcome.passed for outcomes in runs.result() for outcome in outcomes)

    assert asyncio.run(together())
    assert (sys.stdout, sys.stderr, type(sys)) == (*before, ModuleType)
    handlers[0].emit(logging.makeLogRecord({"msg": "heard too"}))
    assert capsys.readouterr() == ("heard\n", "heard too\n")


def test_nothing_of_a_check_reaches_the_notebook() -> None:
    """In a kernel neither prints nor warnings of a check are put under a cell."""
    asked = 'await CheckRunner([Check("noisy", noisy), Check("warns", warnings.warn)], 60).outcomes(None, "LOST")'
    with kernel() as notebook:
        assert notebook.run("import warnings\nfrom tests.test_check_runner import Check, CheckRunner, noisy") == ""
        assert notebook.run(f"[outcome.passed for outcome in {asked}]") == "[True, False]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_starts_anew(slow: list[Hang]) -> None:
    """It has no thread that hangs, can run checks, and its streams are its own."""
    assert not ask(slow[0], timeout=SHORT)[0]
    if (child := os.fork()) == 0:
        threading.Timer(PATIENCE, os._exit, (2,)).start()
        os._exit((hanging(), type(sys), ask(bool)) != (0, ModuleType, WELL))
    assert (os.waitpid(child, 0)[1], hanging()) == (0, 1)


def test_the_interpreter_ends_while_a_check_hangs() -> None:
    """At once, with its own exit status and nothing on its streams but what it printed."""
    program = "from tests.test_check_runner import *; "
    program += "print(ask(lambda text: print('LOST') or threading.Event().wait(), timeout=SHORT)[2]); sys.exit(7)"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "is_json did not end within 0.05 s.\n", "")


def test_ten_thousand_checks_do_no_harm(capsys: pytest.CaptureFixture[str], slow: list[Hang]) -> None:
    """While three hang, each of the others says what it should, on no more than four threads."""
    threads: set[int] = set()

    def counts(text: str) -> float:
        threads.add(sum(thread.name == "fusion_nb check" for thread in threading.enumerate()))
        return int(text) / 1000

    def recurses(text: str) -> Any:
        return recurses(text) if int(text) % 2 else next(iter(()))

    kinds: list[Any] = [
        counts, recurses, lambda text: int(text) % 2 == 0, noisy, sys.exit, lambda text: sys.stdout.close(),
        lambda text: text, lambda: True, lambda text: 1 / 0, lambda text: [text],
    ]  # fmt: skip
    checks = CheckRunner([Check(f"check_{place}", kind) for place, kind in enumerate(kinds)], PATIENCE)

    async def together() -> list[tuple[CheckOutcome, ...]]:
        return await asyncio.gather(*(checks.outcomes(None, f"{n}") for n in range(1000)))

    assert not any(ask(function, timeout=SHORT)[0] for function in slow[:3])
    for n, outcomes in enumerate(asyncio.run(together())):
        assert [outcome.passed for outcome in outcomes] == [True, False, n % 2 == 0, True, *[False] * 6]
        assert [outcome.score for outcome in outcomes] == [n / 1000, *[None] * 9]
        recursion = "RecursionError: maximum recursion depth exceeded" if n % 2 else "StopIteration"
        begins = ["", f"1 raised {recursion}", "", "", f"4 raised SystemExit: {n}", "5 returned None:"]
        begins += [f"6 returned '{n}':", "7 raised TypeError: ", "8 raised ZeroDivisionError: ", "9 returned "]
        assert all(
            o.error.startswith(f"check_{b}") if b else not o.error for o, b in zip(outcomes, begins, strict=True)
        )
    assert (hanging(), threads, capsys.readouterr()) == (3, {THREADS}, ("", ""))
