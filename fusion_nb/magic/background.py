"""`--background`: a run that goes on while other cells run, held by a handle, seen where its cell's output is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from fusion_nb.errors import FusionError, RunFailed
from fusion_nb.magic.displays import GuardedScreen
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run, raise_if_failed
from fusion_nb.views import run_text

_LOOK = 0.1
"""Seconds between two looks at whether it is over."""
_START = 1.0
"""Seconds that a run's first event may take before the view begins without it."""


class Background:
    """A run under way in the background.

    `result` and `frame` hold what is there so far, `done` tells whether that is all; `wait()` waits for the end,
    `stop()` ends it, `stop_call(call)` and `retry_call(call)` end or repeat one call. An interrupt ends a `wait()` or
    another cell, never this run.
    """

    def __init__(self, begun: Run | FusionResult, view: Callable[[Callable[[str], None]], GuardedScreen]) -> None:
        self._begun = begun
        self._trouble: list[str] = []
        self._view = view(self._trouble.append)
        self._ended: FusionResult | None = None
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._met = False
        self.told = False
        """Whether somebody has heard of the end: by `wait()`, or in place."""
        if isinstance(begun, Run):
            self._view.steer(begun)
            _until_started(begun)
            self._view.open(begun.result)
            # Not on the kernel's loop: a cell that blocks it would freeze the view.
            threading.Thread(target=self._follow, name="fusion_nb-background", daemon=True).start()
        else:
            self._follow()

    @property
    def done(self) -> bool:
        return self._over.is_set()

    @property
    def result(self) -> FusionResult:
        """Everything known so far; the finished result once the run is over, be it a failed one."""
        if self._ended is not None:
            return self._ended
        return self._begun.result if isinstance(self._begun, Run) else self._begun

    @property
    def frame(self) -> Any:
        """The DataFrame of `result`: one row per call, those under way too."""
        return self.result.frame()

    @property
    def watched(self) -> bool:
        """Whether the end can be seen where the cell's output is."""
        return self._view.in_place

    @property
    def failed(self) -> bool:
        """Whether it is over and nobody answered, or something broke."""
        return self._error is not None

    def wait(self, timeout: float | None = None) -> FusionResult:
        """Wait for the end, `timeout` seconds at most, and give `result`. Raises `RunFailed` where every member failed.

        An interrupt ends the waiting; the run goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while not self.done and (until is None or time.monotonic() < until):
            step = _LOOK if until is None else max(0.0, min(_LOOK, until - time.monotonic()))
            if isinstance(self._begun, Run) and not self._begun.done:
                self._begun.pause(step)
            else:
                self._over.wait(step)
        self.told = self.told or self.done
        if self._error is not None:
            raise self._error
        return self.result

    def stop(self) -> None:
        """End the run as `cancelled`; what was received is kept."""
        if isinstance(self._begun, Run):
            self._begun.stop()

    def stop_call(self, call: int) -> None:
        """End one call as `cancelled`; the run goes on with the others."""
        self._run.stop_call(call)

    def retry_call(self, call: int) -> None:
        """Ask the member of a call that is under way or has failed once more, in this run."""
        self._run.retry_call(call)

    def __repr__(self) -> str:
        state = self.result
        candidates = [reply for reply in state.replies if reply.role == "candidate"]
        progress = (
            f"{sum(reply.status is not None for reply in candidates)} of {len(candidates)} replies, "
            if not self.done
            else ""
        )
        trouble = f" {' '.join(self._trouble)}" if self._trouble else ""
        failed = f" {state.error}" if self.done and state.error else ""
        return f"<run {state.run} in the background: {progress}{run_text.headline(state)}.{failed}{trouble} {_HOW}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # What its own cell shows first stays there, in a saved notebook too: nothing that will not be true then.
        run = self._begun.run
        printer.text(repr(self) if self._met else f"<run {run} in the background: {_HOW}>")
        self._met = True

    def line(self, name: str | None) -> str:
        """What to tell of the end in one line. `name`: what the handle is bound to, `None` where to nothing."""
        state = self.result
        what = f"failed: {state.error or self._error}" if self.failed else "is over"
        trouble = f" {' '.join(self._trouble)}" if self._trouble else ""
        kept = not isinstance(self._begun, Run) or self._begun.kept
        # Bound to nothing: by its id, for another run may be the last one by then.
        way = f"{name}.result" if name else f'fusion_nb.load("{state.run}")' if kept else "fusion_nb.last()"
        return f"fusion_nb: run {state.run} {what} ({run_text.headline(state)}). {way} shows it.{trouble}"

    @property
    def _run(self) -> Run:
        if not isinstance(self._begun, Run):
            raise FusionError("It came from the journal: there is no call to act on.")
        return self._begun

    def _follow(self) -> None:
        begun = self._begun
        try:
            self._ended = begun.finish(self._view) if isinstance(begun, Run) else raise_if_failed(begun)
        except RunFailed as failed:
            self._ended, self._error = failed.result, failed
        except BaseException as error:  # noqa: BLE001  a thread has nobody to raise to: `wait()` raises it
            self._error = error
        self._view.finish(self.result)
        self.told = self.watched
        self._over.set()


def _until_started(run: Run) -> None:
    """Wait for a run's first event, which is a matter of milliseconds: it says whom the view is about. A front end
    that shows text alone keeps what it was shown first."""
    until = time.monotonic() + _START
    while not run.result.run and not run.done and time.monotonic() < until:
        time.sleep(0.002)


_HOW = ".result, .frame, .wait(), .stop()"


def announce(shell: Any, handle: Background, name: str | None, *, quiet: bool) -> None:
    """Tell of the end after the first cell that ends later, unless somebody has heard of it: nothing is written while
    a person types, and no failure is lost. `quiet`: tell of a failure alone."""

    def tell(*_: Any) -> None:
        if not handle.done:
            return
        shell.events.unregister("post_run_cell", tell)
        if not handle.told and (handle.failed or not quiet):
            print(handle.line(name))

    shell.events.register("post_run_cell", tell)
