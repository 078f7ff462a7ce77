"""`%%fuse`, `%fuse` and `%fuse_models`: parse, run, show, return. Nothing here that `fusion_nb.fuse()` lacks."""

from __future__ import annotations

import argparse
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, Dict, Float, Int, List, Unicode, observe

from fusion_nb.errors import FusionError, RunFailed, UserError
from fusion_nb.journal.maintenance import may_have_crashed
from fusion_nb.magic import lazy_imports, line
from fusion_nb.magic.interpolation import interpolate
from fusion_nb.magic.screens import background_screen_for, screen_for
from fusion_nb.magic.tables import Tables

_DEFAULTS = (
    *("judge", "mode", "criteria", "system", "max_cost", "max_cost_per_session", "max_cost_per_day", "confirm_over"),
    *("orders", "max_tokens", "timeout", "journal", "replay"),
)


@magics_class
class Fuse(Magics):
    """Defaults of `%%fuse`: `%config Fuse.pool = ["claude", "gpt4o"]`, or `c.Fuse.pool = [...]` in a profile."""

    pool = List(Unicode(), help="Members when --pool is not given; empty: what the keys at hand allow.").tag(
        config=True
    )
    judge = Unicode("", help="Judge when --judge is not given; empty: a strong model outside the pool.").tag(
        config=True
    )
    mode = Unicode("merge", help="best-of, merge or debate[:rounds].").tag(config=True)
    criteria = Unicode("", help="What the judge scores, e.g. 'accuracy, brevity'.").tag(config=True)
    orders = Int(1, help="2: the judge is asked in two orders, and disagreement with itself is said.").tag(config=True)
    system = Unicode("", help="System prompt of every member.").tag(config=True)
    max_cost = Float(None, allow_none=True, help="USD a run may cost at most.").tag(config=True)
    max_cost_per_session = Float(None, allow_none=True, help="USD all runs of this kernel may cost.").tag(config=True)
    max_cost_per_day = Float(None, allow_none=True, help="USD a day (UTC), all kernels together.").tag(config=True)
    confirm_over = Float(None, allow_none=True, help="Ask first where a run may cost more USD.").tag(config=True)
    max_tokens = Int(4096, help="Completion tokens of each call.").tag(config=True)
    timeout = Float(600.0, help="Seconds each call may take.").tag(config=True)
    journal = Bool(True, help="Keep runs on disk: off, a crash loses what was paid, and nothing can be replayed.").tag(
        config=True
    )
    replay = Bool(False, help="Serve an unchanged cell from the journal: Restart and run all costs nothing.").tag(
        config=True
    )
    quiet = Bool(False, help="Show nothing, only return the DataFrame.").tag(config=True)
    aliases = Dict(help='Names of your own: {"mini": "openai/gpt-4o-mini"}.').tag(config=True)
    services = Dict(help='Your own: {"corp": {"base_url": "https://...", "key_env": "CORP_KEY"}}.').tag(config=True)

    @observe("journal")
    def _on_journal(self, change: Any) -> None:
        if change["new"] is False:
            print("Runs are not kept from now on: a crash loses what was paid, and nothing can be loaded or replayed.")

    @line.fuse_arguments
    @no_var_expand
    @line_cell_magic
    def fuse(self, text: str, cell: str | None = None) -> Any:
        """Ask a pool of models, let a judge fuse their answers, get every call back as a DataFrame.

        The prompt is the cell: {name} stands for a variable of this notebook where it resolves, every other brace is
        text. The DataFrame is the cell's value: _, or -o df, or %%fuse df << --pool ...; a ; at the end silences it.
        Keys come from the environment (OPENROUTER_API_KEY), never from this line.
        """
        try:
            return self._fuse(text, cell)
        except FusionError as error:
            if "--debug" in text.split():
                raise RuntimeError(str(error)) from error
            # No frame of ours, and nothing that it held, reaches the notebook.
            raise error.with_traceback(None) from None

    @line.fuse_arguments
    @no_var_expand
    @line_magic
    def fuse_panel(self, text: str) -> Any:
        """Open the workbench: pick a pool, write a prompt, run, compare. Takes the options and the prompt of %fuse."""
        lazy_imports.api().refuse_key_in_line(text)
        given = line.parse_line(text, line.VALUED, line.FLAGS)
        parsed = type(self).fuse_panel.parser.parse_args(given.options)
        if parsed.help:
            return print(line.manual(type(self).fuse_panel.parser))
        arguments = self._arguments(parsed)
        prompt = given.rest if parsed.raw else interpolate(given.rest, self._names)
        return lazy_imports.panel().Panel(prompt, arguments.pop("pool") or (), **arguments)

    def _fuse(self, text: str, cell: str | None) -> Any:
        lazy_imports.api().refuse_key_in_line(text)
        silent = text.rstrip().endswith(";") or (cell or "").rstrip().endswith(";")
        given = line.parse_line(text.rstrip().removesuffix(";") if cell is not None else text, line.VALUED, line.FLAGS)
        parsed = type(self).fuse.parser.parse_args(given.options)
        if parsed.help:
            return print(line.manual(type(self).fuse.parser))
        if parsed.dry_run:
            return self._dry_run(prompt_of=given.rest, cell=cell, parsed=parsed)
        again = any(getattr(parsed, name) for name in line.AGAIN)
        prompt = "" if again else self._prompt(given.rest, cell, raw=parsed.raw)
        bind = _name(parsed.out or given.bind)
        begun = functools.partial(self._begin, prompt, parsed, again=again)
        value = self._aside(begun(), parsed, bind) if parsed.background else self._run(begun, parsed, bind)
        return None if silent else value

    def _dry_run(self, prompt_of: str, cell: str | None, parsed: argparse.Namespace) -> Any:
        arguments = self._arguments(parsed)
        for name in ("confirm_over", "replay", "journal"):
            arguments.pop(name, None)
        return lazy_imports.estimate().estimate(self._prompt(prompt_of, cell, raw=parsed.raw), **arguments)

    def _begin(self, prompt: str, parsed: argparse.Namespace, *, again: bool) -> Any:
        """A new run, or a past one gone on with; or the result of one that was found in the journal."""
        arguments = self._arguments(parsed)
        if not again:
            return lazy_imports.api().begin(prompt=prompt, **arguments)
        given = line.given_values(parsed)
        names = ("aliases", "services", "journal")
        functions = [held for held in self._names.values() if inspect.isfunction(held)]
        going = {name: arguments[name] for name in names} | {"functions": functions}
        # A cap of the line, or of the session and the day, holds for whatever is paid.
        caps = ("max_cost_per_session", "max_cost_per_day")
        going |= {name: arguments[name] for name in caps if name in arguments}
        going |= {"max_cost": given["max_cost"]} if "max_cost" in given else {}
        past, run = lazy_imports.history(), parsed.rejudge or "last"
        if parsed.resume:
            return past.begin_resume(parsed.resume, **going)
        if parsed.add:
            return past.begin_add(run, [self._member(name.strip()) for name in parsed.add.split(",")], **going)
        if parsed.retry:
            return past.begin_retry(run, **going)
        chosen = {name: given[name] for name in ("judge", "mode", "orders") if name in given}
        return past.begin_rejudge(run, **chosen, **going)

    def _run(self, begin: Callable[[], Any], parsed: argparse.Namespace, bind: str | None) -> Any:
        view = screen_for(self.shell, quiet=parsed.quiet or self.quiet)
        try:
            result = lazy_imports.run_handle().wait_for_result(begin(), view)
        except RunFailed as failed:
            view.finish(failed.result)
            self._bind(bind, failed.result.frame() if bind else None)
            raise
        view.finish(result)
        frame = result.frame()
        self._bind(bind, frame)
        return frame

    def _aside(self, begun: Any, parsed: argparse.Namespace, bind: str | None) -> Any:
        """The handle of a run that goes on by itself; what was asked to hold its frame holds the handle."""
        quiet = parsed.quiet or self.quiet
        held = lazy_imports.background().Background(
            begun, lambda warn: background_screen_for(self.shell, quiet=quiet, warn=warn)
        )
        lazy_imports.background().announce(self.shell, held, bind, quiet=quiet)
        self._bind(bind, held)
        return held

    def _prompt(self, rest: str, cell: str | None, *, raw: bool) -> str:
        if cell is not None and rest:
            raise UserError(f"Not an option: {rest!r}. Below %%fuse the cell is the prompt; --help lists the options.")
        prompt = rest if cell is None else cell.rstrip("\n")
        if prompt.rsplit("\n", 1)[-1].strip() == ";":
            prompt = prompt.rstrip().removesuffix(";").rstrip()
        return prompt if raw else interpolate(prompt, self._names)

    def _arguments(self, parsed: argparse.Namespace) -> dict[str, Any]:
        """The line's options over `%config Fuse`'s; a pool may name functions of this notebook."""
        given = line.given_values(parsed)
        for name in _DEFAULTS:
            if (default := getattr(self, name)) not in (None, ""):
                given.setdefault(name, default)
        for name in ("system", "criteria"):
            if name in given and not parsed.raw:
                given[name] = interpolate(given[name], self._names)
        pool = given["pool"].split(",") if "pool" in given else list(self.pool)
        entries = [entry.strip() for entry in pool if entry.strip()]
        opened = lazy_imports.pools().members_named(entries, self._names, self.aliases, pools="base_url" not in given)
        given["pool"] = opened or None
        if parsed.pool is not None and given["pool"] is None:
            raise UserError("The pool is empty: name its members, e.g. --pool claude,gemini,gpt4o, or --pool demo.")
        if "judge" in given:
            given["judge"] = self._member(given["judge"])
        return {**given, "aliases": self.aliases, "services": self.services}

    def _member(self, entry: str) -> Any:
        return lazy_imports.pools().member_named(entry, self._names, self.aliases)

    def _bind(self, name: str | None, frame: Any) -> None:
        if name is not None:
            self._names[name] = frame

    @property
    def _names(self) -> dict[str, Any]:
        shell: Any = self.shell
        names: dict[str, Any] = shell.user_ns
        return names

    def offers(self, option: str, typed: str) -> Iterable[str]:
        """What could stand as the value of an option, for Tab."""
        match option:
            case "-p" | "--pool" | "-j" | "--judge":
                return lazy_imports.api().complete_members(typed, self.aliases, self.services)
            case "-m" | "--mode":
                return ("best-of", "merge", "debate", "debate:2", "debate:3")
            case "--then":
                return ("best-of", "merge")
            case "--reasoning":
                return ("minimal", "low", "medium", "high")
            case _:
                return ()


def _name(name: str | None) -> str | None:
    if name is not None and not name.isidentifier():
        raise UserError(f"-o takes the name of a variable, not {name!r}.")
    return name


def load(shell: InteractiveShell) -> None:
    """Register the magics, their configuration and their completions; once, however often it is called."""
    unload(shell)
    magics = Fuse(shell=shell)
    shell.register_magics(magics, Tables(magics))
    names = sorted(line.VALUED | line.FLAGS)
    shell.Completer.custom_matchers.append(line.fuse_matcher_for(names, magics.offers))
    shell.input_transformers_cleanup.append(line.keep_question)
    if may_have_crashed() and (said := lazy_imports.history().crash_notice()):
        print(said)


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` brought."""
    shell.configurables[:] = [held for held in shell.configurables if not isinstance(held, Fuse | Tables)]
    cleanup = shell.input_transformers_cleanup
    cleanup[:] = [held for held in cleanup if getattr(held, "__name__", "") != line.keep_question.__name__]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [held for held in matchers if getattr(held, "__name__", "") != "fuse_matcher"]
    for held in shell.magics_manager.magics.values():
        for name in ("fuse", "fuse_panel", "fuse_models", "fuse_runs", "fuse_spend"):
            held.pop(name, None)
