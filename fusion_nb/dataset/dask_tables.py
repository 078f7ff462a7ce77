"""`fuse_frame()` on a Dask DataFrame: each partition is asked as a table of its own, and kept as one Parquet file.

A partition's rows, options and answers travel; keys do not: each worker finds them in its own environment. One cap
holds for all workers: before a partition is asked it takes a lease of what is left, from a ledger that lives in the
scheduler, and gives back what it did not spend.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.spending_account import ZERO
from fusion_nb.core.values import DEMO_SERVICE
from fusion_nb.dataset.dask_parts import Job, ask_part, check_part, part_file
from fusion_nb.dataset.dask_shared_cap import on_ledger
from fusion_nb.dataset.progress import text_bar
from fusion_nb.dataset.table_columns import refuse_taken
from fusion_nb.errors import UserError
from fusion_nb.options import ROWS, Settings, configured
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.storage.files import replace_file
from fusion_nb.views import escape

_CLIENT_ONLY = ("progress", "confirm", "confirm_over", "max_cost", "max_cost_per_session", "journal")
_MANIFEST = "fusion_nb.json"


def is_dask(frame: Any) -> bool:
    """Whether it is a Dask DataFrame; loads nothing."""
    return type(frame).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(frame, "to_delayed")


def fuse_dask(
    frame: Any,
    template: str,
    settings: Settings,
    given: Mapping[str, Any],
    answer_rows: Callable[..., Any],
    *,
    parts: Any,
    prefix: str,
    members: bool,
    plan: bool,
    fresh: bool,
    repeat: bool,
    show_progress: bool,
) -> Any:
    """Ask every partition; the Dask DataFrame of the parts comes back.

    Args:
        given: the options of the call, as they were given.
        answer_rows: `table_runs.answer_rows`, which each worker calls.
        plan: whether a plan or a pilot was asked for.

    Raises `UserError` where something cannot be sent (nothing was), or a partition could not be asked.
    """
    if not is_dask(frame):
        raise UserError("parts is for a Dask DataFrame: a pandas one comes back whole.")
    if settings["batch"]:
        raise UserError("batch takes a pandas DataFrame: give it df.compute(), or leave batch out.")
    if plan:
        raise UserError("dry_run and pilot take a pandas DataFrame: give them df.sample(...).compute().")
    # Who is asked; the keys are the workers'.
    pool = Resolver(settings, keys_needed=False).resolved.pool
    texts_of = tuple(ref.name for ref in pool) if members else ()
    play_money = any(ref.service == DEMO_SERVICE for ref in pool)
    refuse_taken(frame._meta, prefix)  # noqa: SLF001  Dask's own way to the columns' types
    if not isinstance(parts, str | os.PathLike) or not str(parts):
        raise UserError("A Dask DataFrame needs parts=, a folder that every worker can write to: one file a partition.")
    folder = Path(parts).absolute()
    options = _travelling(given)
    _claim(folder, {"template": template, "prefix": prefix, "members": list(texts_of), "parts": frame.npartitions})
    cap = _cap(settings)
    cluster = _Cluster.at_hand()
    options |= {} if cap is None else {"max_cost": cap}
    options["concurrency"] = max(1, settings["concurrency"] // cluster.workers)
    table = f"{folder}#{uuid.uuid4().hex}"
    job = Job(table, template, str(folder), prefix, texts_of, cap, fresh, repeat, options, answer_rows)
    partitions = cluster.partitions(frame)
    found = cluster.each(check_part, partitions, range(len(partitions)), template)
    if problems := sorted((number, problem) for number, problem in found if problem):
        raise UserError("Partition {}: {}".format(*problems[0]))
    notes: list[str] = []
    if cap is not None:
        cluster.ledger(table, "open", cap)
    try:
        notes += _ask(cluster, partitions, job, show_progress=show_progress)
    finally:
        if cap is not None:
            spent, lost = cluster.ledger(table, "close")
            if lost:
                notes.append(f"${lost:f} of the cap is counted for workers that were lost: they may have spent it.")
            if cluster.is_elsewhere and not play_money:
                spending_caps.SESSION.settle(table, spent, lost)
        for note in dict.fromkeys(notes) if show_progress else ():
            print(escape.safe_line(note))
    dask_dataframe = importlib.import_module("dask.dataframe")
    return dask_dataframe.read_parquet([str(part_file(folder, number)) for number in range(len(partitions))])


def _ask(cluster: _Cluster, partitions: list[Any], job: Job, *, show_progress: bool) -> list[str]:
    """Rounds over the partitions: what a lease was too small for is asked again while money is left and it helps.

    Gives the sentences of the last round.
    """
    to_ask = list(range(len(partitions)))
    while to_ask:
        done: dict[int, dict[str, Any]] = {}
        chosen = [partitions[number] for number in to_ask]
        with _bar(len(to_ask), shown=show_progress) as advance:
            for number, told in cluster.each(ask_part, chosen, to_ask, job):
                if isinstance(told, str):
                    raise UserError(f"Partition {number}: {told} Parts that are done are kept; the same call goes on.")
                done[number] = told
                advance(told)
        notes = [note for told in done.values() for note in told["notes"]]
        to_ask = [number for number, told in done.items() if told["budget"]]
        helps = job.cap is not None and any(told["answered"] for told in done.values())
        if not (to_ask and helps and cluster.ledger(job.table, "left") > ZERO):
            return notes
        job = job._replace(fresh=False)
    return []


class _Cluster:
    """The caller's Dask client; or this process, one partition after the other."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.is_elsewhere = client is not None
        self.workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"])) if client else 1

    @classmethod
    def at_hand(cls) -> _Cluster:
        try:
            return cls(importlib.import_module("distributed").default_client())
        except (ImportError, ValueError):
            return cls(None)

    def partitions(self, frame: Any) -> list[Any]:
        delayed = frame.to_delayed()
        return list(self._client.compute(delayed)) if self._client else list(delayed)

    def each(
        self, do: Callable[..., Any], partitions: list[Any], numbers: Any, *more: Any
    ) -> Iterator[tuple[int, Any]]:
        """(number of the partition, what `do` gave) as they come."""
        if self._client is None:
            for partition, number in zip(partitions, numbers, strict=True):
                yield number, do(partition.compute(scheduler="sync"), number, *more)
            return
        distributed = importlib.import_module("distributed")
        futures = {
            self._client.submit(do, partition, number, *more, pure=False): number
            for partition, number in zip(partitions, numbers, strict=True)
        }
        try:
            for future in distributed.as_completed(futures):
                yield futures[future], future.result()
        finally:
            self._client.cancel(list(futures))

    def ledger(self, table: str, action: str, *arguments: Any) -> Any:
        if self._client is None:
            return on_ledger(table, action, *arguments)
        return self._client.run_on_scheduler(on_ledger, table, action, *arguments)


def _travelling(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a worker is given: those of the call and of this session's defaults, which it has none of."""
    names = [n for n, row in ROWS.items() if "fuse_frame" in row.calls and n not in _CLIENT_ONLY]
    options = {n: value for n in names if (value := configured(n) if given.get(n) is None else given[n]) is not None}
    return {n: value for n, value in options.items() if ROWS[n].can_act(options)}


def _cap(settings: Settings) -> Decimal | None:
    """What holds for the whole: `max_cost`, and what is left of the session's cap. That of the day holds by itself."""
    session = settings["max_cost_per_session"]
    left = None if session is None else max(ZERO, spending_caps.SESSION.left(session) or ZERO)
    return min((cap for cap in (settings["max_cost"], left) if cap is not None), default=None)


def _claim(folder: Path, about: Mapping[str, Any]) -> None:
    """Make the folder this table's. Raises `UserError` where it is another's."""
    manifest = folder / _MANIFEST
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if manifest.exists():
            if json.loads(manifest.read_text(encoding="utf-8")) != about:
                raise UserError(f"{folder} has the parts of another table: name another folder, or empty it.")
        elif any(folder.iterdir()):
            raise UserError(f"{folder} is not empty, and holds no parts: name a folder of its own.")
        else:
            replace_file(manifest, json.dumps(about).encode(), durable=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} cannot hold the parts: {error}.") from None


@contextlib.contextmanager
def _bar(parts: int, *, shown: bool) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Parts that are done, and USD."""
    spent = ZERO
    with text_bar(parts, "fuse_frame", "part", shown=shown) as bar:

        def advance(told: Mapping[str, Any]) -> None:
            nonlocal spent
            spent += told["spent"]
            bar.set_postfix_str(f"${spent:.4f}", refresh=False)
            bar.update()

        yield advance
