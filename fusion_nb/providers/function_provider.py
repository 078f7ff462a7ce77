"""A Python function as a member: sync or async, returning its answer or yielding it piece by piece.

Its pieces of text go from any thread or loop to the one that reads them, a bounded number ahead.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fusion_nb.core import Chunk, Ref, Request
from fusion_nb.errors import ProviderError
from fusion_nb.providers.function_calling import arguments_for, takes_candidates, text_of, verdict_reader
from fusion_nb.providers.redaction import one_line, scrub
from fusion_nb.providers.reply_batching import TextBatcher

SERVICE = "python"
MAX_TEXT = 8 * 1024 * 1024

Runner = Callable[[Coroutine[Any, Any, None]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FunctionMember:
    """A pool entry that is a function of the user's own."""

    ref: Ref
    fn: Callable[..., Any]


def name_of(fn: Callable[..., Any]) -> str:
    """What people know a function by."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__name__", "") or type(fn).__name__
    return "function" if name == "<lambda>" else str(name)


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling it needs a loop that turns."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    call = fn if inspect.isroutine(fn) else type(fn).__call__
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)


class FunctionProvider:
    """Calls `fn` with the prompt; with `messages`, a list of `{"role", "content"}`, where it has such a parameter.

    A sync function runs in a thread of its own, a generator to its end in that same thread. An async one runs on the
    current loop, or where `runner` takes it: to the notebook's loop, for functions bound to what lives there.
    """

    def __init__(self, fn: Callable[..., Any], runner: Runner | None = None) -> None:
        self._fn, self._runner = fn, runner
        self._name = name_of(fn)

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """The function's text. Raises `ProviderError` (`function`) for what it raises, or gives that is no text."""
        pipe = TextPipe()
        args, named = arguments_for(self._fn, request)
        call = functools.partial(self._fn, *args, **named)
        judges = request.judging is not None and takes_candidates(self._fn)
        pipe.text_of = verdict_reader(request.judging) if judges else text_of
        work = asyncio.ensure_future(self._work(call, pipe))
        work.add_done_callback(pipe.end)
        out: list[Chunk] = []
        text = TextBatcher(out, MAX_TEXT)
        try:
            async for piece in pipe:
                text.write("content", piece)
                text.flush()
                for chunk in out:
                    yield chunk
                out.clear()
                if text.full:
                    raise ProviderError("too_big", f"{self._name} went on for too long.", status="incomplete")
            text.close()
            for chunk in out:
                yield chunk
            if pipe.raised is not None:
                raise self._fault(pipe.raised)
            yield Chunk(finish="stop")
        finally:
            pipe.close()
            work.cancel()
            await asyncio.wait({work}, timeout=1.0)

    async def _work(self, call: Callable[[], Any], pipe: TextPipe) -> None:
        if is_async(self._fn):
            await self._on_loop(call(), pipe)
            return
        left, pipe.raised = await _in_thread(call, pipe)
        if left is not None:  # a plain function that returned a coroutine, as lambdas do
            await self._on_loop(left, pipe)

    async def _on_loop(self, result: Any, pipe: TextPipe) -> None:
        listening = _listen(result, pipe)
        await (self._runner(listening) if self._runner else listening)

    def _fault(self, error: BaseException) -> ProviderError:
        """What the function raised, as text of Python's: with all that stands in angle brackets."""
        if isinstance(error, ProviderError):
            return error
        raised = f"{self._name} raised {type(error).__name__}: {error}".rstrip(": ")
        frames = _own_frames(error)
        where = f" (line {frames[-1].lineno} of {frames[-1].name}: {frames[-1].line})" if frames else ""
        sentence = scrub(one_line(f"{raised}{where}", 600, tags=True))
        _TRACEBACKS.append((sentence, scrub("".join(traceback.format_list(frames)))))
        return ProviderError("function", sentence)


_TRACEBACKS: deque[tuple[str, str]] = deque(maxlen=16)
"""What functions raised lately, as told, and where in their own code."""


def traceback_of(sentence: str) -> str:
    """Where in a person's own code what `sentence` tells was raised; empty where no function did."""
    return next((frames for told, frames in reversed(_TRACEBACKS) if told in sentence), "")


def _own_frames(error: BaseException) -> traceback.StackSummary:
    """The frames of the person's own code."""
    ours = str(Path(__file__).parents[1])
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.StackSummary.from_list([each for each in frames if not each.filename.startswith(ours)])


async def _listen(result: Any, pipe: TextPipe) -> None:
    """Everything an awaitable or an async generator gives."""
    try:
        if inspect.isawaitable(result):
            result = await result
        if hasattr(result, "__aiter__"):
            async for piece in result:
                await pipe.send(pipe.text_of(piece))
        else:
            await pipe.send(pipe.text_of(result))
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  the last two would end the loop
        pipe.raised = error


async def _in_thread(call: Callable[[], Any], pipe: TextPipe) -> tuple[Any, BaseException | None]:
    """Call in a thread that dies with the process, so that a function that never ends cannot keep a kernel alive.
    Gives back what has to be awaited, and what was raised."""
    over: asyncio.Future[tuple[Any, BaseException | None]] = asyncio.get_running_loop().create_future()

    def work() -> None:
        left, raised = None, None
        try:
            result = call()
            if inspect.isawaitable(result) or hasattr(result, "__aiter__"):
                left = result
            else:
                _put(result, pipe)
        except BaseException as error:  # noqa: BLE001  whatever a user's function raises is its reply's error
            raised = error
        pipe.call(lambda: None if over.done() else over.set_result((left, raised)))

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="fusion_nb function", daemon=True).start()
    return await over


def _put(result: Any, pipe: TextPipe) -> None:
    if not isinstance(result, Iterator):
        pipe.put(pipe.text_of(result))
        return
    for piece in result:
        if not pipe.put(pipe.text_of(piece)):
            if isinstance(result, Generator):
                result.close()
            return


AHEAD = 64
"""Pieces a writer may be ahead of the reader."""


class TextPipe:
    """Made, read and closed on one loop; written from wherever the writer lives."""

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        """What the writer ended with, where it did not end well."""
        self.text_of: Callable[[Any], str] = text_of
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        piece = await self._queue.get()
        if piece is None:
            raise StopAsyncIteration
        self._room.release()
        return piece

    def put(self, text: str) -> bool:
        """From a thread: waits while the writer is too far ahead. False once nobody reads any more."""
        self._room.acquire()
        if not self._closed:
            self.call(lambda: self._queue.put_nowait(text))
        return not self._closed

    async def send(self, text: str) -> None:
        """From a coroutine, on this loop or another."""
        if not self._room.acquire(blocking=False):
            await asyncio.to_thread(self._room.acquire)
        self.call(lambda: self._queue.put_nowait(text))

    def call(self, then: Callable[[], object]) -> None:
        """Have something done on the reader's loop, if it still turns."""
        try:
            self._loop.call_soon_threadsafe(then)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return

    def end(self, work: asyncio.Future[Any]) -> None:
        """The writer's work is over, well or not."""
        self.raised = self.raised or (asyncio.CancelledError() if work.cancelled() else work.exception())
        self._queue.put_nowait(None)

    def close(self) -> None:
        """The reader has left; a writer that waits for room goes on, into nothing."""
        self._closed = True
        self._room.release(AHEAD)
