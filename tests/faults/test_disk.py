"""A full disk and a home that has become read-only: the run goes on, is kept elsewhere where it can be, and says so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_nb.journal import maintenance, run_files, run_index
from fusion_nb.journal.run_reader import load
from fusion_nb.run.result import FusionResult
from tests.journalled import Kernel
from tests.replay import Replay

ROOT = Path(__file__).parents[2]
SIZE = 1024 * 1024
LONG = "burst/10000"
"""Some 60 kB of text."""


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 1 MB with the home on it; `$TMPDIR` is on another."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    (tmp_path / "spare").mkdir()
    monkeypatch.setenv("FUSION_NB_HOME", str(disk / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "spare"))
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take up the disk but for so many bytes."""
    ballast = disk / "ballast"
    about = os.statvfs(disk)
    ballast.write_bytes(b"x" * max(0, about.f_bavail * about.f_frsize - leave))
    return ballast


@pytest.mark.parametrize("leave", [0, 4096, 8192, 50_000, 100_000])
def test_a_disk_that_fills_up_in_the_middle(small_disk: Path, replay: Replay, leave: int) -> None:
    """Wherever in a run the disk is full, its result is whole, its file too, in $TMPDIR; it comes home when there is
    room again."""
    ballast = fill(small_disk, leave)
    kernel = Kernel(replay.url)
    result = kernel.run([LONG, "burst/3"], mode="best-of")
    assert (result.status, len(result.replies[0].text)) == ("ok", sum(len(f"w{n} ") for n in range(1, 10_001)))
    assert kernel.journal is not None
    assert "No space left" in str(kernel.journal.trouble)
    assert str(small_disk.parent / "spare") in str(kernel.journal.trouble)
    assert load(result.run, FusionResult()) == result
    assert [(row.run, row.status, row.damaged) for row in run_index.runs()] == [(result.run, "ok", False)]
    assert run_files.entries()[result.run].path.parent == run_files.spare_folder()

    ballast.unlink()
    assert [(row.run, row.status) for row in run_index.runs()] == [(result.run, "ok")]
    assert run_files.entries()[result.run].path.parent == run_files.runs_folder()
    assert load(result.run, FusionResult()) == result
    assert list(run_files.spare_folder().iterdir()) == []


def test_no_room_anywhere(small_disk: Path, replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """With $TMPDIR on the full disk too, the run ends as ever in memory, and the sentence says that it is there alone."""
    monkeypatch.setenv("TMPDIR", str(small_disk))
    fill(small_disk, 40_000)
    kernel = Kernel(replay.url)
    result = kernel.run([LONG, "burst/3"], mode="best-of")
    assert result.status == "ok"
    assert kernel.journal is not None
    assert "this kernel alone" in str(kernel.journal.trouble)
    # What had been written until then is there, and is not called whole.
    assert [(row.run, row.status) for row in run_index.runs()] == [(result.run, "crashed")]
    assert result.replies[0].text.startswith(load(result.run, FusionResult()).replies[0].text)


def test_a_full_disk_harms_no_index(small_disk: Path, replay: Replay) -> None:
    """Listing runs on a full disk works, and the index is sound and right afterwards."""
    kernel = Kernel(replay.url)
    runs = [kernel.run(["burst/3"]).run for _ in range(3)]
    assert {row.run for row in run_index.runs()} == set(runs)
    ballast = fill(small_disk, 0)
    runs.append(kernel.run(["burst/3"]).run)
    assert {row.run for row in run_index.runs()} == set(runs)
    ballast.unlink()
    assert {row.run for row in run_index.runs()} == set(runs)
    assert list((small_disk / "home").glob("*.corrupt-*")) == []


def test_a_home_that_has_become_read_only(small_disk: Path, replay: Replay) -> None:
    """Past runs of a read-only home can be listed and loaded; a new run is kept in $TMPDIR, and says why."""
    # In a process that has ended: one that has the day's account open keeps its disk from being made read-only.
    code = f"from tests.journalled import Kernel; print(Kernel({replay.url!r}).run(['burst/3']).run)"
    first = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    old = load(first.stdout.strip(), FusionResult())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    kernel = Kernel(replay.url)
    result = kernel.run(["burst/4"])
    assert result.status == "ok"
    assert kernel.journal is not None
    assert "Read-only" in str(kernel.journal.trouble)
    assert {row.run for row in run_index.runs()} == {old.run, result.run}
    assert load(old.run, FusionResult()) == old
    assert load(result.run, FusionResult()) == result
    assert maintenance.adopt_spare_files() == 0
