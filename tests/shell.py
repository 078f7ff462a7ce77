"""A real IPython shell for tests, with what it shows and prints."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config


@dataclass(frozen=True, slots=True)
class Ran:
    """One cell: its value, what it printed, what it displayed, and the error it ended with."""

    value: Any
    text: str
    outputs: list[Any]
    error: BaseException | None


class Shell:
    """IPython without a terminal, one namespace, the extension loaded."""

    def __init__(self) -> None:
        InteractiveShell.clear_instance()
        config = Config()
        config.HistoryManager.enabled = False
        self.ip = InteractiveShell.instance(config=config)
        self.ip.run_line_magic("load_ext", "fusion_nb")

    def run(self, cell: str) -> Ran:
        errors = io.StringIO()
        with capture_output() as captured, contextlib.redirect_stderr(errors):
            result = self.ip.run_cell(cell, store_history=True)
        said = captured.stdout + captured.stderr + errors.getvalue()
        return Ran(result.result, said, captured.outputs, result.error_in_exec or result.error_before_exec)

    def close(self) -> None:
        self.ip.run_line_magic("unload_ext", "fusion_nb")
        InteractiveShell.clear_instance()
