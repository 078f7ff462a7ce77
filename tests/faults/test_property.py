"""Any stream, cut anywhere, comes to the same reply: the decoder, and the call around it, with what hypothesis invents."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_nb import judging
from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import Chunk, Limits, Ref, Reply, Request, RunState
from fusion_nb.core.run_spec import RunServices, RunSpec
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.provider_errors import Target
from fusion_nb.run.engine import Engine
from fusion_nb.run.event_recorder import EventRecorder
from tests.faults.answer import choice, compact, delta, finish, usage

KEY = "sk-or-v1-" + "0123456789abcdef" * 4
AUTH = KeyAuth(KEY, "K", "o")
TEXTS = st.text(st.sampled_from("ab \n🥊é\u2028\ud83e\udd4a\x00sk-or"), max_size=12) | st.sampled_from(
    ["", KEY, KEY[:40], KEY[40:], KEY[:1]]
)
EVENTS = st.one_of(
    TEXTS.map(delta),
    TEXTS.map(lambda text: choice(delta={"reasoning": text})),
    TEXTS.map(lambda text: choice(delta={"refusal": text})),
    st.sampled_from(["stop", "length", "error", "tool_calls", "?"]).map(finish),
    st.sampled_from(["0.5", "NaN", "-1", "1e999", '"0.25"', "null", "[]"]).map(usage),
    st.sampled_from(["[DONE]", "{", "nonsense", "[]", "null", "1e999", '{"error":{"code":429}}', '{"choices":[null,1,{"delta":1}]}']),
    st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["choices", "delta", "content", "usage", "error", "id"]), v, max_size=3), max_leaves=6),
)  # fmt: skip
ENDINGS = st.sampled_from(["\n", "\r", "\r\n"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    said = draw(st.lists(EVENTS, max_size=8))
    ending = draw(ENDINGS)
    begin = draw(st.sampled_from(["", "\ufeff", ": hi\n", "\n", "event: error\n"]))
    lines = []
    for event in said:
        text = event if isinstance(event, str) else json.dumps(event) if draw(st.booleans()) else compact(event)
        lines += [f"data: {text}", ""]
    body = (begin + "\n".join([*lines, ""])).replace("\n", ending).encode("utf-8", "surrogatepass")
    return body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 3)) == 0 else body


CUTS = st.lists(st.integers(0, 600), max_size=8)


def pieces(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(edges) if a < b]


def decoded(parts: Sequence[bytes]) -> dict[str, Any]:
    """What the chunks come to, however many there are."""
    decoder = ChatDecoder(Target("x", "m", "K", AUTH.hide, AUTH.begins))
    chunks = [chunk for part in parts if not decoder.done for chunk in decoder.feed(part)]
    chunks += decoder.end()
    texts = {channel: "".join(c.text for c in chunks if c.channel == channel) for channel in ("content", "reasoning")}
    last = {
        name: next((v for c in reversed(chunks) if (v := getattr(c, name)) is not None), None)
        for name in ("usage", "cost", "finish", "model")
    }
    fault = (decoder.fault.error, decoder.fault.status, decoder.fault.detail) if decoder.fault else None
    return {
        **texts,
        **last,
        "fault": fault,
        "warnings": [c.warning for c in chunks if c.warning],
    }


@given(streams(), CUTS)
@settings(max_examples=300, deadline=None)
def test_any_cuts_give_the_same(body: bytes, cuts: list[int]) -> None:
    """Text, reasoning, usage, cost, reason, fault and warnings do not depend on how the network cut the stream."""
    found = decoded(pieces(body, cuts))
    assert found == decoded([body])
    assert found == decoded([body[at : at + 1] for at in range(len(body))])
    assert KEY[:24] not in repr(found)
    assert KEY[-24:] not in repr(found)
    found["content"].encode()
    assert found["cost"] is None or (found["cost"].is_finite() and found["cost"] >= 0)


class Wire:
    """A provider whose socket is a list of bytes."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        decoder = ChatDecoder(Target("x", "m"))
        for part in self._parts:
            for chunk in decoder.feed(part):
                yield chunk
        for chunk in decoder.end():
            yield chunk
        if decoder.fault is not None:
            decoder.fault.retryable = False
            raise decoder.fault


def called(parts: Sequence[bytes]) -> Reply:
    async def main() -> Reply:
        tools = RunServices(
            lambda ref: Wire(parts), lambda *_: None, lambda *_: None, lambda _: False, judging.MODES["best-of"]
        )
        record = EventRecorder(RunState())
        order = RunSpec("?", (Ref("x", "m"),), None, "best-of", limits=Limits(timeout=20))
        await Engine(order, tools, record, RunAccounts("r", SpendingPolicy(None, None, None), play=True)).run(
            "r", "now"
        )
        return record.state.replies[0]

    return asyncio.run(main())


@given(streams(), CUTS)
@settings(max_examples=60, deadline=None)
def test_any_call_ends(body: bytes, cuts: list[int]) -> None:
    """Every stream comes to a reply with a status: what is not ok says why, what is ok has text, costs are numbers."""
    reply = called(pieces(body, cuts))
    assert reply.status in ("ok", "incomplete", "filtered", "refused", "empty", "error")
    assert reply.error != "internal"
    assert (reply.status == "ok") == (reply.error is None)
    assert bool(reply.detail) == (reply.status != "ok")
    assert reply.status != "ok" or reply.text.strip()
    assert reply.cost is None or isinstance(reply.cost, Decimal)
    whole = called([body])
    assert (reply.status, reply.error, reply.text, reply.cost) == (whole.status, whole.error, whole.text, whole.cost)
