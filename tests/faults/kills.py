"""Kills real ipykernels in the middle of `%%fuse` cells, with SIGKILL, and looks at what is on disk and whether `resume`
ends the run. Prints one JSON object a kill. Needs Linux (or another Unix)."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from fusion_nb.core.events import CallStarted
from fusion_nb.journal.run_files import read
from fusion_nb.journal.run_reader import find, load
from fusion_nb.run.result import FusionResult
from tests.faults.kernels import Forked, Forks, forks
from tests.faults.screen import Screen, lost, tail
from tests.replay.models import numbered

LOSS = 0.25
"""Seconds of streamed text that may be missing."""
PATIENCE = 20.0
SETUP = """
%load_ext fusion_nb
_services = {{"replay": {{"base_url": {url!r}}}}}
%config Fuse.services = _services
"""


@dataclass
class Killed:
    """One kernel, from its cell's start to its death."""

    how: str
    screen: Screen = field(default_factory=Screen)
    at: float = 0.0
    """The second it was killed, by the wall clock."""


def scenario(rng: random.Random) -> tuple[list[str], str, str]:
    """Members, judge and mode; models of names nobody else uses, so that the server's count is of this run alone."""
    mark = rng.randrange(10**9)

    def model(kind: str) -> str:
        return f"{kind}/{rng.choice((0, 0.02, 0.1)):.2f}{mark:09d}/{rng.randint(3, 45)}/{rng.choice((60, 120, 400))}"

    pool = [model("rate").replace(f"{mark:09d}", f"{n}{mark:09d}") for n in range(3)]
    mode = rng.choice(("best-of", "merge", "debate --then best-of", "debate --then merge"))
    return pool, model("scripted-judge"), mode


def run(kernel: Forked, cell: str) -> str:
    """A cell run to its end; what it printed."""
    printed: list[str] = []

    def heard(message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            printed.append("\n".join(message["content"]["traceback"]))
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    kernel.client.execute_interactive(cell, timeout=PATIENCE, output_hook=heard)
    return "".join(printed)


def killed(kernel: Forked, rng: random.Random, cell: str) -> Killed:
    """Run the cell and kill its kernel: after a random time, a random message, at the judge, in the middle of a write."""
    found = Killed(rng.choice(("time", "message", "message", "judge", "write")))
    if found.how == "write":
        run(kernel, f"from tests.faults.torn import tear; tear({rng.randint(1, 40)})")
    kernel.client.execute(cell)
    deadline = time.monotonic() + (rng.uniform(0, 1.2) if found.how == "time" else PATIENCE)
    messages = rng.randint(0, 25)
    while (wait := deadline - time.monotonic()) > 0:
        try:
            message = kernel.client.get_iopub_msg(timeout=min(wait, 0.2))
        except Empty:
            if not _alive(kernel.pid):
                break
            continue
        found.screen.take(message)
        if found.how == "message" and found.screen.shown >= messages:
            time.sleep(rng.choice((0.0, 0.0, rng.uniform(0, 0.01), rng.uniform(0, 0.1))))
            break
        if found.how == "judge" and any(reply.role == "judge" for reply in found.screen.state.replies):
            time.sleep(rng.uniform(0, 0.3))
            break
        if message["msg_type"] == "status" and found.screen.state.status != "running":
            break
    found.at = time.time()
    if _alive(kernel.pid):
        kernel.kill()
    _drain(kernel, found.screen)
    return found


def _drain(kernel: Forked, screen: Screen) -> None:
    """What it had sent before its death: a front end shows that too."""
    while _alive(kernel.pid):
        time.sleep(0.002)
    try:
        while True:
            screen.take(kernel.client.get_iopub_msg(timeout=0.05))
    except Empty:
        kernel.leave()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wrong(found: Killed, state: FusionResult) -> list[str]:
    """What is not on disk of what was seen; what is there and should not be."""
    problems = lost(found.screen, state, found.at, LOSS)
    for reply in state.replies:
        if reply.role == "candidate" and not "".join(numbered(60)).startswith(reply.text):
            problems.append(f"call {reply.call} says what nobody said: {reply.text!r}")
        if reply.status is None:
            problems.append(f"call {reply.call} has no end")
    return problems


def requests(url: str) -> dict[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url.replace("/api/v1", "/stats"), timeout=10) as response:
        found: dict[str, int] = json.load(response)["requests"]
        return found


def asked_for(run: str) -> Counter[str]:
    """How often each model was to be asked, as the run's file has it."""
    events = read(find(run)).events
    return Counter(e.ref.model for e in events if isinstance(e, CallStarted) and not e.kept_from)


def resumed(second: Forked, found: Killed, state: FusionResult, url: str) -> list[str]:
    """Finish the run by `%fuse --resume` in another kernel; what is wrong with the outcome."""
    said = run(second, f"_ = get_ipython().run_line_magic('fuse', '--resume {state.run} -q')\n"
                       "import fusion_nb; print('of', fusion_nb.last().run)")  # fmt: skip
    if "of " not in said:
        return [f"the run could not be resumed: {said}"]
    whole = load(said.split("of ")[-1].strip(), FusionResult())
    problems = [] if whole.status == "ok" and whole.answer else [f"the resumed run ended as {whole.status}"]
    if whole.of != state.run:
        problems.append("the resumed run does not say of which it is")
    kept = [r.ref.name for r in whole.replies if r.kept_from == state.run]
    answered = [r for r in found.screen.state.replies if r.role == "candidate" and r.round == 0 and r.status]
    problems += [f"{r.ref.name} had answered and was asked again" for r in answered if r.ref.name not in kept]
    known = [r for r in load(state.run, FusionResult()).replies if r.error == "crashed" and r.generation_id]
    problems += [f"nobody asked what call {r.call} cost" for r in known if r.cost is None]
    told, heard = asked_for(state.run) + asked_for(whole.run), requests(url)
    problems += [f"{m} was asked {heard[m]} times, {told[m]} are on record" for m in told if heard.get(m, 0) > told[m]]
    return problems


def one(forked: Forks, second: Forked, rng: random.Random, url: str) -> dict[str, Any]:
    pool, judge, mode = scenario(rng)
    kernel = forked.kernel()
    said = run(kernel, SETUP.format(url=url))
    names = ",".join(f"replay:{model}" for model in pool)
    found = killed(kernel, rng, f"%%fuse --pool {names} --judge replay:{judge} --mode {mode}\nCount.")
    screen = found.screen
    told: dict[str, Any] = {
        "how": found.how,
        "phase": screen.phase,
        "run": screen.state.run,
        "wrong": [],
        "resumed": False,
    }
    if "Error" in said:
        told["wrong"] = [said]
    if not screen.state.run:
        return told
    if found.how == "write":
        # It died with its last write; that is noticed here a moment later.
        found.at = min(found.at, find(screen.state.run).stat().st_mtime)
    state = load(screen.state.run, FusionResult())
    told["wrong"] += wrong(found, state)
    heard, asked = requests(url), asked_for(state.run)
    for model in (*pool, judge):
        if heard.get(model, 0) > asked[model]:
            told["wrong"].append(f"{model} was asked {heard[model]} times, {asked[model]} are on record")
    told["finished"] = sum(reply.status is not None for reply in screen.state.replies)
    told["tail"] = tail(screen, state, found.at)
    if state.verdict is None:
        told["resumed"] = True
        told["wrong"] += resumed(second, found, state, url)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with forks({"FUSION_NB_UI": "panel"}) as forked:
        second = forked.kernel()
        run(second, SETUP.format(url=given.url))
        for _ in range(given.kills):
            print(json.dumps(one(forked, second, rng, given.url)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
