"""Ask a pool of language models from a notebook, let a judge fuse their answers, get every call back as a DataFrame.

In a notebook: `%load_ext fusion_nb`, then `%%fuse --pool claude,gemini,gpt4o --mode merge`. In Python: `fuse()`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fusion_nb._doors import OPENERS
from fusion_nb._version import __version__ as __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from fusion_nb._errors import FusionError, RunFailed, UserError
    from fusion_nb._result import FusionResult
    from fusion_nb.ahead import estimate
    from fusion_nb.api import afuse, fuse, last, stream
    from fusion_nb.history import load, rejudge, resume, runs
    from fusion_nb.known import models
    from fusion_nb.workbench import Panel

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
    "FusionError": "_errors",
    "FusionResult": "_result",
    "Panel": "workbench",
    "RunFailed": "_errors",
    "UserError": "_errors",
    "afuse": "api",
    "estimate": "ahead",
    "fuse": "api",
    "last": "api",
    "load": "history",
    "models": "known",
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


OPENERS["panel"] = lambda result: __getattr__("Panel")(result=result)


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext fusion_nb`: registers `%%fuse`, `%fuse`, `%fuse_models`, `%fuse_runs`, their configuration and Tab."""
    importlib.import_module("fusion_nb.magic").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext fusion_nb`: takes all of it away."""
    importlib.import_module("fusion_nb.magic").unload(shell)
