"""The person's own functions, run over texts that models wrote: whatever one of them does, the run goes on.

Nothing can end a thread, so they share a few daemon threads: one that hangs holds one of these, and never the engine's
loop, a cell or the interpreter's exit. What they print is lost; all other threads have `sys.stdout` as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

from fusion_nb.core import CheckOutcome
from fusion_nb.core.option_checks import shown
from fusion_nb.core.selection_option_checks import Check, function_name
from fusion_nb.errors import UserError
from fusion_nb.judging.normalized_answer import ShortAnswer
from fusion_nb.judging.vote import answer_of

THREADS = 4  # in the whole process: no more can be held by functions that hang
_STREAMS = ("stdout", "stderr")


class Called(NamedTuple):
    """What came of one call. `seconds`: without its wait for a thread. `error`: why there is no value, a sentence."""

    value: Any
    seconds: float
    error: str


class FunctionRunner:
    """Runs the person's functions off the engine's loop, each for `timeout` seconds at most."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    async def call(self, function: Callable[..., Any], *args: Any, name: str = "") -> Called:
        """What `function(*args)` gives, awaited where need be. `name` is for errors. Raises `CancelledError` alone."""
        pool, job = _pool, _Job(name, self._timeout, function, args)
        pool.put(job)
        try:
            while True:
                seconds, error = pool.look(job)
                if error:
                    return Called(None, 0.0 if job.started is None else time.monotonic() - job.started, error)
                if (await asyncio.wait((job.over,), timeout=seconds))[0]:
                    return job.over.result()
        finally:
            with pool.changed:
                pool.waiting.pop(job, None)

    def reading(self, function: Callable[..., Any]) -> Callable[[str], Coroutine[Any, Any, ShortAnswer | None]]:
        """The short answer `function` finds, written out on its thread too. Raises `UserError` where that fails."""

        async def read(text: str) -> ShortAnswer | None:
            called = await self.call(lambda: answer_of(_value(function, (text,))), name=function_name(function))
            if called.error:
                raise UserError(f"{called.error.rstrip('.')}.")
            return cast("ShortAnswer | None", called.value)

        return read


class CheckRunner:
    """Asks checks, each a function of `text` or of `(result, text)`, for `timeout` seconds at most."""

    def __init__(self, checks: Sequence[Check], timeout: float, runner: FunctionRunner | None = None) -> None:
        self._checks = tuple(checks)
        self._runner = runner or FunctionRunner(timeout)

    async def outcomes(self, result: Any, text: str) -> tuple[CheckOutcome, ...]:
        """What each check says, in their order. Raises `CancelledError` alone."""
        return tuple(await asyncio.gather(*(self._outcome(check, result, text) for check in self._checks)))

    async def _outcome(self, check: Check, result: Any, text: str) -> CheckOutcome:
        called = await self._runner.call(graded, check, result, text, name=check.name)
        grade, nonsense = called.value or (None, "")
        score = None if check.weight is None and (grade is None or isinstance(grade, bool)) else float(grade or 0)
        passed = grade is not None and grade is not False
        return CheckOutcome(check.name, passed, score, check.weight, called.seconds, called.error or nonsense)


def hanging() -> int:
    """How many threads are held, at this moment, by functions that are beyond their limit."""
    with _pool.changed:
        return sum(job.left() <= 0 for job in _pool.running)


def graded(check: Check, result: Any, text: str) -> tuple[bool | float | None, str]:
    """(`True`, `False` or 0 to 1; why it is none of these). On a thread: signatures and values are the person's too."""
    value = _value(check.function, (result, text) if _takes_result(check.function) else (text,))
    # Scalars of numpy and its kin are neither bool nor, all of them, numbers to Python.
    plain = value.item() if getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None)) else value
    if isinstance(plain, bool):
        return plain, ""
    is_number = isinstance(plain, Number) and not isinstance(plain, complex)
    if is_number and 0 <= plain <= 1 + 1e-9:  # a mean of ones may be above one by its rounding
        return abs(min(float(plain), 1.0)), ""
    return None, _line(f"{check.name} returned {shown(value)}: a check returns True, False or a number from 0 to 1.")


def _takes_result(function: Callable[..., Any]) -> bool:
    try:
        places = [p for p in inspect.signature(function).parameters.values() if p.kind <= p.VAR_POSITIONAL]
    except (TypeError, ValueError):  # a builtin that does not say
        return False
    needed = [p for p in places if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
    return len(needed) > 1 or (len(places) > 1 and places[0].name == "result")


def _value(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    value = function(*args)
    if not inspect.isawaitable(value):
        return value

    async def awaited() -> tuple[Any, BaseException | None]:
        try:
            return await value, None
        except BaseException as error:  # noqa: BLE001  `sys.exit` would break off the loop
            return None, error

    with asyncio.Runner() as runner:
        value, raised = runner.run(awaited())
    if raised is not None:
        raise raised
    return value


def _raised(name: str, error: BaseException) -> str:
    try:
        return _line(f"{name} raised {type(error).__name__}: {str(error)[:1000]}").removesuffix(":")
    except BaseException:  # noqa: BLE001  its `__str__` is the person's too
        return _line(f"{name} raised an error that cannot be shown.")


def _line(text: str) -> str:
    """One line of 200 characters at most, without control characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= 200 else f"{plain[:199]}\N{HORIZONTAL ELLIPSIS}"


class _Job:
    """One call, from the loop that waits for it to a thread and back."""

    def __init__(self, name: str, timeout: float, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.name, self.timeout = name or "a function", timeout
        with contextlib.suppress(Exception):  # names can be properties of somebody's object
            self.name = name or function_name(function)
        self.started: float | None = None
        context = contextvars.copy_context()
        self._call: Callable[[], Any] = lambda: context.run(_value, function, args)
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Called] = self._loop.create_future()

    def left(self) -> float:
        return self.timeout if self.started is None else self.started + self.timeout - time.monotonic()

    def run(self, started: float) -> Called:
        value, error = None, f"{self.name} was not run, as no file can be opened: restart the kernel."
        with contextlib.suppress(OSError), Path(os.devnull).open("w", encoding="utf-8", errors="replace") as lost:
            _here.streams = {"": lost} | {name: _Stream(getattr(sys, name, None)) for name in _STREAMS}
            try:
                value, error = self._call(), ""
            except BaseException as raised:  # noqa: BLE001  `sys.exit` in a check must not end the thread
                error = _raised(self.name, raised)
            finally:
                _here.streams = None
        return Called(value, time.monotonic() - started, error)

    def settle(self, called: Called) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            self._loop.call_soon_threadsafe(lambda: None if self.over.done() else self.over.set_result(called))


class _Pool:
    """The jobs that wait, in their order, and those that run."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.waiting: OrderedDict[_Job, None] = OrderedDict()
        self.running: set[_Job] = set()
        self._threads = 0

    def put(self, job: _Job) -> None:
        with self.changed:
            self.waiting[job] = None
            if self._threads < THREADS and len(self.waiting) > self._threads - len(self.running):
                with contextlib.suppress(RuntimeError, MemoryError):  # the system gives no more
                    threading.Thread(target=self._work, name="fusion_nb check", daemon=True).start()
                    self._threads += 1
            self.changed.notify()

    def look(self, job: _Job) -> tuple[float, str]:
        """(seconds until it is worth looking again, why nobody should wait for the job any longer)."""
        with self.changed:
            left = job.left()
            if job.started is not None:
                return left, "" if left > 0 else f"{job.name} did not end within {job.timeout:g} s."
            if not self._threads:
                return 0.0, f"{job.name} was not run, as no thread can be started: restart the kernel."
            if len(self.running) < self._threads:  # another is about to begin
                return min(left, 0.05), ""
            frees = max(other.left() for other in self.running)
            if frees > 0:
                return max(min(left, frees), 0.05), ""
            names = ", ".join(sorted({other.name for other in self.running}))
            why = f"all {self._threads} threads are held by functions that do not end"
            return 0.0, _line(f"{job.name} was not run, as {why}: restart the kernel or mend {names}.")

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting)
                job, _ = self.waiting.popitem(last=False)
                job.started = started = time.monotonic()
                self.running.add(job)
                _route(on=True)
            called = job.run(started)
            with self.changed:
                self.running.discard(job)
                _route(on=bool(self.running))
            job.settle(called)
            del job, called


class _Here(threading.local):
    streams: dict[str, Any] | None = None
    """What `sys.stdout` and `sys.stderr` are on this thread while it runs a function; "": where prints are lost."""


class _Stream:
    """On a thread that runs a function, its stream of that name; on any other the real one, for who keeps it."""

    def __init__(self, real: Any, name: str = "") -> None:
        self.real, self.name = real, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.real if _here.streams is None else _here.streams[self.name], attribute)


def _stream(name: str) -> property:
    def get(_: ModuleType) -> Any:
        held = vars(sys).get(name)
        return _here.streams[name] if _here.streams else held.real if type(held) is _Stream else held

    def put(_: ModuleType, value: Any) -> None:
        back = type(value) is _Stream and value.name != ""  # as `mock.patch` finds it in the module's dictionary
        if _here.streams:
            _here.streams[name] = _Stream(value.real) if back else _here.streams[""] if value is None else value
        else:
            vars(sys)[name] = value if back or value is None else _Stream(value, name)

    return property(get, put)


class _Sys(ModuleType):
    """`sys` while functions run: who replaces `sys.stdout` on their threads does it for that thread."""

    stdout, stderr = _stream("stdout"), _stream("stderr")

    def __reduce__(self) -> Any:  # who pickles modules, as cloudpickle does, knows them by their exact type
        return __import__, ("sys",)


def _route(*, on: bool) -> None:
    """`print` takes its stream from the module's dictionary, all else asks the module: each is led to the thread's."""
    if type(sys) is not (ModuleType if on else _Sys):
        return
    for name in _STREAMS:
        real = getattr(sys, name, None)
        vars(sys)[name] = _Stream(real, name) if on and real is not None else real
    sys.__class__ = _Sys if on else ModuleType


_here = _Here()
_pool = _Pool()


def _after_fork() -> None:
    """The child has none of the threads, and no one to let go of their lock. A check that forks stays unheard."""
    global _pool  # noqa: PLW0603
    _pool = _Pool()
    if _here.streams is None:
        _route(on=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
