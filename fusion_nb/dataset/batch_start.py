"""How the batches of a table begin: its record, the calls that are wanted, and who has them already."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fusion_nb.accounts.spending_caps import SpendingPolicy
from fusion_nb.core.run_spec import run_started
from fusion_nb.core.values import DEMO_SERVICE, PYTHON_SERVICE
from fusion_nb.dataset.batch_queue import BatchQueue
from fusion_nb.dataset.batch_requests import Wanted, wanted_calls
from fusion_nb.dataset.jobs import Job
from fusion_nb.dataset.table_record import QueueRecord
from fusion_nb.journal import table_batches

_UNLISTED = (DEMO_SERVICE, PYTHON_SERVICE)
"""Whose prices stand in no list."""


def planned_batches(
    jobs: Mapping[int, Job],
    keys: Callable[[Job], Mapping[str, str]],
    record: QueueRecord,
    caps: Callable[[Job], SpendingPolicy],
    tell: Callable[[str], None],
) -> tuple[BatchQueue, dict[int, list[Wanted]]]:
    """Where the batches of these jobs are waited for, and the calls to begin with, by job. Raises `UserError`.

    Args:
        jobs: by their places, with the replies that are taken over.
        keys: by the name of a member, the key of its first reply.
        record: the table is made in it.
        caps: what a job is paid from.
    """
    first = next(iter(jobs.values()))
    reach = first.way.resolver.reach
    reach.load_prices(ref for ref in first.spec.everyone if ref.service not in _UNLISTED)
    table = record.make(first.spec)
    table_batches.put_rows(table, [run_started(job.spec, "", "") for job in jobs.values()])
    batches = BatchQueue(reach, caps(first), table, tell, allow_unpriced=first.spec.limits.allow_unpriced)
    return batches, {at: list(wanted_calls(at, job.spec, keys(job), reach)) for at, job in jobs.items()}
