"""A kernel in a process of its own, told what to do over a pipe: its runs can be stopped, gone on with, and killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import fusion_nb
from fusion_nb import history
from fusion_nb.errors import FusionError
from fusion_nb.options import settle
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.run.run_handle import Run

JUDGE = "openrouter:judge-2"


class Kernel:
    """Its methods are the commands."""

    def __init__(self, url: str, session_cap: str, day_cap: str) -> None:
        self._services = {"openrouter": {"base_url": url}}
        caps = {"max_cost_per_session": session_cap, "max_cost_per_day": day_cap}
        self._options: dict[str, Any] = {"services": self._services, **caps}
        self._runs: dict[str, Run] = {}
        fusion_nb.estimate("What?", [JUDGE], services=self._services)

    def start(self, prompt: str, pool: list[str], max_cost: str) -> str:
        options = {"judge": JUDGE, "max_tokens": 400, "max_cost": max_cost, **self._options}
        return self._keep(lambda: fusion_nb.stream(prompt, pool, "best-of", **options))

    def derive(self, verb: str, run: str, max_cost: str | None) -> str:
        options = {**self._options, **({} if max_cost is None else {"max_cost": max_cost})}
        members = ["openrouter:late-6"] if verb == "add" else None
        return self._keep(lambda: history.begin_derived(verb, run, members=members, **options))

    def stop(self, run: str) -> None:
        self._runs[run].stop()

    def wait(self, run: str, seconds: float) -> bool:
        self._runs[run].pause(seconds)
        return self._runs[run].done

    def reconcile(self) -> list[str]:
        """Ask for every bill that is still open; the generations that any record names."""
        resolver = Resolver(settle("resume", {"services": self._services}))
        known = set()
        for run in history.runs()["run"]:
            state = history.reconcile(history.load(run), resolver)
            known |= {reply.generation_id for reply in state.replies if reply.generation_id}
        return sorted(known)

    def _keep(self, begin: Callable[[], Run]) -> str:
        """The id of what has begun, or the sentence that refuses it."""
        try:
            run = begin()
        except FusionError as refused:
            return f"refused: {refused}"
        while not run.result.run:
            run.pause(0.01)
        self._runs[run.result.run] = run
        return run.result.run


def main(pipe: Connection, home: str, *given: str) -> None:
    """Obey until the pipe closes."""
    os.environ["FUSION_NB_HOME"] = home
    kernel = Kernel(*given)
    pipe.send(None)
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(getattr(kernel, name)(*arguments))
