"""What a front end has been shown of a run: the messages of its panel, folded, each with the second it was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fusion_nb.core import Reply, RunState
from fusion_nb.core.events import from_json
from fusion_nb.core.fold import fold_all
from fusion_nb.core.json_codec import builder, to_plain


@dataclass
class Screen:
    """`seen`: (seconds of the wall clock, the state a person saw from then on)."""

    seen: list[tuple[float, RunState]] = field(default_factory=list)
    shown: int = 0
    """Messages of the panel."""

    @property
    def state(self) -> RunState:
        return self.seen[-1][1] if self.seen else RunState()

    def take(self, message: dict[str, Any]) -> None:
        """One message of the kernel's."""
        if message["msg_type"] != "comm_msg":
            return
        data, at = message["content"]["data"], _second(message["header"]["date"])
        if data.get("method") == "custom" and data["content"].get("kind") == "news":
            events = [from_json(event) for event in data["content"]["events"]]
            self.seen.append((at, fold_all(events, self.state)))
        elif data.get("method") == "update" and "state" in data["state"].get("snapshot", {}):
            self.seen.append((at, builder(RunState)(data["state"]["snapshot"]["state"])))
        else:
            return
        self.shown += 1

    def before(self, at: float) -> RunState:
        """What was seen by then."""
        return next((state for then, state in reversed(self.seen) if then <= at), RunState())

    @property
    def phase(self) -> str:
        """Where in the run it stands."""
        replies = self.state.replies
        under_way = [reply for reply in replies if reply.status is None]
        if self.state.status != "running":
            return "ended"
        if any(reply.role == "judge" for reply in replies):
            return "judge" if under_way else "after the judge"
        if not replies:
            return "before anything was sent"
        if not under_way:
            return "between the members and the judge"
        return "streaming" if any(reply.text for reply in replies) else "before the first text"


def _second(date: datetime | str) -> float:
    found = datetime.fromisoformat(date) if isinstance(date, str) else date
    return found.astimezone(UTC).timestamp()


def lost(screen: Screen, kept: RunState, killed: float, loss: float) -> list[str]:
    """What a person had seen and is not on disk, or not the same; `loss`: seconds of text that may be missing."""
    problems: list[str] = []
    there = {reply.call: reply for reply in kept.replies}
    for reply in screen.state.replies:
        held = there.get(reply.call)
        if held is None or (held.ref, held.role, held.round) != (reply.ref, reply.role, reply.round):
            problems.append(f"call {reply.call} was seen to begin, and is lost")
        elif reply.generation_id is not None and held.generation_id != reply.generation_id:
            problems.append(f"call {reply.call}: another generation id than was seen")
        elif reply.status is not None and to_plain(held) != to_plain(reply):
            problems.append(f"call {reply.call} had ended, and is another: {to_plain(held)} for {to_plain(reply)}")
    earlier = [r for r in screen.before(killed - loss).replies if r.call in there]
    problems += [f"call {r.call}: text seen {loss} s before is lost" for r in earlier if not _holds(there[r.call], r)]
    if screen.state.verdict is not None and kept.verdict != screen.state.verdict:
        problems.append("the verdict is lost, or another")
    if screen.state.status != "running" and kept.status != screen.state.status:
        problems.append(f"a run seen to end as {screen.state.status} is {kept.status}")
    return problems


def _holds(kept: Reply, seen: Reply) -> bool:
    return kept.text.startswith(seen.text) and kept.reasoning.startswith(seen.reasoning)


def tail(screen: Screen, kept: RunState, killed: float) -> float:
    """Seconds before the kill at which the oldest lost character was seen; 0 where none is lost."""
    there = {reply.call: reply for reply in kept.replies}
    for at, state in screen.seen:
        if any(reply.call not in there or not _holds(there[reply.call], reply) for reply in state.replies):
            return max(0.0, killed - at)
    return 0.0
