"""One partition of a Dask DataFrame: asked on its worker as a table of its own, and kept as one Parquet file.

Of a part that is there already only the rows that lack an answer are asked again.
"""

from __future__ import annotations

import hashlib
import importlib
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fusion_nb.accounts.spending_account import ZERO
from fusion_nb.dataset.dask_shared_cap import LeasedAccount
from fusion_nb.dataset.prompt_template import filled
from fusion_nb.dataset.table_columns import COLUMNS
from fusion_nb.errors import UserError
from fusion_nb.options import settle

AGAIN = ("budget", "cancelled", "error")
"""What a row ended with that the next call asks once more."""


class Job(NamedTuple):
    """What a worker is told, beside its rows."""

    table: str
    template: str
    folder: str
    prefix: str
    members: tuple[str, ...]
    """Whose texts are kept too."""
    cap: Decimal | None
    fresh: bool
    repeat: bool
    options: Mapping[str, Any]
    answer_rows: Callable[..., Any]
    """What `fuse_frame()` does with a pandas frame."""


def ask_part(rows: pd.DataFrame, number: int, job: Job) -> dict[str, Any] | str:
    """One partition, on its worker: what is missing of it is asked, and the whole of it is written. Raises nothing: a
    sentence says what could not be."""
    try:
        return _asked_part(rows, number, job)
    except UserError as error:
        return str(error)


def _asked_part(rows: pd.DataFrame, number: int, job: Job) -> dict[str, Any]:
    path, digest = part_file(Path(job.folder), number), _digest(rows)
    earlier = None if job.fresh else _earlier(path, digest)
    status = job.prefix + "status"
    missing = pd.Series(True, index=rows.index) if earlier is None else earlier[status].isin(AGAIN).set_axis(rows.index)
    told = {"answered": 0, "budget": 0, "notes": [], "spent": ZERO, "rows": len(rows)}
    if not len(rows) or not missing.any():
        if earlier is None:
            _write(path, _empty(rows, job), digest)
        return told
    account = LeasedAccount(job.table, f"{number}-{uuid.uuid4().hex}", job.cap) if job.cap is not None else None
    try:
        answers = job.answer_rows(
            rows[missing], job.template, settle("fuse_frame", job.options), prefix=job.prefix,
            members=bool(job.members), fresh=job.fresh, repeat=job.repeat, show_progress=False, account=account,
        )  # fmt: skip
    finally:
        if account is not None:
            account.give_back()
    told["spent"], told["notes"] = Decimal(answers.attrs["spent_usd"]), answers.attrs["notes"]
    for name in job.members:
        if (column := f"{job.prefix}answer_{name}") not in answers:
            answers[column] = pd.array([None] * len(answers), dtype="string")
    whole = answers
    if earlier is not None:
        whole = earlier.copy()
        for name in answers.columns[len(rows.columns) :]:
            whole.loc[missing.to_numpy(), name] = answers[name].to_numpy()
    _write(path, whole, digest)
    told["budget"] = int((answers[status] == "budget").sum())
    told["answered"] = int((~answers[status].isin(AGAIN)).sum())
    return told


def _empty(rows: pd.DataFrame, job: Job) -> pd.DataFrame:
    kinds = {**COLUMNS, **dict.fromkeys((f"answer_{name}" for name in job.members), "string")}
    return rows.assign(**{job.prefix + name: pd.array([None] * len(rows), dtype=kind) for name, kind in kinds.items()})


def check_part(rows: pd.DataFrame, number: int, template: str) -> str:
    """Why a partition cannot be asked; empty where it can."""
    try:
        if not rows.index.is_unique:
            return "its index has a label twice: give the frame one of its own, reset_index() does."
        if len(rows):
            filled(template, rows)
    except UserError as error:
        return str(error)
    return ""


def part_file(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06}.parquet"


def _digest(rows: pd.DataFrame) -> str:
    """Tells whether a partition is the one that was asked."""
    text = rows.astype("string").to_csv()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _earlier(path: Path, digest: str) -> pd.DataFrame | None:
    """A part that was written for these rows."""
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        if (parquet.read_schema(path).metadata or {}).get(b"fusion_nb") != digest.encode():
            return None
        part: pd.DataFrame = pd.read_parquet(path)
    except (OSError, ValueError):
        return None
    return part


def _write(path: Path, part: pd.DataFrame, digest: str) -> None:
    """The whole file, or nothing of it."""
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    table = arrow.Table.from_pandas(part)
    kept = table.replace_schema_metadata({**(table.schema.metadata or {}), b"fusion_nb": digest.encode()})
    written = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    parquet.write_table(kept, written)
    written.replace(path)
