"""The notebook's door: `%%fuse` and its family, loaded into a shell. Only it and the panel import IPython."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError

from fusion_nb.journal.maintenance import may_have_crashed
from fusion_nb.magic import completion, lazy_imports, line_parser
from fusion_nb.magic.fuse import FuseMagics
from fusion_nb.magic.key_magic import Keys
from fusion_nb.magic.listing_magics import Tables
from fusion_nb.magic.setup_magic import NAMES, Setup
from fusion_nb.options import defaults
from fusion_nb.views.frame_html import keep_mathjax_from_tables

__all__ = ["FuseMagics", "load", "unload"]


def load(shell: InteractiveShell) -> None:
    """Register the magics, their configuration and their completions; once, however often it is called."""
    unload(shell)
    magics = FuseMagics(shell=shell)
    shell.register_magics(magics, Tables(shell=shell), Keys(shell=shell), Setup(shell=shell))
    keep_mathjax_from_tables(shell)
    shell.events.register("pre_run_cell", magics.remember_cell)
    _configure(shell)
    shell.Completer.custom_matchers.append(
        completion.fuse_matcher_for(sorted(line_parser.VALUED | line_parser.FLAGS), magics.offers)
    )
    shell.input_transformer_manager.token_transformers.insert(0, line_parser.KeepQuestion)
    shell.input_transformer_manager.cleanup_transforms.append(line_parser.open_empty_cell)
    if may_have_crashed() and (notice := lazy_imports.history().crash_notice()):
        print(notice)


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` brought; defaults that were set stay set."""
    own = (FuseMagics, Tables, Keys, Setup, type(defaults()))
    shell.configurables[:] = [each for each in shell.configurables if not isinstance(each, own)]
    defaults().unobserve_all("journal")
    for callback in list(shell.events.callbacks["pre_run_cell"]):
        if getattr(callback, "__name__", "") == FuseMagics.remember_cell.__name__:
            shell.events.unregister("pre_run_cell", callback)
    transformers = shell.input_transformer_manager.token_transformers
    transformers[:] = [each for each in transformers if each.__name__ != line_parser.KeepQuestion.__name__]
    cleaning = shell.input_transformer_manager.cleanup_transforms
    cleaning[:] = [each for each in cleaning if getattr(each, "__name__", "") != line_parser.open_empty_cell.__name__]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if getattr(each, "__name__", "") != "fuse_matcher"]
    for registered in shell.magics_manager.magics.values():
        for name in NAMES:
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
