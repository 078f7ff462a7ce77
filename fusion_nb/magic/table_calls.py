"""`%%fuse --evaluate` and `%%fuse --each`: the calls of Python behind a line over a table of the notebook."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from fusion_nb.dataset.batch_resume import resume_table
from fusion_nb.dataset.table_runs import fuse_frame
from fusion_nb.errors import UserError
from fusion_nb.evaluation import evaluate
from fusion_nb.magic.notebook_functions import columns_of, known_answers
from fusion_nb.options import ROWS


def evaluate_line(
    table: Any,
    text: str,
    parsed: argparse.Namespace,
    names: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    show: bool,
) -> Any:
    """The report on a table of questions, answers or runs; with `--dry-run` the plan.

    Args:
        text: the cell: the template of prompts.
        parsed: the line.
        names: the notebook's variables.
        options: those of the line, as Python takes them.
        show: whether a bar is shown.
    """
    own = columns_of(table)
    return evaluate(
        table,
        known_answers(parsed.known, own, names),
        template=text if text.strip() else None,
        arms=parsed.arms or "all",
        baseline=parsed.baseline,
        by=known_answers(parsed.by, own, names, "--by"),
        dry_run=parsed.dry_run,
        show_progress=show,
        **options,
    )


def each_line(
    table: Any,
    text: str,
    parsed: argparse.Namespace,
    names: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    show: bool,
) -> Any:
    """The table with an answer to each of its rows; with `--dry-run` the plan. Arguments as of `evaluate_line()`."""
    return fuse_frame(
        table,
        text,
        prefix=parsed.prefix or "",
        dry_run=parsed.dry_run,
        pilot=None if parsed.pilot is None else ROWS["pilot"].check(parsed.pilot),
        fresh=parsed.fresh,
        repeat=parsed.repeat,
        show_progress=show,
        **options,
    )


def resume_line(parsed: argparse.Namespace, options: dict[str, Any]) -> Any:
    """The rows of a table whose batches are waited for. Raises `UserError` for what does not go with that."""
    for flag, given in (("--dry-run", parsed.dry_run), ("--background", parsed.background)):
        if given:
            raise UserError(f"{flag} does not go with --resume of a table: leave it out.")
    (table,) = options.pop("run")
    return resume_table(table, options, show_progress=not parsed.quiet)
