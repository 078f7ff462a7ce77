"""Which model says what, and when: recordings, a scripted judge, and synthetic models of an exact rate.

gsm8k/<model>                           the recorded reply to a GSM8K prompt
arc/<debate>/<agent>                    a recorded debater's text of the round that is asked for
raw-judge/<id>                          a recorded judge's text, whatever it is asked
scripted-judge                          see `tests.replay.judge`
scripted-judge/<ttft>/<n>/<per second>  the same in n pieces by an exact schedule
rate/<ttft>/<n>/<per second>            n numbered words by an exact schedule
burst/<n>                               n numbered words as fast as they go
stall/<seconds>[/<words>]               that silence, after so many words (default 0)
fail/<status>                           an error
mend/<model>/<tag>                      that model (with `.` for `/`) the first time it is asked, then `rate/0/5/1000`
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.replay import judge, recordings
from tests.replay.wire import cut_text


@dataclass(frozen=True, slots=True)
class Pace:
    """How recorded texts are told: cut how, how fast, and cut once more on the way."""

    text: str = "words"
    """See `wire.cut_text`."""
    stream: str = "events"
    """See `wire.cut_bytes`."""
    per_second: float = 0.0
    """Pieces a second; 0 is as fast as they go."""
    ttft: float = 0.0

    @classmethod
    def read(cls, written: str, ttft: float = 0.0) -> Pace:
        """`words`, `chars:5+bytes:1`, `whole+random:7~200` ... (`~fast` is the default)."""
        how, _, rate = written.partition("~")
        text, _, stream = how.partition("+")
        return cls(text or "words", stream or "events", 0.0 if rate in ("", "fast") else float(rate), ttft)


@dataclass(frozen=True, slots=True)
class Plan:
    """One reply: its pieces, and the second each is due, counted from the request's arrival."""

    pieces: Sequence[str] = ()
    ttft: float = 0.0
    interval: float = 0.0
    finish: str = "stop"
    tokens: int | None = None
    """Where the model streams a counted number of them."""
    pause: tuple[int, float] = (0, 0.0)
    """Before this piece, so many seconds more."""
    status: int = 200

    def due(self, piece: int) -> float:
        return self.ttft + piece * self.interval + (self.pause[1] if piece >= self.pause[0] else 0.0)

    @property
    def seconds(self) -> float:
        """When the last piece is due: the physical limit of a client's time."""
        return self.due(len(self.pieces) - 1) if self.pieces else 0.0


def this_time(model: str, times: int) -> str:
    """The model that answers the request of that number: only one that mends is another later."""
    kind, _, rest = model.partition("/")
    if kind != "mend":
        return model
    return rest.partition("/")[0].replace(".", "/") if times == 1 else "rate/0/5/1000"


def plan(model: str, messages: Sequence[dict[str, Any]], pace: Pace) -> Plan:
    """What `model` answers; a plan of status 404 where there is none."""
    kind, _, rest = model.partition("/")
    if kind in ("rate", "burst", "stall", "fail") or (kind == "scripted-judge" and rest):
        try:
            return _synthetic(kind, rest.split("/"), messages)
        except (ValueError, TypeError):
            return Plan(status=404)
    text, finish = _recorded(kind, rest, messages)
    if text is None:
        return Plan(status=404)
    interval = 1 / pace.per_second if pace.per_second else 0.0
    return Plan(cut_text(text, pace.text), pace.ttft, interval, finish)


def _recorded(kind: str, rest: str, messages: Sequence[dict[str, Any]]) -> tuple[str | None, str]:
    asked = [contents(m) for m in messages if m.get("role") == "user"]
    if kind == "gsm8k":
        return recordings.gsm8k_reply(rest, asked), "stop"
    if kind == "arc" and (found := re.fullmatch(r"(\d+)/(\d+)", rest)):
        said = sum(m.get("role") == "assistant" for m in messages)
        # A debate may send only a member's latest text back to it; the heading knows the round then.
        heading = re.match(r"\s*DEBATE ROUND (\d+)", asked[-1] if asked else "")
        return recordings.debate_reply(int(found[1]), int(found[2]), int(heading[1]) if heading else said), "stop"
    if kind == "raw-judge" and rest in recordings.judge_raw():
        row = recordings.judge_raw()[rest]
        return row["raw"], row["finish"] or "stop"
    if kind == "scripted-judge":
        return _judged(messages), "stop"
    return None, "stop"


def _synthetic(kind: str, given: list[str], messages: Sequence[dict[str, Any]]) -> Plan:
    if kind == "fail":
        return Plan(status=int(given[0]))
    if kind == "burst":
        return Plan(numbered(int(given[0])), tokens=int(given[0]))
    if kind == "stall":
        after = int(given[1]) if len(given) > 1 else 0
        return Plan(numbered(after + 3), pause=(after, float(given[0])), tokens=after + 3)
    ttft, count, rate = float(given[0]), int(given[1]), float(given[2])
    pieces = numbered(count) if kind == "rate" else even(_judged(messages), count)
    return Plan(pieces, ttft, 1 / rate, tokens=len(pieces))


def _judged(messages: Sequence[dict[str, Any]]) -> str:
    return judge.reply("\n".join(contents(m) for m in messages if m.get("role") != "assistant"))


def numbered(count: int) -> list[str]:
    """`w1 w2 w3 ...`, one word a piece."""
    return [f"w{n} " for n in range(1, count + 1)]


def even(text: str, count: int) -> list[str]:
    """`text` in `count` pieces of almost the same length (fewer where it has fewer characters)."""
    count = max(1, min(count, len(text)))
    edges = [len(text) * n // count for n in range(count + 1)]
    return [text[a:b] for a, b in pairwise(edges)]


def contents(message: dict[str, Any]) -> str:
    """A message's text, whether it is written as text or as parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
