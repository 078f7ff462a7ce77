"""`Journal`: writes a run's events as they come into being. The run goes on whatever becomes of the file."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from fusion_nb.core.events import CallEnded, CallStarted, Event, RunEnded, TextDelta
from fusion_nb.core.fold import join_deltas
from fusion_nb.journal import run_files
from fusion_nb.journal.run_files import to_blocks
from fusion_nb.storage import file_lock, files
from fusion_nb.storage.files import sync_file, sync_folder, write_all

EVERY = 0.1
"""Seconds that text may wait for more of it, so that it can be written together."""
MOST = 1024
"""Characters that may wait: at most 4 kB."""
_DURABLE = (CallEnded, RunEnded)
"""On the disk itself before anyone sees them. `CallStarted` is by the end of its turn of the loop, in which nothing is
sent yet: one sync for a whole pool. The others are with the operating system, which a kernel's death does not harm."""


begun: set[str] = set()
"""The runs this process has begun to write: its session."""
NO_LOCKS = (
    "{folder} is on a file system without file locks ({reason}): until a run has ended, other kernels take it for one "
    "that crashed. Set FUSION_NB_HOME to a folder on a local disk."
)
_without_locks: set[Path] = set()
"""The folders of which that has been said."""


class Journal:
    """The file of one run, as `Record`'s hook: called with each event, on one thread, before anyone else sees it.

    It never raises. Where the journal's folder is full or closed, the run is written, from its beginning, to
    `$TMPDIR`; where that fails too, it goes on unwritten. Either way `trouble` is the sentence to show.
    """

    def __init__(self, run: str) -> None:
        begun.add(run)
        self._name = f"{run}{run_files.SUFFIX}"
        self._file: _File | None = None
        self._folders: list[Callable[[], Path]] = [run_files.spare_folder, run_files.runs_folder]
        """Where it may be written, the last first; each is tried once."""
        self._waiting: list[TextDelta] = []
        self._size = 0
        self._flushed = -EVERY
        self._timer: asyncio.Handle | None = None
        self._unsynced: asyncio.Handle | None = None
        self._ended = False
        self.trouble: str | None = None

    @property
    def path(self) -> Path | None:
        """Where it is written; `None` where it is not."""
        return self._file.path if self._file else None

    @property
    def lost(self) -> bool:
        """Whether it could be written nowhere."""
        return self._ended and self._file is None

    def __call__(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._waiting.append(event)
            self._size += len(event.text)
            if self._size >= MOST or event.at - self._flushed >= EVERY:
                self.flush()
            elif self._timer is None:
                self._timer = _later(EVERY, self._on_time)
            return
        self.flush(event)
        if isinstance(event, RunEnded):
            self.close()

    def flush(self, event: Event | None = None) -> None:
        """Write what waits, and then `event`."""
        if not self._waiting and event is None:
            return
        events: list[Event] = [*join_deltas(self._waiting), *([event] if event else [])]
        self._flushed = (event or self._waiting[-1]).at
        self._waiting.clear()
        self._size = 0
        try:
            last = b""
            for block in to_blocks(events):
                if last:
                    self._write(last, durable=False)
                last = block
            self._write(last, durable=self._must_last(event))
        except Exception as error:  # noqa: BLE001  a defect here must not cost anybody an answer that is being paid
            self._lose(f"fusion_nb failed to write it ({type(error).__name__}: {error})")

    def close(self) -> None:
        """Write what waits and let go of the file: no more events come."""
        self.flush()
        self._ended = True
        if self._file:
            self._file.close()

    def _must_last(self, event: Event | None) -> bool:
        """Whether it is to be on the disk now; if only by the end of this turn of the loop, that is arranged for."""
        if not isinstance(event, CallStarted):
            return isinstance(event, _DURABLE)
        self._unsynced = self._unsynced or _later(0, self._on_turn)
        return self._unsynced is None

    def _on_time(self) -> None:
        self._timer = None
        self.flush()

    def _on_turn(self) -> None:
        if self._unsynced is not None:
            self._write(b"", durable=True)

    def _write(self, data: bytes, *, durable: bool) -> None:
        if durable:
            self._unsynced = None
        if self._ended:
            return
        first_error: OSError | None = None
        earlier = b""
        while self._file or self._folders:
            try:
                self._file = self._file or self._open()
                self._file.append(earlier + data, durable=durable or bool(earlier))
            except OSError as error:
                first_error = first_error or error
                if self._file:
                    earlier = self._file.abandon()
                    self._file = None
                continue
            if first_error:
                self.trouble = f"{_not_written(first_error)} This run is written to {self._file.path} instead."
            return
        if first_error:
            self._lose(_not_written(first_error))

    def _open(self) -> _File:
        file = _File(self._folders.pop()() / self._name)
        folder = file.path.parent
        if file.lock_error is not None and folder not in _without_locks:
            _without_locks.add(folder)
            self.trouble = NO_LOCKS.format(folder=folder, reason=file.lock_error.strerror)
        return file

    def _lose(self, why: str) -> None:
        self.trouble = f"This run is not being written down: its answers live in this kernel alone. {why}"
        self._ended = True
        if self._file:
            self._file.abandon()
            self._file = None


class _File:
    """An append-only file of ours, locked for as long as it is open: so others see that it is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | file_lock.NO_LINKS, 0o600)
        self.lock_error: OSError | None = None
        """Why it is not locked; it is written all the same."""
        try:
            # Before its first line: a file that has one is either locked or over.
            file_lock.wait_for_lock(self._fd)
        except OSError as error:
            self.lock_error = error
        self._length = 0
        self._listed = False

    def append(self, data: bytes, *, durable: bool) -> None:
        """All of it, or an `OSError`."""
        write_all(self._fd, data)
        if durable:
            sync_file(self._fd)
            if not self._listed:
                sync_folder(self.path.parent)
                self._listed = True
        self._length += len(data)

    def abandon(self) -> bytes:
        """Close it after a failure and give what was written to it in whole lines."""
        contents = b""
        with contextlib.suppress(OSError):
            contents = os.pread(self._fd, self._length, 0) if hasattr(os, "pread") else self.path.read_bytes()
            os.ftruncate(self._fd, self._length)
            if not self._length:
                self.path.unlink()
        self.close()
        return contents[: self._length]

    def close(self) -> None:
        """Once: the number of a closed descriptor is soon somebody else's."""
        if self._fd >= 0:
            file_lock.close(self._fd)
            self._fd = -1


def _not_written(error: OSError) -> str:
    return f"The journal cannot be written: {error.filename or files.home()}: {error.strerror}."


def _later(seconds: float, work: Callable[[], None]) -> asyncio.Handle | None:
    """`work`, on this thread's loop, after its present turn or later; `None` where no loop turns."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop.call_later(seconds, work) if seconds else loop.call_soon(work)
