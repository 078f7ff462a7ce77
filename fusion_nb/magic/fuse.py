"""`%%fuse`, `%fuse` and `%fuse_models`: parse, run, show, return. Nothing here that `fusion_nb.fuse()` lacks."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from fusion_nb.core import option_checks as check
from fusion_nb.core.plugins import plugin_names
from fusion_nb.core.selection_option_checks import KINDS
from fusion_nb.errors import FusionError, RunFailed, UserError
from fusion_nb.magic import lazy_imports, line_parser
from fusion_nb.magic.displays import background_screen_for, screen_for
from fusion_nb.magic.interpolation import caller_names, fill_option, interpolate, notebook_names
from fusion_nb.magic.line_meaning import VERBS, continued_line, refuse_alone, table_flag, variable, verb_of
from fusion_nb.magic.notebook_functions import (
    Template,
    columns_of,
    function_names,
    named_functions,
    tables_of,
    variable_named,
)
from fusion_nb.options import ROWS, configured, refusal

_NOT_IN_A_PANEL = ("dry_run", "background", "quiet", "evaluate", "each", *VERBS.values())


@magics_class
class FuseMagics(Magics):
    """`%%fuse`, `%fuse` and `%fuse_panel`. Their defaults are `fusion_nb.defaults`, which `%config Fuse` sets."""

    _typed = ""

    @property
    def _shell(self) -> Any:
        return self.shell

    @line_parser.fuse_arguments
    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def fuse(self, text: str, cell: str | None = None, local_ns: Any = None) -> Any:
        """Ask a pool of models, let a judge fuse their answers, get every call back as a DataFrame.

        The prompt is the cell, or on a line what follows the options (-- ends them). {name} stands for a variable where
        it resolves, but in no code and no formula; {name!full} fills in there too, and large objects; every other brace
        is text. The DataFrame is the cell's value: _, or -o df, or %%fuse df << --pool ...; a ; at the end silences it.
        Option values may be variables: --pool {members}. Keys come from the environment, never from this line.

        %%fuse df << --pool claude,gemini,gpt4o --mode merge --max-cost 0.10
        %%fuse --dry-run                   the same cell, and nothing is sent: what it would cost
        %fuse --rejudge last --mode best-of
        Beside it: %fuse_panel, %fuse_models, %fuse_runs, %fuse_spend, %fuse_key, %fuse_setup (--help tells of each).
        """
        try:
            names = local_ns if cell is None else caller_names(self.shell)
            with line_parser.options_as_flags():
                return self._fuse(text, cell, notebook_names(self.shell, names))
        except FusionError as error:
            if "--debug" in text.split():
                if own := lazy_imports.function_provider().traceback_of(str(error)):
                    print(f"In your function (most recent call last):\n{own}")
                raise RuntimeError(str(error)) from error
            # No frame of ours, and nothing that it held, reaches the notebook.
            raise error.with_traceback(None) from None

    @line_parser.fuse_arguments
    @no_var_expand
    @needs_local_scope
    @line_magic
    def fuse_panel(self, text: str, local_ns: Any = None) -> Any:
        """Open the workbench: pick a pool, write a prompt, run, compare. Takes the options and the prompt of %fuse;
        -o NAME, or %fuse_panel NAME << ..., binds the panel to a name."""
        with line_parser.options_as_flags():
            return self._panel(text, local_ns)

    def _panel(self, text: str, local_ns: Any) -> Any:
        parsed_line, parsed = self._parsed(text, type(self).fuse_panel.parser)
        if parsed.help:
            return print(line_parser.manual(type(self).fuse_panel.parser))
        for name in _NOT_IN_A_PANEL:
            if getattr(parsed, name):
                raise UserError(f"{ROWS[name].flags[-1]} does not go with %fuse_panel: leave it out.")
        names = notebook_names(self.shell, local_ns)
        bind = variable(parsed.out or parsed_line.bind)
        prompt = self._filled(parsed_line.rest, parsed, names)
        panel = lazy_imports.panel().Panel(prompt, **self._options(parsed, names))
        self._bind(bind, panel)
        return panel

    def _fuse(self, text: str, cell: str | None, names: dict[str, Any]) -> Any:
        text, cell = continued_line(text, cell)
        # Where code calls the magic, it gets its value, and the end of a prompt is the prompt's own.
        typed = self._typed.rstrip().endswith((cell or text).rstrip())
        silent = typed and any((part or "").rstrip().endswith(";") for part in (text, cell))
        text = text.rstrip().removesuffix(";") if cell is not None else text
        parsed_line, parsed = self._parsed(text, type(self).fuse.parser)
        if parsed.help:
            return print(line_parser.manual(type(self).fuse.parser))
        bind = variable(parsed.out or parsed_line.bind)
        verb = verb_of(parsed)
        refuse_alone(parsed)
        if parsed.evaluate or parsed.each:
            self._bind(bind, value := self._over_a_table(parsed_line.rest, cell, parsed, names, verb))
            return None if silent else value
        if verb is not None and (parsed_line.rest or (cell or "").strip()):
            raise UserError(f"--{verb} asks no new prompt: take the text out, or leave --{verb} out to ask it.")
        options = self._options(parsed, names) if verb is None else self._continuing(verb, parsed, names)
        prompt = self._prompt(parsed_line.rest, cell, parsed, names) if verb is None else ""
        if verb == "resume" and lazy_imports.table_files().is_table(*options["run"]):
            self._bind(bind, value := lazy_imports.table_calls().resume_line(parsed, options))
            return None if silent else value
        if parsed.dry_run:
            return self._dry_run(prompt, verb, options, parsed, bind)
        begin = functools.partial(self._begin, prompt, verb, options)
        value = self._aside(begin(), parsed, bind) if parsed.background else self._run(begin, parsed, bind)
        # The answer's card is there, and the frame has a name: no second output.
        return None if silent or (typed and bind and not parsed.background) else value

    def remember_cell(self, info: Any) -> None:
        """IPython's `pre_run_cell`: what is run now, as it was typed."""
        self._typed = info.raw_cell or ""

    def _parsed(self, text: str, parser: Any) -> tuple[line_parser.ParsedLine, argparse.Namespace]:
        lazy_imports.request().refuse_key("line", text)
        parsed_line = line_parser.parse_line(text, line_parser.VALUED, line_parser.FLAGS)
        return parsed_line, parser.parse_args(parsed_line.options)

    def _dry_run(
        self, prompt: str, verb: str | None, options: dict[str, Any], parsed: argparse.Namespace, bind: str | None
    ) -> Any:
        if parsed.background:
            raise UserError("--dry-run does not go with --background: nothing is sent, so nothing is waited for.")
        if verb is None:
            expected = lazy_imports.estimate().estimate(prompt, **options)
        else:
            expected = lazy_imports.history().estimate_derived(verb, *options.pop("run"), **options)
        self._bind(bind, expected)
        return expected.frame() if parsed.quiet else expected

    def _over_a_table(
        self, rest: str, cell: str | None, parsed: argparse.Namespace, names: dict[str, Any], verb: str | None
    ) -> Any:
        """What `--evaluate` or `--each` gives: a report, a frame, or with `--dry-run` a plan."""
        flag = table_flag(parsed, verb)
        table = variable_named(parsed.evaluate or parsed.each, names, flag)
        template = Template(rest if cell is None else cell, columns_of(table), names, raw=parsed.raw)
        text = template.of(
            self._prompt(template.hidden if cell is None else rest, cell and template.hidden, parsed, names)
        )
        options = self._options(parsed, names)
        given = {name: options[name] for name in line_parser.given_options(parsed)}
        call = lazy_imports.table_calls().evaluate_line if parsed.evaluate else lazy_imports.table_calls().each_line
        return call(table, text, parsed, names, given, show=not self._quiet(parsed))

    def _begin(self, prompt: str, verb: str | None, options: dict[str, Any]) -> Any:
        """A new run, or a past one that is continued; or the result of one that was found in the journal."""
        if verb is None:
            return lazy_imports.api().begin("fuse", prompt, **options)
        return lazy_imports.history().begin_derived(verb, *options.pop("run"), **options)

    def _continuing(self, verb: str, parsed: argparse.Namespace, names: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call that continues a past run; `run` holds which."""
        given = self._given(parsed, names)
        for name in given:
            if verb not in ROWS[name].calls:
                raise UserError(refusal(verb, name, line=f"--{verb}"))
        functions = [value for value in names.values() if lazy_imports.pools().is_member_function(value)]
        wanted = {name: self._value(name, parsed, names) for name in VERBS.values()}
        run = (wanted["resume_run"] if verb == "resume" else wanted["rejudge_run"]) or "last"
        options = {**given, "functions": functions, "run": (run,)}
        if "judge" in options:
            options["judge"] = self._judges(options["judge"], names)
        options |= named_functions(options, names)
        if verb == "add":
            options["members"] = [self._member(entry, names) for entry in check.pool(wanted["add_members"])]
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

    def _prompt(self, rest: str, cell: str | None, parsed: argparse.Namespace, names: dict[str, Any]) -> str:
        if cell is not None and rest:
            raise UserError(f"Not an option: {rest!r}. Below %%fuse the cell is the prompt; --help lists the options.")
        prompt = rest if cell is None else cell.rstrip("\n")
        if prompt.rsplit("\n", 1)[-1].strip() == ";":
            prompt = prompt.rstrip().removesuffix(";").rstrip()
        return self._filled(prompt, parsed, names)

    def _filled(self, text: str, parsed: argparse.Namespace, names: dict[str, Any]) -> str:
        """A text with the notebook's variables; what was filled in is said before anything is sent."""
        if parsed.raw:
            return text
        filled = interpolate(text, names)
        if filled.note and not self._quiet(parsed):
            print(filled.note)
        return filled.text

    def _options(self, parsed: argparse.Namespace, names: dict[str, Any]) -> dict[str, Any]:
        """The line's options; members, also those of `%config Fuse`, checks and `extract` may name functions of this
        notebook."""
        given = self._given(parsed, names)
        for name in ("pool", "escalate"):
            entries = check.pool(given[name]) if name in given else configured(name)
            # A default is left to the defaults, but for functions: only here are they known by their names.
            members = self._members(entries, names, pools="base_url" not in given) if entries else []
            if name == "pool" or name in given or any(map(callable, members)):
                given |= {name: members} if members else {}
        if judges := given.get("judge") or configured("judge"):
            given["judge"] = self._judges(judges, names)
        return {**given, **named_functions(given, names)}

    def _given(self, parsed: argparse.Namespace, names: dict[str, Any]) -> dict[str, Any]:
        return {name: self._value(name, parsed, names) for name in line_parser.given_options(parsed)}

    def _value(self, name: str, parsed: argparse.Namespace, names: dict[str, Any]) -> Any:
        """What the line gives an option, with the notebook's variables in it."""
        value = getattr(parsed, name)
        if parsed.raw or not isinstance(value, str) or "{" not in value:
            return value
        if name in ("system", "criteria"):
            return self._filled(value, parsed, names)
        return fill_option(ROWS[name].flags[-1], value, names)

    def _quiet(self, parsed: argparse.Namespace) -> bool:
        return bool(parsed.quiet or configured("quiet"))

    @property
    def _aliases(self) -> Any:
        return configured("aliases")

    def _member(self, entry: Any, names: dict[str, Any]) -> Any:
        return lazy_imports.pools().member_named(entry, names, self._aliases) if isinstance(entry, str) else entry

    def _members(self, entries: Iterable[Any], names: dict[str, Any], *, pools: bool) -> list[Any]:
        """The members that entries stand for; functions and pools in the place of their names."""
        found: list[Any] = []
        for entry in entries:
            known = isinstance(entry, str)
            found += (
                lazy_imports.pools().members_named([entry], names, self._aliases, pools=pools) if known else [entry]
            )
        return found

    def _judges(self, value: Any, names: dict[str, Any]) -> Any:
        judges = check.judge(value)
        if isinstance(judges, tuple):
            return tuple(self._member(judge, names) for judge in judges)
        return self._member(judges, names)

    def _bind(self, name: str | None, frame: Any) -> None:
        if name is not None:
            self._shell.user_ns[name] = frame

    def offers(self, option: str, typed: str) -> Iterable[str]:
        """What could stand as the value of an option, for Tab."""
        match option:
            case "--check":
                return [*function_names(self._shell.user_ns), *plugin_names("checks")]
            case "--extract":
                return [*KINDS, *function_names(self._shell.user_ns)]
            case "--evaluate" | "--each" | "--known" | "--by":
                return [*tables_of(self._shell.user_ns), *function_names(self._shell.user_ns)]
            case "-p" | "--pool" | "-j" | "--judge" | "--escalate":
                return lazy_imports.api().complete_members(typed, self._aliases, configured("services"))
            case _:
                row = line_parser.BY_FLAG.get(option)
                return row.values if row else ()
