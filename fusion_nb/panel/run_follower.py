"""A widget that follows a run without waiting for it: on the kernel's own loop, or on a thread where there is none."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from traitlets import Bool

from fusion_nb import api
from fusion_nb.core import engine_thread
from fusion_nb.core.events import Event
from fusion_nb.errors import RunFailed, UserError
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run
from fusion_nb.views import escape
from fusion_nb.views.panel_messages import INTERVAL, Feed
from fusion_nb.views.widget import Message, View


class RunFollower(View):
    """One run at a time: shown as it goes on, kept when it ends."""

    busy = Bool(read_only=True, help="Whether a run is under way.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._home = engine_thread.running_loop()
        self._run: Run | None = None
        self._following: asyncio.Task[None] | None = None
        self._view_failed = False
        super().__init__(**traits)

    def stop(self) -> None:
        """End the run that is under way as `cancelled`; what was received is kept."""
        if self._run is not None:
            self._run.stop()

    def stop_call(self, call: int) -> None:
        """End one call of the run that is under way as `cancelled`; the run goes on with the others.

        Raises `UserError` where there is no such call, or it has ended.
        """
        self._under_way().stop_call(call)

    def retry_call(self, call: int) -> None:
        """Ask the member of a call once more within the run that is under way; the judge waits for it.

        Raises `UserError` where it has answered, or the judge reads already.
        """
        self._under_way().retry_call(call)

    def answering(self, do: Callable[[Message], Any], *, aside: bool = False) -> Callable[[Message], None]:
        """`do` on the kernel's own loop, with what it returns sent back to who asked. What a person did wrong is said,
        not raised. `aside`: on a thread, for what may wait for a network."""

        def received(message: Message) -> None:
            # Messages come on a thread of the kernel's where the front end chose that.
            if aside:
                threading.Thread(target=self.respond, args=(message, do), name="fusion_nb-aside", daemon=True).start()
            elif self._home is None or self._home is engine_thread.running_loop():
                self.respond(message, do)
            else:
                self._home.call_soon_threadsafe(self.respond, message, do)

        return received

    def _keep(self, result: FusionResult) -> None:
        """Take in a run that has ended."""

    def _under_way(self) -> Run:
        if self._run is None or not self.busy:
            raise UserError("No run is under way in this panel.")
        return self._run

    def _must_be_idle(self) -> None:
        if self.busy:
            raise UserError("A run is under way in this panel: stop it first, or open another panel.")

    def _begin(self, run: Run) -> None:
        self._run = run
        self._feed = Feed(self.send_message, self.set_snapshot)
        self._view_failed = False
        self.set_trait("busy", True)
        loop = engine_thread.running_loop()
        if loop is None:
            threading.Thread(target=self._follow_on_thread, args=(run,), name="fusion_nb-panel", daemon=True).start()
        else:
            # The kernel's own loop: whoever observes `result` is called where cells run.
            self._following = loop.create_task(self._follow(run))

    def _update_view(self, update: Callable[[], None]) -> None:
        """Do what changes the view. Whatever it raises, the run goes on and its result is kept; one warning says so."""
        try:
            update()
        except Exception as error:  # noqa: BLE001  a view must not cost the answers that are paid
            if not self._view_failed:
                reason = escape.safe_line(f"{type(error).__name__}: {error}")
                print(f"fusion_nb: the panel's view failed ({reason}); the run goes on.", file=sys.stderr)
            self._view_failed = True

    def _show_events(self, events: Sequence[Event]) -> None:
        if not self._view_failed:
            self._update_view(lambda: self._feed.handle_events(events))

    async def _follow(self, run: Run) -> None:
        load = threading.Thread(target=api.load_pandas, name="fusion_nb-pandas", daemon=True)
        try:
            while True:
                done = run.done
                self._show_events(run.take())
                if not load.ident and any(reply.text for reply in run.result.replies):
                    load.start()
                if done:
                    break
                await asyncio.sleep(INTERVAL / 2)
            self._keep(await run.wait())
        except RunFailed as failed:
            self._keep(failed.result)
        finally:
            self.set_trait("busy", False)

    def _follow_on_thread(self, run: Run) -> None:
        try:
            self._keep(run.finish(hear=self._show_events))
        except RunFailed as failed:
            self._keep(failed.result)
        finally:
            self.set_trait("busy", False)
