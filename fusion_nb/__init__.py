"""Ask a pool of language models from a notebook, let a judge fuse their answers, get every call back as a DataFrame.

In a notebook: `%load_ext fusion_nb`, then `%%fuse --pool claude,gemini,gpt4o --mode merge`. In Python: `fuse()`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fusion_nb._version import __version__ as __version__
from fusion_nb.core.hooks import HOOKS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from fusion_nb.api import afuse, fuse, last, models, stream
    from fusion_nb.errors import FusionError, RunFailed, UserError
    from fusion_nb.history import load, rejudge, resume, runs
    from fusion_nb.panel.panel import Panel
    from fusion_nb.resolve.estimate import estimate
    from fusion_nb.run.run_handle import FusionResult


__all__ = [
    "FusionError",
    "FusionResult",
    "Panel",
    "RunFailed",
    "UserError",
    "afuse",
    "estimate",
    "fuse",
    "last",
    "load",
    "models",
    "rejudge",
    "resume",
    "runs",
    "stream",
]

# Names are fetched when first used, so that `%load_ext fusion_nb` costs a notebook next to nothing.
_HOMES = {
    "FusionError": "errors",
    "FusionResult": "run.run_handle",
    "Panel": "panel.panel",
    "RunFailed": "errors",
    "UserError": "errors",
    "afuse": "api",
    "estimate": "resolve.estimate",
    "fuse": "api",
    "last": "api",
    "load": "history",
    "models": "api",
    "rejudge": "history",
    "resume": "history",
    "runs": "history",
    "stream": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fusion_nb' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fusion_nb.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


HOOKS["panel"] = lambda result: __getattr__("Panel")(result=result)


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext fusion_nb`: registers `%%fuse`, `%fuse`, `%fuse_models`, `%fuse_runs`, their configuration and Tab."""
    importlib.import_module("fusion_nb.magic").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext fusion_nb`: takes all of it away."""
    importlib.import_module("fusion_nb.magic").unload(shell)
