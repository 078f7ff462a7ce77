"""Row 40, 41 and the JSON test suite: 318 documents, good and bad, as events and as bodies, over a real socket."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_nb.core import RunState
from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.provider_errors import Target
from tests.faults import vectors
from tests.faults.answer import TEXT, sse
from tests.faults.harness import Faults, faults

pytestmark = pytest.mark.skipif(not vectors.FOLDER.exists(), reason="the shared test vectors are not here")
AT_ONCE = 53
NUMBERS = ("cost_usd", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "ttft_s", "latency_s")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with faults(tmp_path_factory.mktemp("home")) as found:
        yield found


def run_of(server: Faults, form: str, start: int) -> RunState:
    documents = range(start, min(start + AT_ONCE, len(vectors.files())))
    run = server.start([f"json_{form}_{n}~whole~x" for n in documents], journal=False)
    list(run)
    frame = run.result.frame()
    for column in NUMBERS:
        known = frame[column].dropna().tolist()
        assert not any(math.isnan(value) for value in known), column
    json.dumps(frame.attrs, allow_nan=False)
    return run.result


@pytest.mark.parametrize("start", range(0, 318, AT_ONCE))
def test_as_events(server: Faults, start: int) -> None:
    """Whatever stands in an event, the text around it is kept; what set out to be an object and is none is said."""
    result = run_of(server, "event", start)
    for reply in result.replies[:-2]:
        assert reply.text == TEXT, reply
        assert (reply.status, reply.error) in (("ok", None), ("incomplete", "bad_event")), reply


@pytest.mark.parametrize("start", range(0, 318, AT_ONCE))
def test_as_bodies(server: Faults, start: int) -> None:
    """Whatever a body is, the outcome is a status with a sentence, and never a defect of ours."""
    result = run_of(server, "body", start)
    for reply in result.replies[:-1]:
        if reply.role == "candidate" and reply.ref.service == "fault":
            assert reply.status in ("error", "empty"), reply
            assert reply.error in ("protocol", "not_sse", "empty", "truncated", "bad_event"), reply
            assert reply.detail


def test_every_value_in_every_place() -> None:
    """Every document of the suite that parses, put where text, tokens, cost, a reason or an error should stand."""
    places = (
        '{"choices":[{"delta":{"content":%s}}]}', '{"choices":[{"delta":%s}]}', '{"choices":%s}', '{"usage":%s}',
        '{"usage":{"cost":%s,"prompt_tokens":%s}}', '{"choices":[{"finish_reason":%s}]}', '{"error":%s}', '{"id":%s,"model":%s}',
    )  # fmt: skip
    for file in vectors.files():
        document = file.read_bytes().decode(errors="replace").replace("\r", " ").replace("\n", " ")
        for place in places:
            told(sse(place.replace("%s", document)))
            told(place.replace("%s", document).encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_json(value: object) -> None:
    """Whatever value there is, it is read as it was written, money exact; NaN and Infinity are no numbers."""
    found = decode_service_json(json.dumps(value))
    assert json.loads(
        json.dumps(value), parse_float=Decimal, parse_constant=lambda _: Decimal("NaN")
    ) == found or "NaN" in repr(found)


def told(body: bytes) -> None:
    decoder = ChatDecoder(Target("x", "m"))
    chunks = [*decoder.feed(body), *decoder.end()]
    for chunk in chunks:
        chunk.text.encode()
        assert chunk.cost is None or chunk.cost.is_finite()
        used = chunk.usage
        assert used is None or all(
            v is None or (type(v) is int and v >= 0)
            for v in (used.prompt, used.completion, used.cached, used.reasoning)
        )
