"""`%%fuse`, `%fuse` and `%fuse_models`: parse, run, show, return. Nothing here that `fusion_nb.fuse()` lacks."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from traitlets import TraitError

from fusion_nb.core import option_checks as check
from fusion_nb.errors import FusionError, RunFailed, UserError
from fusion_nb.journal.maintenance import may_have_crashed
from fusion_nb.magic import lazy_imports, line
from fusion_nb.magic.interpolation import interpolate
from fusion_nb.magic.screens import background_screen_for, screen_for
from fusion_nb.magic.tables import Tables
from fusion_nb.options import ROWS, configured, defaults, refusal
from fusion_nb.views.escape import keep_mathjax_from_tables

_VERBS = {"resume": "resume_run", "add": "add_members", "retry": "retry_failed", "rejudge": "rejudge_run"}
"""Calls that continue a past run, by the option that asks for each."""
_NOT_IN_A_PANEL = ("dry_run", "background", "quiet", *_VERBS.values())


@magics_class
class FuseMagics(Magics):
    """`%%fuse`, `%fuse` and `%fuse_panel`. Their defaults are `fusion_nb.defaults`, which `%config Fuse` sets."""

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
        """Open the workbench: pick a pool, write a prompt, run, compare. Takes the options and the prompt of %fuse;
        -o NAME, or %fuse_panel NAME << ..., binds the panel to a name."""
        parsed_line, parsed = self._parsed(text, type(self).fuse_panel.parser)
        if parsed.help:
            return print(line.manual(type(self).fuse_panel.parser))
        for name in _NOT_IN_A_PANEL:
            if getattr(parsed, name):
                raise UserError(f"{ROWS[name].flags[-1]} does not go with %fuse_panel: leave it out.")
        bind = _variable(parsed.out or parsed_line.bind)
        prompt = parsed_line.rest if parsed.raw else interpolate(parsed_line.rest, self._names)
        panel = lazy_imports.panel().Panel(prompt, **self._options(parsed))
        self._bind(bind, panel)
        return panel

    def _fuse(self, text: str, cell: str | None) -> Any:
        silent = text.rstrip().endswith(";") or (cell or "").rstrip().endswith(";")
        text = text.rstrip().removesuffix(";") if cell is not None else text
        parsed_line, parsed = self._parsed(text, type(self).fuse.parser)
        if parsed.help:
            return print(line.manual(type(self).fuse.parser))
        bind = _variable(parsed.out or parsed_line.bind)
        verb = _verb(parsed)
        prompt = self._prompt(parsed_line.rest, cell, raw=parsed.raw) if verb is None else ""
        if verb is not None and (parsed_line.rest or (cell or "").strip()):
            raise UserError(f"--{verb} asks no new prompt: take the text out, or leave --{verb} out to ask it.")
        options = self._options(parsed) if verb is None else self._continuing(verb, parsed)
        if parsed.dry_run:
            return self._dry_run(prompt, verb, options, parsed, bind)
        begin = functools.partial(self._begin, prompt, verb, options)
        value = self._aside(begin(), parsed, bind) if parsed.background else self._run(begin, parsed, bind)
        return None if silent else value

    def _parsed(self, text: str, parser: Any) -> tuple[line.ParsedLine, argparse.Namespace]:
        lazy_imports.request().refuse_key("line", text)
        parsed_line = line.parse_line(text, line.VALUED, line.FLAGS)
        return parsed_line, parser.parse_args(parsed_line.options)

    def _dry_run(
        self, prompt: str, verb: str | None, options: dict[str, Any], parsed: argparse.Namespace, bind: str | None
    ) -> Any:
        if parsed.background:
            raise UserError(
                "--dry-run does not go with --background: nothing is sent, so there is nothing to wait for."
            )
        if verb is None:
            expected = lazy_imports.estimate().estimate(prompt, **options)
        else:
            expected = lazy_imports.history().estimate_derived(verb, *options.pop("run"), **options)
        self._bind(bind, expected)
        return expected.frame() if parsed.quiet else expected

    def _begin(self, prompt: str, verb: str | None, options: dict[str, Any]) -> Any:
        """A new run, or a past one that is continued; or the result of one that was found in the journal."""
        if verb is None:
            return lazy_imports.api().begin("fuse", prompt, **options)
        return lazy_imports.history().begin_derived(verb, *options.pop("run"), **options)

    def _continuing(self, verb: str, parsed: argparse.Namespace) -> dict[str, Any]:
        """The arguments of a call that continues a past run; `run` holds which."""
        given = self._given(parsed)
        for name in given:
            if verb not in ROWS[name].calls:
                raise UserError(refusal(verb, name, line=f"--{verb}"))
        functions = [value for value in self._names.values() if lazy_imports.pools().is_member_function(value)]
        run = (parsed.resume_run if verb == "resume" else parsed.rejudge_run) or "last"
        options = {**given, "functions": functions, "run": (run,)}
        if "judge" in options:
            options["judge"] = self._member(options["judge"])
        if verb == "add":
            names = [name.strip() for name in parsed.add_members.split(",")]
            options["members"] = [self._member(name) for name in names if name]
        return options

    def _run(self, begin: Callable[[], Any], parsed: argparse.Namespace, bind: str | None) -> Any:
        view = screen_for(self.shell, quiet=self._quiet(parsed))
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
        quiet = self._quiet(parsed)
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

    def _options(self, parsed: argparse.Namespace) -> dict[str, Any]:
        """The line's options; pool and judge, also those of `%config Fuse`, may name functions of this notebook."""
        given = self._given(parsed)
        entries = check.pool(given["pool"]) if "pool" in given else configured("pool")
        if entries:
            at_own_service = "base_url" in given
            given["pool"] = lazy_imports.pools().members_named(
                entries, self._names, self._aliases, pools=not at_own_service
            )
        if judge := given.get("judge") or configured("judge"):
            given["judge"] = self._member(judge)
        return given

    def _given(self, parsed: argparse.Namespace) -> dict[str, Any]:
        given = line.given_options(parsed)
        for name in ("system", "criteria"):
            if name in given and not parsed.raw:
                given[name] = interpolate(given[name], self._names)
        return given

    def _quiet(self, parsed: argparse.Namespace) -> bool:
        return bool(parsed.quiet or configured("quiet"))

    @property
    def _aliases(self) -> Any:
        return configured("aliases")

    def _member(self, entry: str) -> Any:
        return lazy_imports.pools().member_named(entry, self._names, self._aliases)

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
                return lazy_imports.api().complete_members(typed, self._aliases, configured("services"))
            case _:
                row = line.BY_FLAG.get(option)
                return row.values if row else ()


def _verb(parsed: argparse.Namespace) -> str | None:
    """Which call continues a past run, if one is asked for. Raises `UserError` where two are."""
    wanted = [verb for verb, option in _VERBS.items() if getattr(parsed, option)]
    if len(wanted) > 1 and wanted not in (["add", "rejudge"], ["retry", "rejudge"]):
        raise UserError(f"{' and '.join(f'--{verb}' for verb in wanted)} do not go together: one at a time.")
    return wanted[0] if wanted else None


def _variable(name: str | None) -> str | None:
    if name is not None and not name.isidentifier():
        raise UserError(f"-o takes the name of a variable, not {name!r}.")
    return name


def load(shell: InteractiveShell) -> None:
    """Register the magics, their configuration and their completions; once, however often it is called."""
    unload(shell)
    magics = FuseMagics(shell=shell)
    shell.register_magics(magics, Tables(shell=shell))
    keep_mathjax_from_tables(shell)
    _configure(shell)
    shell.Completer.custom_matchers.append(line.fuse_matcher_for(sorted(line.VALUED | line.FLAGS), magics.offers))
    shell.input_transformers_cleanup.append(line.keep_question)
    if may_have_crashed() and (notice := lazy_imports.history().crash_notice()):
        print(notice)


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` brought; defaults that were set stay set."""
    own = (FuseMagics, Tables, type(defaults()))
    shell.configurables[:] = [each for each in shell.configurables if not isinstance(each, own)]
    defaults().unobserve_all("journal")
    cleanup = shell.input_transformers_cleanup
    cleanup[:] = [each for each in cleanup if getattr(each, "__name__", "") != line.keep_question.__name__]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if getattr(each, "__name__", "") != "fuse_matcher"]
    for registered in shell.magics_manager.magics.values():
        for name in ("fuse", "fuse_panel", "fuse_models", "fuse_runs", "fuse_spend"):
            registered.pop(name, None)


def _configure(shell: InteractiveShell) -> None:
    """Put the defaults under `%config Fuse`, with what the profile says of them (`c.Fuse.pool = [...]`)."""
    try:
        defaults().update_config(shell.config)
    except TraitError as error:
        print(f"fusion_nb: your IPython profile: {error}")
    shell.configurables.append(defaults())
    defaults().observe(_on_journal, "journal")


def _on_journal(change: Any) -> None:
    if change["new"] is False:
        print("Runs are not kept from now on: a crash loses what was paid, and nothing can be loaded or replayed.")
