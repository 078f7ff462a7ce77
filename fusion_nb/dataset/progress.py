"""A bar of runs, money and failures, in a notebook or a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fusion_nb.dataset.run_queue import RunQueue
from fusion_nb.views import escape
from fusion_nb.views.formatting import plural

_NEWS = 5
"""Sentences of what was waited for that the notes keep."""


@contextlib.contextmanager
def progress_bar(queue: RunQueue, what: str, *, shown: bool) -> Iterator[None]:
    """A bar of runs and money, in a notebook or a terminal."""
    with text_bar(0, what, "run", shown=shown) as bar:

        def progress(there: int, wanted: int, usd: Decimal) -> None:
            say_news()
            bar.total = wanted
            failed = f", failed: {reasons(queue.failures)}" if queue.failures else ""
            bar.set_postfix_str(f"${usd:.4f}{failed}{batches()}", refresh=False)
            bar.update(there - bar.n)

        def say_news() -> None:
            for sentence in queue.news() if shown else ():
                bar.write(escape.safe_line(sentence), file=bar.fp)

        def batches() -> str:
            told = queue.batches.progress if queue.batches else ""
            return f", {told}" if told else ""

        def wait() -> None:
            say_news()
            if shown and batches() not in (bar.postfix or ""):
                bar.set_postfix_str(f"${queue.spent:.4f}{batches()}")

        queue.on_progress, queue.on_wait = progress, wait
        yield


def text_bar(total: int, what: str, unit: str, *, shown: bool) -> Any:
    """tqdm's bar as text: what it draws as a widget stays in a saved notebook as "Error displaying widget"."""
    from tqdm.std import tqdm  # noqa: PLC0415  loaded when there is one to draw

    # A notebook shows standard error as if something had gone wrong.
    out = sys.stdout if type(sys.stdout).__module__.startswith("ipykernel") else sys.stderr
    return tqdm(total=total, unit=unit, desc=what, disable=not shown, leave=False, file=out, ncols=80)


def reasons(failures: Mapping[str, int]) -> str:
    """`3 timeout, 1 auth`: the commonest first."""
    return ", ".join(f"{count:,} {error}" for error, count in Counter(failures).most_common())


def notes_of(queue: RunQueue) -> list[str]:
    """Sentences on what a queue has done: what it took over, waited for, failed at, and why it stopped."""
    notes = []
    if queue.taken_over:
        notes.append(f"{plural(queue.taken_over, 'prompt')} taken over from the journal: not paid again.")
    if queue.replies_taken_over:
        replies = plural(queue.replies_taken_over, "answer")
        notes.append(f"{replies} of members taken over from other runs: not paid again.")
    # What no bar has shown: services that were waited for.
    notes += list(dict.fromkeys(queue.news()))[-_NEWS:]
    if queue.failures:
        notes.append(f"Failed calls: {reasons(queue.failures)}.")
    notes += [sentence for sentence in (queue.stopped, queue.trouble) if sentence]
    return notes + (queue.batches.notes() if queue.batches else [])
