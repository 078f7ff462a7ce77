"""The panel with hands: pick a pool, write, run, stop, compare, decide, take the DataFrame."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets
from IPython.core.display_functions import DisplayHandle, display
from IPython.core.getipython import get_ipython
from traitlets import Any as AnyTrait
from traitlets import Dict, Float, Instance, List, Unicode

from fusion_nb import _shelf, ahead, api, history, known
from fusion_nb._choice import choose
from fusion_nb._errors import UserError
from fusion_nb._following import Following
from fusion_nb._result import FusionResult
from fusion_nb.views import bundle, forecast
from fusion_nb.views.feed import snapshot
from fusion_nb.views.watched import watched

_GONE = "The panel closed with its kernel. Run the cell again to open it."


class Panel(Following):
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
        for kind in ("run", "rejudge", "search", "choose", "markdown", "frame"):
            self.on(kind, self.answering(getattr(self, f"_on_{kind}")))
        self.on("stop", lambda _: self.stop())
        self.on("again", self._on_again)
        self.on("estimate", self.answering(self._on_estimate, aside=True))
        self.observe(self._advise, ["pool", "judge"])
        self._advise()
        if result is not None:
            self._begin_with(result, mine=bool(prompt))
        _open.add(self)

    def run(self) -> None:
        """Start a run of what the panel shows and return at once; `result` is set when it ends.

        Raises `UserError` where it cannot be sent as written, or one is under way.
        """
        self._must_be_idle()
        known.refuse_key(self.prompt)
        self._begin(api.stream(self.prompt, list(self.pool) or None, **self._form()))

    def rejudge(self, judge: str = "", mode: str | None = None) -> None:
        """Put the candidates of `result` before a judge again, and return at once; no candidate is asked or paid.

        Raises `UserError` where there is nothing to judge, a debate is asked for, or a run is under way.
        """
        self._must_be_idle()
        if self.result is None:
            raise UserError("There is no run to judge again yet.")
        self._begin(history.judging(self.result, judge=judge or None, mode=mode, **self._names))

    def choose(self, call: int) -> None:
        """Take a candidate as the answer instead of what the judge decided; the record says that a person did."""
        if self.result is None:
            raise UserError("There is no run to choose from yet.")
        self._keep(choose(self.result, call))

    def open(self) -> None:
        """Reach the front end; where there is none, the panel works from Python and shows what a file can keep."""
        alone = hasattr(get_ipython(), "kernel") and not watched()
        if not alone or os.environ.get("FUSION_NB_UI") == "panel":
            super().open()

    def close(self) -> None:
        """Take the panel off the screen; what a saved notebook can keep stands in its place."""
        shown, self._shown = self._shown, []
        for handle in shown:
            handle.update(self._kept(), raw=True)  # type: ignore[no-untyped-call]
        super().close()

    def __repr__(self) -> str:
        state = "running" if self.busy else self.result.status if self.result is not None else "not run yet"
        way = "A notebook shows it; from Python: run(), stop(), result, frame."
        return f"<Panel {list(self.pool)} {self.mode}: {state}. {way}>"

    def _ipython_display_(self) -> None:
        if self.comm is None:
            display(self._kept(), raw=True)  # type: ignore[no-untyped-call]
            return
        # Through a handle, so that what stands there can be changed when the widget ends: a saved notebook that names a
        # widget whose kernel is gone shows nothing but an error.
        handle = display(self.bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._shown.append(handle)

    def _kept(self) -> dict[str, str]:
        if self.result is None:
            return {"text/html": f"<p>{_GONE}</p>", "text/plain": _GONE}
        return bundle(self.result, foot=f'<p class="fnb-meta">{_GONE}</p>')

    def _keep(self, result: FusionResult) -> None:
        self.show(snapshot(result, result.seconds))
        self.result = result
        self.frame = result.frame()

    def _begin_with(self, result: FusionResult, *, mine: bool) -> None:
        """Show that run, and where no prompt of this panel's own was given, what it asked of whom."""
        if not mine:
            self.prompt, self.pool, self.mode = result.prompt, _shelf.entries(result.pool), result.mode
        self._keep(result)

    def _form(self) -> dict[str, Any]:
        return {"mode": self.mode, "judge": self.judge or None, "max_cost": self.max_cost, **self._options}

    def _advise(self, change: Any = None) -> None:
        self.advice = _shelf.advice(self.pool, self.judge, self._names)

    def _on_run(self, message: dict[str, Any]) -> None:
        form = {name: value for name, value in message["form"].items() if name in _FORM}
        try:
            with self.hold_trait_notifications():
                for name, value in form.items():
                    setattr(self, name, value)
        except traitlets.TraitError as error:
            raise UserError(str(error)) from None
        self.run()

    def _on_rejudge(self, message: dict[str, Any]) -> None:
        self.rejudge(str(message.get("judge") or ""), str(message.get("mode") or self.mode))

    def _on_estimate(self, message: dict[str, Any]) -> Mapping[str, Any]:
        if not self.prompt.strip():
            return {"text": ""}
        found = ahead.estimate(self.prompt, list(self.pool) or None, **self._form())
        problems = [problem.sentence for problem in found.problems]
        return {"text": forecast.summary(found.forecast), "problems": problems}

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
