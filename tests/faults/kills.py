"""Kills processes in the middle of runs, with SIGKILL, and looks at what is on disk and whether `resume` ends the run.

One process that has everything imported forks a child for each run: a real process with its own engine, journal and
sockets, at a fraction of the cost of a fresh one. Prints one JSON object a kill. Needs Linux (or another Unix).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import sys
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fusion_nb._events import (
    CallAccepted,
    CallEnded,
    CallStarted,
    Event,
    RunEnded,
    RunStarted,
    TextDelta,
    VerdictReached,
    plain,
)
from fusion_nb._result import FusionResult
from fusion_nb.journal.lines import read
from fusion_nb.journal.past import find, load
from fusion_nb.providers import chat
from fusion_nb.run import again
from fusion_nb.run.order import Order
from tests.journalled import Kernel
from tests.replay.models import numbered

_LOADED = chat
"""Imported ahead of the forks, so that none of them has to."""

LOSS = 0.25
"""Seconds of streamed text that may be missing."""
PATIENCE = 20.0


@dataclass
class Killed:
    """One child, from its start to its death, as its acknowledgements tell."""

    how: str
    acks: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    at: float = 0.0
    """When it was killed, by the clock its acknowledgements use."""

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [ack for _, ack in self.acks if ack["event"] == kind]

    @property
    def run(self) -> str | None:
        return next((ack["run"] for ack in self.said("RunStarted")), None)

    @property
    def phase(self) -> str:
        """Where in the run it died."""
        started, ended = self.said("CallStarted"), {ack["call"] for ack in self.said("CallEnded")}
        under_way = [ack for ack in started if ack["call"] not in ended]
        if self.said("RunEnded"):
            return "ended"
        if any(ack["role"] == "judge" for ack in started):
            return "judge" if under_way else "after the judge"
        if not started:
            return "before anything was sent"
        if not under_way:
            return "between the members and the judge"
        return "streaming" if self.said("TextDelta") else "before the first text"


def scenario(rng: random.Random) -> tuple[list[str], dict[str, Any]]:
    """Models of names nobody else uses, so that the server's count is of this run alone."""
    mark = rng.randrange(10**9)

    def model(kind: str) -> str:
        return f"{kind}/{rng.choice((0, 0.02, 0.1)):.2f}{mark:09d}/{rng.randint(3, 45)}/{rng.choice((60, 120, 400))}"

    pool = [model("rate").replace(f"{mark:09d}", f"{n}{mark:09d}") for n in range(3)]
    mode = rng.choice(("best-of", "merge", "debate"))
    return pool, {"judge": f"replay:{model('scripted-judge')}", "mode": mode, "then": rng.choice(("best-of", "merge"))}


def acknowledged(event: Event, state: FusionResult) -> dict[str, Any]:
    """What the child says it has seen."""
    said: dict[str, Any] = {"event": type(event).__name__}
    match event:
        case RunStarted():
            said["run"] = event.run
        case CallStarted():
            said |= {"call": event.call, "role": event.role, "model": event.ref.model}
        case CallAccepted():
            said |= {"call": event.call, "id": event.generation_id}
        case TextDelta():
            said |= {"call": event.call, "chars": len(event.text)}
        case CallEnded():
            said |= {"call": event.call, "reply": plain(replace(state.reply(event.call), started=0.0))}
        case VerdictReached():
            said["answer"] = event.verdict.answer
        case RunEnded():
            said["state"] = plain(state)
    return said


def child(work: Callable[[Callable[[dict[str, Any]], None]], None]) -> tuple[int, int]:
    """A forked process that does `work`, telling its acknowledgements to a pipe; its id and the pipe's end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    write = os.write
    try:
        os.close(reader)
        work(lambda ack: write(writer, json.dumps([time.monotonic(), ack]).encode() + b"\n") and None)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def run_of(kernel: Kernel, models: list[str], wish: dict[str, Any], order: Order | None, torn: int | None) -> Any:
    def work(ack: Callable[[dict[str, Any]], None]) -> None:
        if torn is not None:
            _tear(torn)
        session, planned = kernel.order(models, **wish)
        handle = kernel.start(session, order or planned)
        for event in handle.events():
            ack(acknowledged(event, handle.state))

    return work


def _tear(countdown: int) -> None:
    """Die in the middle of writing a line: after so many writes, half of one is written, and nothing ever again."""
    write, left = os.write, countdown

    def torn(fd: int, data: Any) -> int:
        nonlocal left
        left -= 1
        if left == 0 and len(data) > 1:
            write(fd, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(fd, data)

    os.write = torn  # type: ignore[assignment]


def killed(kernel: Kernel, rng: random.Random, models: list[str], wish: dict[str, Any]) -> Killed:
    """Start a run, and kill it: after a random time, after a random event, at the judge, in the middle of a write."""
    how = rng.choice(("time", "event", "event", "judge", "write"))
    torn = rng.randint(1, 40) if how == "write" else None
    pid, pipe = child(run_of(kernel, models, wish, None, torn))
    found = Killed(how)
    deadline = time.monotonic() + (rng.uniform(0, 0.9) if how == "time" else PATIENCE)
    # Deltas are many and the rest few: half of the time, only the rest is counted.
    counted = rng.choice(("all", "rest"))
    left = rng.randint(1, 60 if counted == "all" else 14)
    buffer = b""
    while (wait := deadline - time.monotonic()) > 0:
        if not select.select([pipe], [], [], wait)[0]:
            break
        data = os.read(pipe, 65_536)
        if not data:
            break
        buffer = _take(found, buffer + data)
        seen = sum(counted == "all" or ack["event"] != "TextDelta" for _, ack in found.acks)
        if how == "event" and seen >= left:
            time.sleep(rng.choice((0.0, 0.0, rng.uniform(0, 0.01), rng.uniform(0, 0.1))))
            break
        if how == "judge" and any(ack.get("role") == "judge" for _, ack in found.acks):
            time.sleep(rng.uniform(0, 0.3))
            break
    found.at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while data := os.read(pipe, 65_536):
        buffer = _take(found, buffer + data)
    os.close(pipe)
    return found


def _take(found: Killed, buffer: bytes) -> bytes:
    *lines, rest = buffer.split(b"\n")
    found.acks += [(at, ack) for at, ack in map(json.loads, lines)]
    return rest


def wrong(found: Killed, state: FusionResult) -> list[str]:
    """What is not on disk of what was acknowledged; what is there and should not be."""
    replies = {reply.call: reply for reply in state.replies}
    checks = {
        "a call that was seen to begin": [(ack["call"], ack["call"] in replies) for ack in found.said("CallStarted")],
        "a generation id": [
            (ack["call"], replies[ack["call"]].generation_id == ack["id"]) for ack in found.said("CallAccepted")
        ],
        "a finished reply": [
            (ack, plain(replace(replies[ack["call"]], started=0.0)) == ack["reply"]) for ack in found.said("CallEnded")
        ],
        "a verdict": [(ack, ack["answer"] == state.answer) for ack in found.said("VerdictReached")],
        "a finished run": [(ack, ack["state"] == plain(state)) for ack in found.said("RunEnded")],
        f"text seen {LOSS} s before the end": [
            (call, len(replies[call].text) >= chars) for call, chars in _text_seen(found, found.at - LOSS).items()
        ],
    }
    problems = [f"{what} is lost, or another: {of}" for what, held in checks.items() for of, there in held if not there]
    for reply in state.replies:
        if reply.role == "candidate" and not "".join(numbered(60)).startswith(reply.text):
            problems.append(f"call {reply.call} says what nobody said: {reply.text!r}")
        if reply.status is None:
            problems.append(f"call {reply.call} has no end")
    return problems


def _text_seen(found: Killed, until: float) -> Counter[int]:
    """Characters of each call that were seen by then."""
    seen: Counter[int] = Counter()
    for at, ack in found.acks:
        if ack["event"] == "TextDelta" and at <= until:
            seen[ack["call"]] += ack["chars"]
    return seen


def requests(url: str) -> dict[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url.replace("/api/v1", "/stats"), timeout=10) as response:
        found: dict[str, int] = json.load(response)["requests"]
        return found


def asked_for(run: str) -> Counter[str]:
    """How often each model was to be asked, as the run's file has it."""
    events = read(find(run)).events
    return Counter(e.ref.model for e in events if isinstance(e, CallStarted) and not e.kept_from)


def resumed(kernel: Kernel, found: Killed, state: FusionResult, models: list[str], wish: dict[str, Any]) -> list[str]:
    """Finish the run in another process; what is wrong with the outcome."""
    pid, pipe = child(run_of(kernel, models, wish, again.resume(state), None))
    second, buffer = Killed("never"), b""
    deadline = time.monotonic() + PATIENCE
    while (wait := deadline - time.monotonic()) > 0 and select.select([pipe], [], [], wait)[0]:
        data = os.read(pipe, 65_536)
        if not data:
            break
        buffer = _take(second, buffer + data)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(pipe)
    if second.run is None or not second.said("RunEnded"):
        return ["the resumed run did not end"]
    whole = load(second.run, FusionResult())
    problems = [] if whole.status == "ok" and whole.answer else [f"the resumed run ended as {whole.status}"]
    if whole.of != state.run:
        problems.append("the resumed run does not say of which it is")
    kept = [r.ref.name for r in whole.replies if r.kept_from == state.run]
    for ack in found.said("CallEnded"):
        reply = state.reply(ack["call"])
        if reply.role == "candidate" and reply.ref.name not in kept:
            problems.append(f"{reply.ref.name} had answered and was asked again")
    told = asked_for(state.run) + asked_for(whole.run)
    heard = requests(kernel.url)
    problems += [f"{m} was asked {heard[m]} times, {told[m]} are on record" for m in told if heard.get(m, 0) > told[m]]
    return problems


def one(kernel: Kernel, rng: random.Random) -> dict[str, Any]:
    models, wish = scenario(rng)
    found = killed(kernel, rng, models, wish)
    told: dict[str, Any] = {"how": found.how, "phase": found.phase, "run": found.run, "wrong": [], "resumed": False}
    if found.run is None:
        return told
    state = load(found.run, FusionResult())
    told["wrong"] = wrong(found, state)
    heard, asked = requests(kernel.url), asked_for(found.run)
    for model in (*models, wish["judge"].removeprefix("replay:")):
        if heard.get(model, 0) > asked[model]:
            told["wrong"].append(f"{model} was asked {heard[model]} times, {asked[model]} are on record")
    told["finished"] = len(found.said("CallEnded"))
    told["tail"] = _tail(found, state)
    if state.verdict is None:
        told["resumed"] = True
        told["wrong"] += resumed(kernel, found, state, models, wish)
    return told


def _tail(found: Killed, state: FusionResult) -> float:
    """Seconds before the kill at which the oldest lost character was seen; 0 where none is lost."""
    seen: Counter[int] = Counter()
    for at, ack in found.acks:
        if ack["event"] == "TextDelta":
            seen[ack["call"]] += ack["chars"]
            if len(state.reply(ack["call"]).text) < seen[ack["call"]]:
                return max(0.0, found.at - at)
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    kernel, rng = Kernel(given.url), random.Random(given.seed)
    for _ in range(given.kills):
        print(json.dumps(one(kernel, rng)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
