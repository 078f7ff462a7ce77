"""Ask a pool of language models from a notebook, let a judge fuse their answers, get every call back as a DataFrame.

In a notebook: `%load_ext fusion_nb`, then `%%fuse --pool claude,gemini,gpt4o --mode merge`. In Python: `fuse()`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fusion_nb._version import __version__ as __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from fusion_nb import history
    from fusion_nb.api import Member, afuse, fuse, last, models, spending, stream
    from fusion_nb.dataset import fuse_frame
    from fusion_nb.dataset.batch_resume import resume
    from fusion_nb.errors import FusionError, RunFailed, UserError
    from fusion_nb.evaluation import calibrate, evaluate, worth
    from fusion_nb.history import add, choose, load, rejudge, retry, runs
    from fusion_nb.panel.panel import Panel
    from fusion_nb.resolve.estimate import estimate
    from fusion_nb.run.result import FusionResult
    from fusion_nb.run.run_handle import Run

    defaults: Any


__all__ = [
    "FusionError",
    "FusionResult",
    "Member",
    "Panel",
    "Run",
    "RunFailed",
    "UserError",
    "add",
    "afuse",
    "calibrate",
    "choose",
    "defaults",
    "estimate",
    "evaluate",
    "fuse",
    "fuse_frame",
    "history",
    "last",
    "load",
    "models",
    "rejudge",
    "resume",
    "retry",
    "runs",
    "spending",
    "stream",
    "worth",
]

# Names are fetched when first used, so that `%load_ext fusion_nb` costs a notebook next to nothing.
_HOMES = {
    "errors": ("FusionError", "RunFailed", "UserError"),
    "run.result": ("FusionResult",),
    "run.run_handle": ("Run",),
    "panel.panel": ("Panel",),
    "api": ("Member", "afuse", "fuse", "last", "models", "spending", "stream"),
    "resolve.estimate": ("estimate",),
    "history": ("add", "choose", "load", "rejudge", "retry", "runs"),
    "dataset": ("fuse_frame",),
    "dataset.batch_resume": ("resume",),
    "evaluation": ("calibrate", "evaluate", "worth"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fusion_nb' has no attribute {name!r}")
    value: Any
    if name == "history":
        value = importlib.import_module("fusion_nb.history")
    elif name == "defaults":
        value = importlib.import_module("fusion_nb.options").defaults()
    else:
        value = getattr(importlib.import_module(f"fusion_nb.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext fusion_nb`: registers `%%fuse`, `%fuse`, `%fuse_models`, `%fuse_runs`, their configuration and Tab."""
    importlib.import_module("fusion_nb.magic").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext fusion_nb`: takes all of it away."""
    importlib.import_module("fusion_nb.magic").unload(shell)
