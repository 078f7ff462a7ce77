"""A Python function is a member like any other, whatever kind of function it is."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Chunk, Message, Ref, Request
from fusion_nb.errors import ProviderError
from fusion_nb.providers.function_provider import FunctionProvider, is_async, name_of

ONE = (Message("user", "Hi?"),)
MANY = (Message("system", "Be brief."), Message("user", "Hi?"), Message("assistant", "Hi."), Message("user", "Why?"))


def ask(fn: Callable[..., Any], messages: tuple[Message, ...] = ONE, runner: Any = None) -> list[Chunk]:
    async def main() -> list[Chunk]:
        async with asyncio.timeout(20):
            return [c async for c in FunctionProvider(fn, runner).stream(Request(Ref("python", "f"), messages, 9))]

    return asyncio.run(main())


def text(chunks: list[Chunk]) -> str:
    return "".join(c.text for c in chunks)


def plain(prompt: str) -> str:
    return prompt.upper()


async def coroutine(prompt: str) -> str:
    await asyncio.sleep(0)
    return prompt.upper()


def generator(prompt: str) -> Iterator[str]:
    yield from prompt.upper()


async def async_generator(prompt: str) -> AsyncIterator[str]:
    for letter in prompt.upper():
        await asyncio.sleep(0)
        yield letter


class Caller:
    def __call__(self, prompt: str) -> str:
        return prompt.upper()


class AsyncCaller:
    async def __call__(self, prompt: str) -> str:
        return prompt.upper()


@pytest.mark.parametrize("fn", [
    plain, coroutine, generator, async_generator, Caller(), AsyncCaller(), lambda p: p.upper(), lambda p: coroutine(p),  # noqa: PLW0108  what a lambda returns is the point
    lambda p: async_generator(p),  # noqa: PLW0108
    functools.partial(lambda x, p: p.upper(), 1), str.upper, lambda p: iter([p[:1].upper(), p[1:].upper()]),
])  # fmt: skip
def test_every_kind_of_function(fn: Callable[..., Any]) -> None:
    """Sync or async, returning or yielding, a lambda, an object or a partial: its text is the reply."""
    chunks = ask(fn)
    assert text(chunks) == "HI?"
    assert chunks[-1] == Chunk(finish="stop")


def test_pieces_come_as_they_are_yielded() -> None:
    """A generator's first piece is there before its last is made."""
    seen = threading.Event()

    def slow(prompt: str) -> Iterator[str]:
        yield "first"
        assert seen.wait(10)
        yield "last"

    async def main() -> list[str]:
        said = []
        async for chunk in FunctionProvider(slow).stream(Request(Ref("python", "f"), ONE, 9)):
            said.append(chunk.text)
            if chunk.text == "first":
                seen.set()
        return said

    assert asyncio.run(main()) == ["first", "last", ""]


def test_what_it_is_given() -> None:
    """The prompt, the conversation as text where it is longer, or the messages where it asks for them."""
    assert text(ask(lambda prompt: prompt, MANY)) == "System: Be brief.\n\nUser: Hi?\n\nAssistant: Hi.\n\nUser: Why?"
    assert text(ask(lambda messages: f"{messages}")) == "[{'role': 'user', 'content': 'Hi?'}]"
    assert text(ask(lambda prompt="no", *, messages: f"{prompt} {len(messages)}", MANY)) == "no 4"

    def positional(messages: list[dict[str, str]], /) -> str:
        return messages[-1]["content"]

    assert text(ask(positional, MANY)) == "Why?"


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, ""), ("", ""), (42, "42"), (b"caf\xc3\xa9", "café"), ("\ud83e", "\ufffd")],
)
def test_what_is_no_text(said: Any, expected: str) -> None:
    """Other values are written out; nothing is an empty reply."""
    assert text(ask(lambda _: said)) == expected


def ns(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**fields)


@pytest.mark.parametrize("value", [
    {"text": "Yes."}, {"content": "Yes."}, ns(content="Yes.", id=3), ns(text="Yes."), ns(output_text="Yes."),
    {"message": {"role": "assistant", "content": "Yes."}}, ns(content=[{"type": "text", "text": "Yes."}]),
    {"choices": [{"message": {"content": "Yes."}}]}, ns(choices=[ns(message=ns(content="Yes."))]),
    ns(choices=[ns(delta=ns(content="Yes."))]), ns(content=[ns(type="text", text="Y"), ns(type="text", text="es.")]),
])  # fmt: skip
def test_the_text_of_a_librarys_reply_is_taken(value: Any) -> None:
    """What a library answers with is taken by its text, returned or yielded, sync or async."""

    async def coro(prompt: str) -> Any:
        return value

    def gen(prompt: str) -> Iterator[Any]:
        yield value

    for fn in (lambda _: value, coro, gen):
        assert text(ask(fn)) == "Yes."


@pytest.mark.parametrize("value", [["a"], {"answers": 3}, object(), {1, 2}, ns(score=4), int, {"text": object()}])
def test_what_has_no_text_is_refused_in_words(value: Any) -> None:
    """What is no text is not shown by its `str()` as if it were the answer: the sentence says what to return."""
    with pytest.raises(ProviderError, match=r"return a str, or an object with the text in \.content or \.text"):
        ask(lambda _: value)


def test_an_error_keeps_its_words_and_its_line() -> None:
    """What stands in angle brackets stays, and the line of the person's own code that raised is named."""

    def helper(value: Any) -> str:
        raise TypeError(f"expected str, got {type(value)} from <Response [500]>")

    def member(prompt: str) -> str:
        return helper(3)

    with pytest.raises(ProviderError) as raised:
        ask(member)
    assert "expected str, got <class 'int'> from <Response [500]>" in str(raised.value)
    assert "of helper: raise TypeError(" in str(raised.value)
    assert "fusion_nb/" not in str(raised.value)
    result = fusion_nb.fuse("x", [member, "demo:swift"], judge="demo:judge", mode="best-of", journal=False)
    assert "&lt;class" in result._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad\n\x1b[31mthing"),
        KeyError("x"),
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration(),
        asyncio.CancelledError(),
    ],
)
@pytest.mark.parametrize("kind", ["sync", "async", "generator", "async generator"])
def test_what_it_raises_is_its_error(error: BaseException, kind: str) -> None:
    """Whatever a function raises is an error of its reply, in one line, and ends nothing else."""

    def sync(prompt: str) -> str:
        raise error

    async def coro(prompt: str) -> str:
        raise error

    def gen(prompt: str) -> Iterator[str]:
        yield "half"
        raise error

    async def agen(prompt: str) -> AsyncIterator[str]:
        yield "half"
        raise error

    fn = {"sync": sync, "async": coro, "generator": gen, "async generator": agen}[kind]
    with pytest.raises(ProviderError) as raised:
        ask(fn)
    assert (raised.value.error, raised.value.retryable, raised.value.status) == ("function", False, "error")
    assert fn.__name__ in str(raised.value)
    assert "raised" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_a_blocking_function_blocks_nobody() -> None:
    """Two sync functions run beside each other, and the loop turns meanwhile."""
    together = threading.Barrier(2, timeout=10)

    def meets(prompt: str) -> str:
        together.wait()
        return "met"

    async def main() -> list[list[Chunk]]:
        async def one() -> list[Chunk]:
            return [c async for c in FunctionProvider(meets).stream(Request(Ref("python", "f"), ONE, 9))]

        return list(await asyncio.gather(one(), one()))

    assert [text(chunks) for chunks in asyncio.run(main())] == ["met", "met"]


def test_a_generator_stays_in_its_thread() -> None:
    """A generator is started, continued and closed in one and the same thread."""
    threads: list[int] = []
    closed = threading.Event()

    def gen(prompt: str) -> Iterator[str]:
        try:
            while True:
                threads.append(threading.get_ident())
                yield "x"
        finally:
            threads.append(threading.get_ident())
            closed.set()

    async def main() -> None:
        async with aclosing(FunctionProvider(gen).stream(Request(Ref("python", "f"), ONE, 9))) as stream:  # type: ignore[type-var]
            for _ in range(10):
                await anext(stream)
        assert await asyncio.to_thread(closed.wait, 10)

    asyncio.run(main())
    assert len(set(threads)) == 1
    assert len(threads) < 10 + 64 + 5


def test_leaving_cancels_a_coroutine() -> None:
    """A coroutine nobody waits for any more is cancelled."""
    cancelled = []

    async def forever(prompt: str) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return ""

    async def main() -> None:
        async def consume() -> None:
            async with aclosing(FunctionProvider(forever).stream(Request(Ref("python", "f"), ONE, 9))) as stream:  # type: ignore[type-var]
                async for _ in stream:
                    pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consume(), 0.05)

    asyncio.run(main())
    assert cancelled == [True]


def test_a_runner_takes_coroutines_to_their_own_loop() -> None:
    """With a runner, async functions run on the loop they belong to, generators too, and errors come back."""
    home = asyncio.new_event_loop()
    thread = threading.Thread(target=home.run_forever, daemon=True)
    thread.start()

    def runner(work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, home))

    async def where(prompt: str) -> str:
        assert asyncio.get_running_loop() is home
        return "home"

    async def pieces(prompt: str) -> AsyncIterator[str]:
        assert asyncio.get_running_loop() is home
        async with asyncio.timeout(10):
            for _ in range(200):
                yield "x"
            yield "home"

    async def fails(prompt: str) -> str:
        raise ValueError("at home")

    try:
        assert text(ask(where, runner=runner)) == "home"
        assert text(ask(lambda p: where(p), runner=runner)) == "home"  # noqa: PLW0108
        assert text(ask(pieces, runner=runner)) == "x" * 200 + "home"
        assert text(ask(plain, runner=runner)) == "HI?"
        with pytest.raises(ProviderError, match="at home"):
            ask(fails, runner=runner)
    finally:
        home.call_soon_threadsafe(home.stop)
        thread.join(10)
        home.close()


def test_endless_text_is_stopped() -> None:
    """A function that never stops talking is stopped."""

    def endless(prompt: str) -> Iterator[str]:
        while True:
            yield "x" * 1_000_000

    with pytest.raises(ProviderError) as raised:
        ask(endless)
    assert (raised.value.error, raised.value.status) == ("too_big", "incomplete")


def test_names() -> None:
    """People know a function by its name."""
    assert [name_of(f) for f in (plain, lambda _: "", functools.partial(plain), Caller(), str.upper)] == [
        "plain",
        "function",
        "plain",
        "Caller",
        "upper",
    ]
    assert [is_async(f) for f in (plain, generator, Caller())] == [False] * 3
    assert [is_async(f) for f in (coroutine, async_generator, AsyncCaller(), functools.partial(coroutine))] == [
        True
    ] * 4
