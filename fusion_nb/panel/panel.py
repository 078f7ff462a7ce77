"""The panel with hands: pick a pool, write, run, stop, compare, decide, take the DataFrame."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import traitlets
from IPython.core.display_functions import DisplayHandle, display
from IPython.core.getipython import get_ipython
from traitlets import Any as AnyTrait
from traitlets import Instance

from fusion_nb import api, history
from fusion_nb.core.member_settings import PoolEntry
from fusion_nb.core.option_types import PanelOptions
from fusion_nb.errors import UserError
from fusion_nb.journal.maintenance import record_choice
from fusion_nb.options import settle
from fusion_nb.panel import earlier_run, model_picker
from fusion_nb.panel.pool_form import FORM, PoolForm
from fusion_nb.resolve.estimate import Estimate
from fusion_nb.resolve.spec_builder import refuse_key
from fusion_nb.run.result import FusionResult
from fusion_nb.views import bundle
from fusion_nb.views.panel_messages import snapshot
from fusion_nb.views.widget import NO_OUTPUT, Message, call_number, has_front_end, static_fallback

Judges = PoolEntry | Sequence[PoolEntry]
_GONE = "The panel is there while its kernel runs. Run the cell again to open it."


class Panel(PoolForm):
    """A workbench for pools: everything `%%fuse` does, with the mouse.

    Args:
        prompt, pool, mode, judge, max_cost, check, extract, escalate, agree: as `fuse()` takes them, Python functions
            too; the panel shows and changes them, functions by their names.
        result: a run to begin with, or its id.

    `result` and `frame` are the newest run's; all of these are traits, to observe and to link. `run()` starts a run and
    returns at once, `stop()` ends it, `stop_call()` and `retry()` end or repeat one member.

    >>> import fusion_nb
    >>> panel = fusion_nb.Panel("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> panel.run()
    >>> panel.stop()
    """

    result = Instance(FusionResult, allow_none=True, help="The newest run that ended.")
    frame = AnyTrait(help="Its DataFrame: one row per call.")

    def __init__(
        self,
        prompt: str = "",
        pool: str | Sequence[PoolEntry] | None = None,
        mode: str | None = None,
        *,
        result: history.PastRun | None = None,
        **options: Unpack[PanelOptions],
    ) -> None:
        # First: a panel that is refused is closed too.
        self._shown: list[tuple[DisplayHandle, DisplayHandle]] = []
        self._confirmed = ""
        if not isinstance(prompt, str):
            raise UserError(f"The prompt must be text, not {type(prompt).__name__}: convert it with str() first.")
        prompt = prompt.encode("utf-8", "replace").decode("utf-8")
        result = None if result is None else history.result_of(result)
        refuse_key("prompt", prompt)
        shell = get_ipython()
        notebook = dict(shell.user_ns) if shell is not None else {}
        at_hand = earlier_run.functions_of(result, notebook) if result is not None else {}
        given = {**at_hand, **options, "pool": pool or None, "mode": mode}
        super().__init__(given, notebook, kind="workbench", prompt=prompt)
        with self.hold_sync():
            for kind in ("run", "rejudge", "add", "choose", "markdown", "frame"):
                self.on_message(kind, self.answering(getattr(self, f"_on_{kind}")))
            self.on_message("stop", lambda _: self.stop())
            self.on_message("again", self._on_again)
            self.on_request("stop_member", lambda message: self.stop_call(call_number(message)))
            self.on_message("retry_member", self._on_retry_member)
        self._retry_after = self.answering(lambda message: self.retry(call_number(message)))
        if result is not None:
            self._begin_with(result, mine=bool(prompt))
        _open.add(self)

    def run(self) -> None:
        """Start a run of what the panel shows and return at once; `result` is set when it ends.

        Raises `UserError` where it cannot be sent as written, or one is under way.
        """
        self._must_be_idle()
        begun = api.begin("panel", self.prompt, ask_address=None, ask_cost=self._confirm, **self._asked())
        if isinstance(begun, FusionResult):
            self._keep(begun)
        else:
            self._begin(begun)

    def rejudge(self, judge: Judges = "", mode: str | None = None) -> None:
        """Put the candidates of `result` before a judge, or several, or to a vote again, and return at once; no
        candidate is asked or paid.

        Raises `UserError` where there is nothing to judge, a debate is asked for, or a run is under way.
        """
        self._must_be_idle()
        options = {**self._continued("rejudge"), "judge": self._judge(judge), "mode": mode}
        run = self._result_to("judge again")
        self._begin(history.begin_derived("rejudge", run, ask_cost=self._confirm, **options))

    def add(self, members: str | Sequence[PoolEntry], judge: Judges = "", mode: str | None = None) -> None:
        """Ask new members beside the candidates of `result`, then the judge on all, and return at once; nobody else is
        asked again or paid again.

        Raises `UserError` where one has been asked, a debate is asked for, or a run is under way.
        """
        self._must_be_idle()
        options = {**self._continued("add"), "judge": self._judge(judge), "mode": mode}
        run = self._result_to("add to")
        self._begin(history.begin_derived("add", run, members=members, ask_cost=self._confirm, **options))

    def retry(self, call: int) -> None:
        """Ask one member once more, and return at once: within the run that is under way, while its judge has not
        begun; else in a new run, which keeps every other reply and then asks the judge.

        Raises `UserError` where there is no such member, it has answered, or the judge reads already.
        """
        if self.busy:
            self.retry_call(call)
        else:
            options = {**self._continued("retry"), "call": call}
            run = self._result_to("continue")
            self._begin(history.begin_derived("retry", run, ask_cost=self._confirm, **options))

    def choose(self, call: int) -> None:
        """Take a candidate as the answer instead of what the judge decided; the record says that a person did."""
        self._must_be_idle()
        self._keep(record_choice(self._result_to("choose from"), call))

    def open(self) -> None:
        """Reach the front end; where there is none, the panel works from Python and shows what a file can keep."""
        alone = hasattr(get_ipython(), "kernel") and not has_front_end()
        if not alone or os.environ.get("FUSION_NB_UI") == "panel":
            super().open()

    def close(self) -> None:
        """Take the panel off the screen; what a saved notebook can keep stands in its place."""
        shown, self._shown = self._shown, []
        for widget, rest in shown:
            widget.update(_kept(self.result), raw=True)  # type: ignore[no-untyped-call]
            rest.update(NO_OUTPUT, raw=True)  # type: ignore[no-untyped-call]
        super().close()

    def __repr__(self) -> str:
        state = "running" if self.busy else self.result.status if self.result is not None else "not run yet"
        way = "A notebook shows it; from Python: run(), stop(), result, frame."
        return f"<Panel {list(self.pool)} {self.mode}: {state}. {way}>"

    def _ipython_display_(self) -> None:
        if _in_a_terminal():
            return print(repr(self))
        if self.comm is None:
            display(_kept(self.result), raw=True)  # type: ignore[no-untyped-call]
            return None
        # Twice, through handles: a saved notebook that names a widget whose kernel is gone shows nothing but an error,
        # whatever else that output holds. What is to be seen then is an output of its own.
        live = {**self.bundle, "text/plain": repr(self)}
        widget = display(live, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        rest = display(static_fallback(_kept(self.result)), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if widget is not None and rest is not None:
            self._shown.append((widget, rest))
        return None

    def _keep(self, result: FusionResult) -> None:
        self._update_view(lambda: self._show_result(result))
        self.result = result
        self.frame = result.frame()

    def _show_result(self, result: FusionResult) -> None:
        self.set_snapshot(snapshot(result, result.seconds))
        for _, rest in self._shown:
            rest.update(static_fallback(_kept(result)), raw=True)  # type: ignore[no-untyped-call]

    def _result_to(self, what: str) -> FusionResult:
        if self.result is None:
            raise UserError(f"There is no run to {what} yet.")
        return self.result

    def _confirm(self, expected: Estimate) -> bool:
        """Whether a run that may cost more than `confirm_over` is meant: the second press of the button says so."""
        meant = repr([getattr(self, name) for name in FORM if name != "max_cost"])
        if self._confirmed == meant:
            self._confirmed = ""
            return True
        self._confirmed = meant
        raise UserError(f"It may cost more than confirm_over ({expected!r}). Nothing was sent; do it again to send it.")

    def _begin_with(self, result: FusionResult, *, mine: bool) -> None:
        """Show that run, and where no prompt of this panel's own was given, what it asked of whom."""
        self._missing = earlier_run.missing_note(result, self._selecting)
        if not mine:
            with self.hold_trait_notifications():
                for name, value in earlier_run.form_of(result, self._is_function, self._selecting).items():
                    setattr(self, name, value)
        self._advise()
        self._keep(result)

    def _on_run(self, message: Message) -> None:
        sent = message.get("form")
        if not isinstance(sent, Mapping):
            raise UserError("The panel sent no form: reload the page, or run it from Python with panel.run().")
        form = {name: value for name, value in sent.items() if name in FORM}
        # A form that could not be sent leaves the panel as it was.
        whole = {name: form.get(name, getattr(self, name)) for name in FORM}
        who = {name: whole[name] or None for name in ("pool", "mode", "judge", "max_cost")}
        settle("panel", {**who, **self._selection(whole)})
        try:
            with self.hold_trait_notifications():
                for name, value in form.items():
                    setattr(self, name, value)
        except traitlets.TraitError as error:
            raise UserError(str(error)) from None
        self.run()

    def _on_rejudge(self, message: Message) -> None:
        self.rejudge(str(message.get("judge") or ""), str(message.get("mode") or self.mode))

    def _on_add(self, message: Message) -> None:
        asked = self._result_to("add to").pool
        members = model_picker.new_members(self._members(self.pool) or (), asked, self._names)
        if not members:
            raise UserError("The pool names nobody that this run has not asked: add a model to it first.")
        self.add(members, str(message.get("judge") or ""), str(message.get("mode") or self.mode))

    def _on_retry_member(self, message: Message) -> None:
        if self.busy:
            # At once, on whatever thread: a busy cell must not let the judge begin meanwhile.
            self.respond(message, lambda asked: self.retry_call(call_number(asked)))
        else:
            self._retry_after(message)

    def _on_again(self, message: Message) -> None:
        if self.busy:
            self._feed.request_snapshot()
        elif self.result is not None:
            self.set_snapshot(snapshot(self.result, self.result.seconds))

    def _on_choose(self, message: Message) -> None:
        self.choose(call_number(message))

    def _on_markdown(self, message: Message) -> Mapping[str, Any]:
        return {"text": self.result.to_markdown() if self.result is not None else ""}

    def _on_frame(self, message: Message) -> Mapping[str, Any]:
        if self.result is not None:
            self.frame = self.result.frame()
        rows, columns = (0, 0) if self.frame is None else self.frame.shape
        return {"rows": rows, "columns": columns}


def _in_a_terminal() -> bool:
    terminal = sys.modules.get("IPython.terminal.interactiveshell")
    return terminal is not None and isinstance(get_ipython(), terminal.TerminalInteractiveShell)


def _kept(result: FusionResult | None) -> dict[str, str]:
    """What is to be seen of a panel where it is no more."""
    if result is None:
        return {"text/html": f"<p>{_GONE}</p>", "text/plain": _GONE}
    return bundle(result, foot=f'<p class="fnb-meta">{_GONE}</p>')


_open: weakref.WeakSet[Panel] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for panel in list(_open):
        with contextlib.suppress(Exception):
            panel.close()
