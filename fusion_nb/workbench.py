"""The panel with hands: pick a pool, write, run, stop, compare, decide, take the DataFrame."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets
from IPython.core.display_functions import DisplayHandle, display
from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Float, Instance, List, Unicode

from fusion_nb import _shelf, api, known
from fusion_nb._choice import chosen
from fusion_nb._errors import FusionError, RunFailed, UserError
from fusion_nb._result import FusionResult
from fusion_nb.run import loop
from fusion_nb.views import bundle
from fusion_nb.views.feed import INTERVAL, Feed, snapshot
from fusion_nb.views.widget import View

_GONE = "The panel closed with its kernel. Run the cell again to open it."


class Panel(View):
    """A workbench for pools: everything `%%fuse` does, with the mouse.

    Args:
        prompt, pool, mode, judge, max_cost: as `fuse()` takes them; the panel shows and changes them.
        result: a run to begin with.
        options: what else `fuse()` takes (`system`, `seed`, `criteria`, ...), for every run of this panel.

    `result` and `frame` are the newest run's; all of these are traits, to observe and to link. `run()` starts a run and
    returns at once, `stop()` ends it.

    >>> panel = fusion_nb.Panel("Why is the sky blue?", pool="claude,gemini,gpt4o")
    >>> panel
    """

    pool = List(Unicode(), help="Members; empty: what the keys at hand allow.").tag(sync=True)
    prompt = Unicode().tag(sync=True)
    mode = Unicode("merge").tag(sync=True)
    judge = Unicode(help="Empty: a strong model outside the pool.").tag(sync=True)
    max_cost = Float(None, allow_none=True, help="USD.").tag(sync=True)
    busy = Bool(read_only=True, help="Whether a run is under way.").tag(sync=True)
    advice = Dict(help="Who would be asked, and what to know of it.").tag(sync=True)
    offers = Dict(help="What can be picked without a search, and the presets.").tag(sync=True)
    result = Instance(FusionResult, allow_none=True, help="The newest run that ended.")
    frame = AnyTrait(help="Its DataFrame: one row per call.")

    def __init__(
        self,
        prompt: str = "",
        pool: str | Sequence[str] = (),
        mode: str = "merge",
        *,
        judge: str = "",
        max_cost: float | None = None,
        result: FusionResult | None = None,
        **options: Any,
    ) -> None:
        known.refuse_key(prompt)
        self._options = options
        self._names = {name: options.get(name) for name in ("aliases", "services")}
        self._home = loop.running()
        self._run: api.Run | None = None
        self._following: asyncio.Task[None] | None = None
        self._shelf = _shelf.Shelf(self._names)
        self._shown: list[DisplayHandle] = []
        members = [entry.strip() for entry in pool.split(",")] if isinstance(pool, str) else list(pool)
        super().__init__(
            kind="workbench",
            prompt=prompt,
            pool=[entry for entry in members if entry],
            mode=mode,
            judge=judge,
            max_cost=max_cost,
            offers={"rows": self._shelf.known, "presets": _shelf.presets()},
        )
        for kind in ("run", "stop", "again", "search", "choose", "markdown", "frame"):
            self.on(kind, self._answering(getattr(self, f"_on_{kind}")))
        self.observe(self._advise, ["pool", "judge"])
        self._advise()
        if result is not None:
            self._begin_with(result, mine=bool(prompt))
        _open.add(self)

    def run(self) -> None:
        """Start a run of what the panel shows and return at once; `result` is set when it ends.

        Raises `UserError` where it cannot be sent as written, or one is under way.
        """
        if self.busy:
            raise UserError("A run is under way in this panel: stop it first, or open another panel.")
        known.refuse_key(self.prompt)
        given = {"judge": self.judge or None, "max_cost": self.max_cost, **self._options}
        run = api.stream(self.prompt, list(self.pool) or None, mode=self.mode, **given)
        self._run = run
        self._feed = Feed(self.tell, self.show)
        self.set_trait("busy", True)
        here = loop.running()
        if here is None:
            threading.Thread(target=self._follow_to_the_end, args=(run,), name="fusion_nb-panel", daemon=True).start()
        else:
            # The kernel's own loop: whoever observes `result` is called where cells run.
            self._following = here.create_task(self._follow(run))

    def stop(self) -> None:
        """End the run that is under way as `cancelled`; what was received is kept."""
        if self._run is not None:
            self._run.stop()

    def choose(self, call: int) -> None:
        """Take a candidate as the answer instead of what the judge decided; the record says that a person did."""
        if self.result is None:
            raise UserError("There is no run to choose from yet.")
        self._keep(chosen(self.result, call))

    def close(self) -> None:
        """Take the panel off the screen; what a saved notebook can keep stands in its place."""
        shown, self._shown = self._shown, []
        for handle in shown:
            handle.update(self._kept(), raw=True)  # type: ignore[no-untyped-call]
        super().close()

    def _ipython_display_(self) -> None:
        # Through a handle, so that what stands there can be changed when the widget ends: a saved notebook that names a
        # widget whose kernel is gone shows nothing but an error.
        handle = display(self.bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._shown.append(handle)

    def _kept(self) -> dict[str, str]:
        if self.result is None:
            return {"text/html": f"<p>{_GONE}</p>", "text/plain": _GONE}
        return bundle(self.result, foot=f'<p class="fnb-meta">{_GONE}</p>')

    async def _follow(self, run: api.Run) -> None:
        load = threading.Thread(target=known.load_frame, name="fusion_nb-pandas", daemon=True)
        while True:
            done = run.done
            self._feed.hear(run.take())
            if load is not None and not load.ident and any(reply.text for reply in run.result.replies):
                load.start()
            if done:
                break
            await asyncio.sleep(INTERVAL / 2)
        try:
            self._ended(await run.wait())
        except RunFailed as failed:
            self._ended(failed.result)
        finally:
            self.set_trait("busy", False)

    def _follow_to_the_end(self, run: api.Run) -> None:
        try:
            self._ended(run.finish(hear=self._feed.hear))
        except RunFailed as failed:
            self._ended(failed.result)
        finally:
            self.set_trait("busy", False)

    def _ended(self, result: FusionResult) -> None:
        self._run = None
        self._keep(result)

    def _keep(self, result: FusionResult) -> None:
        self.show(snapshot(result, result.seconds))
        self.result = result
        self.frame = result.frame()

    def _begin_with(self, result: FusionResult, *, mine: bool) -> None:
        """Show that run, and where no prompt of this panel's own was given, what it asked of whom."""
        if not mine:
            self.prompt, self.pool, self.mode = result.prompt, _shelf.entries(result.pool), result.mode
        self._keep(result)

    def _advise(self, change: Any = None) -> None:
        self.advice = _shelf.advice(self.pool, self.judge, self._names)

    def _answering(self, do: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], None]:
        """`do` on the kernel's own loop, with what it returns sent back to who asked. What a person did wrong is said,
        not raised."""

        def at_home(message: dict[str, Any]) -> None:
            # Messages come on a thread of the kernel's where the front end chose that; only stopping is for any thread.
            if self._home is None or self._home is loop.running() or do in (self._on_stop, self._on_again):
                answer(message)
            else:
                self._home.call_soon_threadsafe(answer, message)

        def answer(message: dict[str, Any]) -> None:
            try:
                said = do(message) or {}
            except FusionError as error:
                said = {"error": str(error)}
            if "id" in message:
                self.tell({"kind": "reply", "id": message["id"], **said})

        return at_home

    def _on_run(self, message: dict[str, Any]) -> None:
        form = {name: value for name, value in message["form"].items() if name in _FORM}
        try:
            with self.hold_trait_notifications():
                for name, value in form.items():
                    setattr(self, name, value)
        except traitlets.TraitError as error:
            raise UserError(str(error)) from None
        self.run()

    def _on_stop(self, message: dict[str, Any]) -> None:
        self.stop()

    def _on_again(self, message: dict[str, Any]) -> None:
        if self.busy:
            self._feed.again()
        elif self.result is not None:
            self.show(snapshot(self.result, self.result.seconds))

    def _on_choose(self, message: dict[str, Any]) -> None:
        self.choose(int(message["call"]))

    def _on_markdown(self, message: dict[str, Any]) -> Mapping[str, Any]:
        return {"text": self.result.to_markdown() if self.result is not None else ""}

    def _on_frame(self, message: dict[str, Any]) -> Mapping[str, Any]:
        if self.result is not None:
            self.frame = self.result.frame()
        rows, columns = (0, 0) if self.frame is None else self.frame.shape
        return {"rows": rows, "columns": columns}

    def _on_search(self, message: dict[str, Any]) -> Mapping[str, Any]:
        rows, count = self._shelf.search(str(message.get("words", "")))
        return {"rows": rows, "count": count}


_open: weakref.WeakSet[Panel] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for panel in list(_open):
        with contextlib.suppress(Exception):
            panel.close()


_FORM = ("prompt", "pool", "mode", "judge", "max_cost")
