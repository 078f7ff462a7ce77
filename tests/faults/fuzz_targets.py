"""What is fuzzed, and what must hold whatever comes."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from fusion_nb.judging import free_form, verdict_reader
from fusion_nb.judging.answer_splitter import AnswerSplitter, split
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.openrouter_api import parse_generation
from fusion_nb.providers.provider_errors import Target, of_response
from fusion_nb.providers.retry_after import retry_after
from tests.faults import fuzz_views
from tests.faults.rows import ROWS

ROOMS = ("fusion_nb/providers/", "fusion_nb/judging/", "fusion_nb/views/")
_AUTH = KeyAuth("sk-or-v1-" + "0123456789abcdef" * 4, "K", "o")
_NONCE = "0123456789abcdef" * 2
_NAMES = {"K7": "claude", "Q2": "gemini", "M3": "gpt4o"}
_CRITERIA = ("correctness", "clarity")
_STATUSES = ("ok", "incomplete", "filtered", "refused", "empty", "error", "timeout")


def decoder(data: bytes, rng: random.Random) -> None:
    """Whole, and cut anywhere: the same texts, the same fault; costs and tokens are numbers or nothing."""
    whole = _told([data])
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(6)))
    edges = [0, *cuts, len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(edges) if a < b]
    assert _told(parts) == whole, f"cut at {cuts}"
    said = of_response(400 + len(data) % 200, {}, data, Target("x", "m", "K", _AUTH.hide))
    assert said.status in _STATUSES
    assert len(said.detail) < 4000
    _waits(data)


def _told(parts: Sequence[bytes]) -> tuple[Any, ...]:
    read = ChatDecoder(Target("x", "m", "K", _AUTH.hide, _AUTH.begins))
    chunks = [chunk for part in parts if not read.done for chunk in read.feed(part)]
    chunks += read.end()
    for chunk in chunks:
        chunk.text.encode()
        assert chunk.cost is None or (chunk.cost.is_finite() and chunk.cost >= 0)
        used = chunk.usage
        counts = (used.prompt, used.completion, used.cached, used.reasoning) if used else ()
        assert all(n is None or (type(n) is int and n >= 0) for n in counts)
    texts = tuple("".join(c.text for c in chunks if c.channel == channel) for channel in ("content", "reasoning"))
    last = [
        next((v for c in reversed(chunks) if (v := getattr(c, f)) is not None), None)
        for f in ("usage", "cost", "finish")
    ]
    fault = (read.fault.error, read.fault.status, read.fault.detail) if read.fault else None
    assert fault is None or fault[1] in _STATUSES
    return (*texts, *last, fault, [c.warning for c in chunks if c.warning])


def _waits(data: bytes) -> None:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = data.decode("latin-1")
    seconds = retry_after({"retry-after": str(said)[:200], "date": str(said)[:40]}, said, now=0.0)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
    parse_generation(said)


def verdict(data: bytes, rng: random.Random) -> None:
    """A reading uses the labels that were offered and scores from 1 to 10; a splitter loses nothing, however fed."""
    text = data.decode("utf-8", "replace")
    found = verdict_reader.read_verdict(text, _NAMES, _CRITERIA)
    if isinstance(found, verdict_reader.Reading):
        assert set(found.ranking) <= set(_NAMES)
        assert len(set(found.ranking)) == len(found.ranking)
        for label, scores in (found.scores or {}).items():
            assert label in _NAMES
            assert all(1 <= value <= 10 for value in scores.values())
    else:
        assert found.text
    form = free_form.parse_free_form(text, list(_NAMES), ["Which of them, A or B?"])
    assert form is None or all(0 <= place < len(_NAMES) for place in form.best)
    _split(text, rng)


def _split(text: str, rng: random.Random) -> None:
    splitter = AnswerSplitter(_NONCE)
    pieces, at = [], 0
    while at < len(text):
        size = rng.randrange(1, 24)
        pieces += splitter.feed(text[at : at + size])
        at += size
    pieces += splitter.close()
    assert "".join(piece for _, piece in pieces) == text
    answer = "".join(piece for channel, piece in pieces if channel == "answer")
    assert split(text, _NONCE)[1] == answer


TARGETS: dict[str, Callable[[bytes, random.Random], None]] = {
    "decoder": decoder,
    "verdict": verdict,
    "views": fuzz_views.views,
}
_GOOD = {
    "scores": {label: {"correctness": 9, "clarity": 7.5} for label in _NAMES},
    "ranking": ["K7", "M3", "Q2"],
    "rationale": "K7 is right.",
    "analysis": {
        "consensus": ["a"],
        "contradictions": [{"topic": "t", "stances": [{"model": "K7", "stance": "s"}]}],
        "partial_coverage": [{"models": ["K7"], "point": "p"}],
        "unique_insights": [{"model": "Q2", "insight": "i"}],
        "blind_spots": [],
    },
}
_TEXTS = (
    json.dumps(_GOOD), f"```json\n{json.dumps(_GOOD, indent=1)}\n```", f"{json.dumps(_GOOD)}\nANSWER {_NONCE}\nYes [K7, Q2].\n",
    f"Well.\n**ANSWER {_NONCE}:** Yes.", "[[A]]", "My final verdict is: [[B>A]]", "Rating: [[7]]", "8 7 9\nK7 is best.",
    "Candidate K7 is better than Q2 and M3.", "Output (a)", "{'ranking': ['K7',], // no\n}", '{"scores": {"K7": 11}}',
)  # fmt: skip
SEEDS: dict[str, list[bytes]] = {
    "decoder": [
        row.answers[0].body
        for row in ROWS
        if isinstance(row.answers, tuple) and row.answers and len(row.answers[0].body) < 1500
    ],
    "verdict": [text.encode() for text in _TEXTS],
    "views": fuzz_views.SEEDS,
}
TOKENS = [
    b"data: ", b"\n\n", b"\r\n", b"\r", b"event: error\n", b"id: 1\n", b"retry: 1\n", b"[DONE]", b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xa8",
    b"\xf0\x9f\xa5\x8a", b"\\ud83e", b"\\udd4a", b"NaN", b"-Infinity", b"1e999999999999999999999", b"9" * 400, b"null", b"true", b"[" * 40, b"{}", b"[]",
    b'"choices":', b'"delta":', b'"content":', b'"reasoning":', b'"refusal":', b'"tool_calls":', b'"finish_reason":"length"', b'"usage":', b'"cost":',
    b'"error":{"code":429}', b'"metadata":', b'"availability":{"retry_after":', b"<html>", b"sk-or-v1-0123456789abcdef", b"```", b"\nANSWER ", _NONCE.encode(),
    b'"scores":', b'"ranking":', b'"K7"', b'"Q2"', b"M3", b"[[A]]", b"[[A>>B]]", b"10", b"10.5", b"1e5", b"/10", b"Candidate ", b"tie", b"**",
]  # fmt: skip
