"""Server-sent events arrive as the WHATWG standard says, however the bytes are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.providers.sse import ServerSentEvent, SSEDecoder

BOM = "\ufeff"


def decode(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def data(text: str | bytes) -> list[str]:
    return [event.data for event in decode(text.encode() if isinstance(text, str) else text)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
         ["first event", "second event", " third event"]),
        ("data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        ("data:test\n\ndata: test\n\n", ["test", "test"]),
        ("data:a\r\rdata:b\r\n\r\ndata:c\n\r\ndata:d\n\n", ["a", "b", "c", "d"]),
        ("\n\n\ndata: a\n\n\n\ndata: b\n\n", ["a", "b"]),
        ("data: a\nunknown: x\nDATA: y\n data: z\n\n", ["a"]),
        ("data: \x00x\n\n", ["\x00x"]),
        ("event: only\n\nretry: 5\n\n", []),
        ('data: {"t": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"}\n\n', ['{"t": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"}']),
    ],
)  # fmt: skip
def test_the_standards_examples(stream: str, expected: list[str]) -> None:
    """Fields, comments, line endings and empty data are read as the standard's own examples have them."""
    assert data(stream) == expected


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_every_split(ending: str) -> None:
    """Cut anywhere, even inside a character, a CRLF or the byte order mark, the events are the same."""
    lines = ["data: zwölf Boxkämpfer 🥊", "data: 二行目", "", ": note", "", "event: e", "id: 7", "data:x", "", ""]
    stream = (BOM + ending.join(lines)).encode()
    whole = decode(stream)
    assert [(e.data, e.event, e.id) for e in whole] == [
        ("zwölf Boxkämpfer 🥊\n二行目", "message", ""),
        ("x", "e", "7"),
    ]
    for cut in range(len(stream) + 1):
        assert decode(stream[:cut], stream[cut:]) == whole
    assert decode(*(bytes([b]) for b in stream)) == whole


@given(st.text(st.sampled_from("ad: \n\r\u2028é🥊\ufeff"), max_size=60), st.lists(st.integers(0, 120), max_size=6))
def test_any_text_any_cuts(text: str, cuts: list[int]) -> None:
    """Whatever a stream holds, the cuts make no difference."""
    stream = ("data: " + text + "\n\n").encode()
    edges = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    assert decode(*(stream[a:b] for a, b in itertools.pairwise(edges))) == decode(stream)


def test_one_byte_order_mark_is_dropped() -> None:
    """One mark at the very beginning is no text; a second one, or one later, is."""
    assert data(f"{BOM}data: a\n\n") == ["a"]
    assert data(f"{BOM}{BOM}data: a\n\ndata: b\n\n") == ["b"]
    assert data(f"data: a\n\n{BOM}data: b\n\ndata: c\n\n") == ["a", "c"]
    assert data(f"data: {BOM}a\n\n") == [f"{BOM}a"]


def test_what_looks_like_a_mark_and_is_none_is_kept() -> None:
    """The first bytes are not lost where they only begin like a byte order mark."""
    assert [e.data for e in decode(b"\xef", b"\xbb", b"\n\ndata: a\n\n")] == ["a"]


def test_fields_beside_the_data() -> None:
    """An id stays until it is changed, a retry is of its event, and ids with NUL are ignored."""
    events = decode(b"id: 1\nretry: 3000\ndata: a\n\ndata: b\n\nid: 2\x00\nretry: 3 s\ndata: c\n\nid\ndata: d\n\n")
    assert [(e.data, e.id, e.retry) for e in events] == [
        ("a", "1", 3000),
        ("b", "1", None),
        ("c", "1", None),
        ("d", "", None),
    ]


def test_invalid_utf8_is_replaced_and_said() -> None:
    """Broken bytes cost their own character and nothing else."""
    events = decode(b"data: a\xff\xc3(b\n\ndata: c\n\n")
    assert events == [ServerSentEvent("a\ufffd\ufffd(b", replaced=True), ServerSentEvent("c")]


def test_the_event_a_stream_breaks_off_in_is_offered() -> None:
    """The last event without its blank line can be had, once, for it may be the one with the bill."""
    decoder = SSEDecoder()
    assert [e.data for e in decoder.feed(b'data: a\n\ndata: {"usage": 1}')] == ["a"]
    last = decoder.close()
    assert last is not None
    assert last.data == '{"usage": 1}'
    assert decoder.close() is None


def test_a_huge_event_is_refused_and_small_ones_before_it_are_kept() -> None:
    """One event cannot fill the memory, in one piece or in many."""
    for pieces in ([b"data: a\n\ndata: " + b"x" * 3000], [b"data: a\n\n", b"data: "] + [b"x" * 10] * 300):
        decoder = SSEDecoder(limit=1000)
        assert [e.data for piece in pieces for e in decoder.feed(piece)] == ["a"]
        assert decoder.too_big
        assert decoder.feed(b"\n\ndata: b\n\n") == []
    decoder = SSEDecoder(limit=1000)
    assert decoder.feed(b"data: " + b"x" * 3000 + b"\n\n") == []
    assert decoder.too_big


def test_the_work_is_linear() -> None:
    """A large event in tiny pieces is joined once: no piece is looked at again and again."""
    decoder = SSEDecoder()
    for _ in range(40_000):
        decoder.feed(b"data: 0123456789\n")
    [event] = decoder.feed(b"\n")
    assert len(event.data) == 40_000 * 11 - 1
