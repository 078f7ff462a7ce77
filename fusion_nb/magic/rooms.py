"""The rooms behind the magics, each loaded with the first cell that needs it: `%load_ext` costs next to nothing."""

from __future__ import annotations

import importlib
from typing import Any


def api() -> Any:
    return importlib.import_module("fusion_nb.api")


def names() -> Any:
    return importlib.import_module("fusion_nb._names")


def begun() -> Any:
    return importlib.import_module("fusion_nb._begun")


def background() -> Any:
    return importlib.import_module("fusion_nb.magic.background")


def ahead() -> Any:
    return importlib.import_module("fusion_nb.ahead")


def history() -> Any:
    return importlib.import_module("fusion_nb.history")


def known() -> Any:
    return importlib.import_module("fusion_nb.known")


def spending() -> Any:
    return importlib.import_module("fusion_nb.spending")


def workbench() -> Any:
    return importlib.import_module("fusion_nb.workbench")
