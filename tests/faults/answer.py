"""What the fault server says to one request, as data: a row of the matrix is a list of these, one for each attempt."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

End = Literal["end", "close", "reset", "hold"]
TEXT = "Grüße 🥊."
OTHER_TEXT = "Grüße 🥊 von mir."
"""What another good member says: equal texts need no judge."""
"""What a good reply says: one, two and four bytes a character."""
FIRST, SECOND = TEXT[:4], TEXT[4:]
USED = {"prompt_tokens": 7, "completion_tokens": 3}
COST = "0.00125"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body, how the body is sent, and what becomes of the connection then."""

    body: bytes = b""
    status: int = 200
    kind: str = "text/event-stream"
    headers: tuple[tuple[str, str], ...] = ()
    framing: Literal["chunked", "length", "close", "raw", "none"] = "chunked"
    """`raw`: the body stands for the whole answer, its head too. `none`: nothing is said at all."""
    end: End = "end"
    """`close`: the connection ends before the body does. `hold`: it stays open, silent."""
    again: bytes = b""
    """Sent after the body, for ever."""
    every: float = 0.0
    """Seconds between two of them."""
    short: int = 0
    """Bytes promised by `content-length` that never come."""

    def but(self, **changes: Any) -> Answer:
        return replace(self, **changes)


def sse(*said: Any) -> bytes:
    """Events; what is not text becomes compact JSON."""
    texts = (s if isinstance(s, str) else compact(s) for s in said)
    return b"".join(f"data: {text}\n\n".encode() for text in texts)


def compact(said: Any) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}], **more}


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {}, **fields}]}


def finish(reason: str = "stop") -> dict[str, Any]:
    return choice(finish_reason=reason)


def usage(cost: str | None = COST, **more: Any) -> str:
    """The bill; `cost` is put in as it stands."""
    said = compact({"choices": [], "usage": {**USED, **more}})
    return said if cost is None else said.replace("}}", f',"cost":{cost}}}}}')


def whole(message: dict[str, Any], reason: str | None = "stop", **more: Any) -> Answer:
    """A reply in one piece."""
    said = {"id": "gen-whole", "choices": [{"index": 0, "message": message, "finish_reason": reason}], **more}
    if "usage" not in said:
        said["usage"] = {**USED, "cost": 0.00125}
    return Answer(compact(said).encode(), kind="application/json", framing="length")


def failure(status: int, message: str = "It did not work.", *, headers: Any = (), **more: Any) -> Answer:
    """An error with its status, as services send one."""
    body = compact({"error": {"code": status, "message": message, **more}})
    return Answer(body.encode(), status, "application/json", tuple(headers), "length")


def stream(*said: Any, **more: Any) -> Answer:
    return Answer(sse(*said), **more)


GOOD = stream(delta(FIRST), delta(SECOND), finish(), usage(), "[DONE]")
OTHER = stream(delta(OTHER_TEXT), finish(), usage(), "[DONE]")
