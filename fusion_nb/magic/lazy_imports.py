"""The modules behind the magics, each loaded with the first cell that needs it: `%load_ext` costs next to nothing."""

from __future__ import annotations

import importlib
from typing import Any


def api() -> Any:
    return importlib.import_module("fusion_nb.api")


def pools() -> Any:
    return importlib.import_module("fusion_nb.resolve.pools")


def request() -> Any:
    return importlib.import_module("fusion_nb.resolve.spec_builder")


def run_handle() -> Any:
    return importlib.import_module("fusion_nb.run.run_handle")


def background() -> Any:
    return importlib.import_module("fusion_nb.magic.background")


def estimate() -> Any:
    return importlib.import_module("fusion_nb.resolve.estimate")


def history() -> Any:
    return importlib.import_module("fusion_nb.history")


def table_files() -> Any:
    return importlib.import_module("fusion_nb.journal.table_files")


def table_calls() -> Any:
    return importlib.import_module("fusion_nb.magic.table_calls")


def panel() -> Any:
    return importlib.import_module("fusion_nb.panel.panel")


def function_provider() -> Any:
    return importlib.import_module("fusion_nb.providers.function_provider")
