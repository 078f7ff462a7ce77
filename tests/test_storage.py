"""Files that processes share: one writer at a time, whole or not at all, and read only where they are this user's."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.accounts.day_account import DayAccount
from fusion_nb.core import RunState
from fusion_nb.core.events import ChoiceMade
from fusion_nb.journal import maintenance, run_files
from fusion_nb.journal.run_reader import load
from fusion_nb.journal.run_writer import Journal
from fusion_nb.providers import catalogue_cache, custom_services, services
from fusion_nb.resolve import pools
from fusion_nb.storage import file_lock, files
from fusion_nb.storage.files import replace_file
from tests.journalled import new_run, tiny, written
from tests.site import ROWS

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


def process(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def holder(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has done what `code` says up to its first line of output, and then waits for its end."""
    with process(f"{code}\nprint('ready', flush=True)\ninput()", *arguments) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        try:
            yield other
        finally:
            other.kill()


ADDER = """
import sys
from pathlib import Path
from fusion_nb.storage.files import replace_file
from fusion_nb.storage.file_lock import locked
folder, times = Path(sys.argv[1]), int(sys.argv[2])
for _ in range(times):
    with locked(folder / "lock", patience=60):
        count = int((folder / "count").read_text())
        replace_file(folder / "count", str(count + 1).encode(), durable=False)
"""


def test_one_process_at_a_time_is_in_a_locked_block(tmp_path: Path) -> None:
    """Four processes that read, add one and write lose no addition, and leave nothing beside the file."""
    (tmp_path / "count").write_text("0")
    others = [process(ADDER, tmp_path, 50) for _ in range(4)]
    for other in others:
        with other:
            assert other.wait(120) == 0
    assert (tmp_path / "count").read_text() == "200"
    assert {path.name for path in tmp_path.iterdir()} == {"count", "lock"}


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """While another process has it, waiting ends with a sentence; killed, it has it no more."""
    take = "import sys; from fusion_nb.storage.file_lock import locked; from pathlib import Path\nblock = locked(Path(sys.argv[1])); block.__enter__()"
    with (
        holder(take, tmp_path / "lock"),
        pytest.raises(TimeoutError, match="lock has been locked by another process"),
        file_lock.locked(tmp_path / "lock", 0.05),
    ):
        pytest.fail("two at once")
    with file_lock.locked(tmp_path / "lock", 0.05):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX's")
@pytest.mark.parametrize("kind", ["block", "liveness", "journal"])
def test_no_child_keeps_a_lock_of_its_parent(kind: str, tmp_path: Path) -> None:
    """A forked child outlives its killed parent: neither the block, nor the sign of life, nor the run stays locked."""
    code = f"""
import os, sys, threading, time, warnings
from pathlib import Path
from fusion_nb.storage import file_lock
warnings.simplefilter("ignore")  # of a fork beside a thread
path, taken, holders = Path(sys.argv[1]), threading.Event(), []

def block():
    with file_lock.locked(path):
        taken.set()
        time.sleep(60)

def liveness():
    holders.append(file_lock.LivenessLock(path))
    taken.set()

def journal():
    assert file_lock.try_lock(os.open(path, os.O_RDWR | os.O_CREAT))
    taken.set()

threading.Thread(target={kind}).start()
taken.wait()
child = os.fork()
if child == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""
    with process(code, tmp_path / "lock") as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait(60)
        try:
            fd = os.open(tmp_path / "lock", os.O_RDWR)
            assert not file_lock.is_locked(fd)
            os.close(fd)
            assert file_lock.LivenessLock.stopped(tmp_path / "lock")
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_sign_of_life(tmp_path: Path) -> None:
    """It is there while its process lives, however many look at once, and gone with it."""
    path = tmp_path / "alive"
    with holder(
        "import sys; from pathlib import Path\nfrom fusion_nb.storage.file_lock import LivenessLock\nlock = LivenessLock(Path(sys.argv[1]))",
        path,
    ):
        assert not file_lock.LivenessLock.stopped(path)
        looks: list[bool] = []
        lookers = [
            threading.Thread(target=lambda: looks.extend(file_lock.LivenessLock.stopped(path) for _ in range(50)))
            for _ in range(4)
        ]
        for looker in lookers:
            looker.start()
        for looker in lookers:
            looker.join()
        assert looks == [False] * 200
    assert file_lock.LivenessLock.stopped(path)
    assert file_lock.LivenessLock.stopped(tmp_path / "never")


def test_who_looks_does_not_hinder_who_looks(tmp_path: Path) -> None:
    """Of many that only look at an unlocked file at once, none takes another for its writer."""
    path = tmp_path / "file"
    path.touch()
    looks: list[bool] = []

    def look() -> None:
        for _ in range(300):
            fd = os.open(path, os.O_RDONLY)
            looks.append(file_lock.is_locked(fd))
            os.close(fd)

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert not any(looks)


def test_a_link_in_the_place_of_a_lock(tmp_path: Path) -> None:
    """It is not followed: the file it leads to is neither made nor locked."""
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError), file_lock.locked(tmp_path / "lock"):
        pytest.fail("locked through a link")
    with pytest.raises(OSError):
        file_lock.LivenessLock(tmp_path / "lock")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, durable: bool) -> None:
    """Its owner alone may read it; a reader never sees a part; where it cannot be written the old one stays, alone."""
    path = tmp_path / "file"
    replace_file(path, b"old" * 1000, durable=durable)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(50):
        replace_file(path, b"%03d" % n * 1000, durable=durable)
    done.set()
    reader.join()
    assert all(len(contents) == 3000 and contents == contents[:3] * 1000 for contents in seen)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        replace_file(tmp_path / "folder", b"new", durable=durable)
    with pytest.raises(OSError):
        replace_file(tmp_path / "missing" / "file", b"new", durable=durable)
    assert {each.name for each in tmp_path.iterdir()} == {"file", "folder"}


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    """What the link led to stays as it is."""
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "file").symlink_to(target)
    replace_file(tmp_path / "file", b"new", durable=False)
    assert (target.read_text(), (tmp_path / "file").read_text()) == ("mine", "new")


# A run's record, after its end.

CHOOSER = """
import sys
from fusion_nb.core.events import ChoiceMade
from fusion_nb.journal.maintenance import append_events
run, times = sys.argv[1], int(sys.argv[2])
for n in range(times):
    append_events(run, [ChoiceMade(call=1, when=f"{n}")])
"""


def test_of_many_processes_one_adds_to_a_run_at_a_time() -> None:
    """Three processes add forty lines each to one run: all are there, each with a number of its own, none torn."""
    run, path = written(tiny(new_run()))
    others = [process(CHOOSER, run, 40) for _ in range(3)]
    for other in others:
        with other:
            assert other.wait(120) == 0
    recorded = run_files.read(path)
    choices = [event for event in recorded.events if isinstance(event, ChoiceMade)]
    assert (len(choices), recorded.damaged) == (120, False)
    numbers = [event.seq for event in recorded.events]
    assert numbers == sorted(set(numbers))


def test_nothing_is_added_to_a_run_under_way() -> None:
    """While another process writes it, a sentence says so and the file is as it was; once that is killed, it is added to."""
    run = new_run()
    begin = f"from tests.journalled import tiny; from fusion_nb.journal.run_writer import Journal\njournal = Journal({run!r})\nfor event in tiny({run!r})[:4]: journal(event)\njournal.flush()"
    with holder(begin):
        path = files.home() / "runs" / f"{run}.jsonl"
        before = path.read_bytes()
        with pytest.raises(fusion_nb.UserError, match=f"Run {run} is under way"):
            maintenance.append_events(run, [ChoiceMade(call=1, when="now")])
        assert path.read_bytes() == before
        assert load(run, RunState()).status == "running"
    maintenance.append_events(run, [ChoiceMade(call=1, when="now")])
    assert load(run, RunState()).status == "cancelled"


def test_looking_at_a_run_does_not_keep_it_from_being_added_to() -> None:
    """Another kernel that lists runs all the time holds each for a moment: a choice made meanwhile is kept."""
    run, path = written(tiny(new_run()))
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            run_files.is_under_way(path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for n in range(50):
            maintenance.append_events(run, [ChoiceMade(call=1, when=f"{n}")])
    finally:
        done.set()
        for looker in lookers:
            looker.join()
    assert sum(isinstance(event, ChoiceMade) for event in run_files.read(path).events) == 50


def test_a_run_that_is_moved_meanwhile(own_home: Path, tmp_path: Path) -> None:
    """A run added to while another process brings it home from the spare folder keeps what was added."""
    spare = run_files.spare_folder()
    runs = [new_run() for _ in range(30)]
    for run in runs:
        (spare / f"{run}.jsonl").write_bytes(b"".join(map(run_files.to_line, tiny(run))))
    with process(
        "from fusion_nb.journal.maintenance import adopt_spare_files\nwhile adopt_spare_files() or not input(): break"
    ) as other:
        for run in runs:
            maintenance.append_events(run, [ChoiceMade(call=1, when="now")])
        print(file=other.stdin, flush=True)
        assert other.wait(60) == 0
    maintenance.adopt_spare_files()
    assert list(spare.iterdir()) == []
    for run in runs:
        assert any(isinstance(event, ChoiceMade) for event in run_files.read(own_home / "runs" / f"{run}.jsonl").events)


@posix
def test_a_file_system_without_locks_is_said(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    """The system refuses every lock, as some network folders do: the run is kept whole, and a note says what that means."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    result = fusion_nb.fuse("Hi?", "demo:swift")
    (note,) = result.notes
    assert "without file locks (No locks available)" in note
    assert "Set FUSION_NB_HOME to a folder on a local disk" in note
    assert fusion_nb.load(result.run).answer == result.answer
    assert fusion_nb.fuse("Hi?", "demo:swift").notes == ()  # once for a folder
    with pytest.raises(fusion_nb.UserError, match="No locks available"):
        pools.save_pool("mine", ["demo:swift"])


# A home that others can write.


def catalogue_with(home: Path, price: str) -> Path:
    """A catalogue of today in which every model has this price; its file."""
    rows = [{**row, "pricing": {"prompt": price, "completion": price}} for row in ROWS]
    catalogue_cache._write_cache(home, catalogue_cache._used_fields(rows), services.OPENROUTER, NOW)
    return catalogue_cache.cache_path(home, services.OPENROUTER)


def planted(home: Path) -> dict[str, Path]:
    """Prices, a pool and a confirmed address, all as the product writes them; their files."""
    pools.save_pool("mine", ["demo:swift"])
    custom_services.require_consent(custom_services.custom_service("evil", "https://evil.example/v1"), lambda _: True)
    return {"prices": catalogue_with(home, "0"), "pools": home / "pools.json", "consent": home / "origins.json"}


def believed(home: Path) -> set[str]:
    """Of prices, pools and confirmed addresses, those that are taken for true."""
    catalogue_cache._looked.clear()
    taken = {"prices"} if catalogue_cache.cached_catalogue(home, services.OPENROUTER) else set()
    if "mine" in pools.pool_names():
        taken.add("pools")
    if (
        custom_services.unconfirmed_destination(custom_services.custom_service("evil", "https://evil.example/v1"))
        is None
    ):
        taken.add("consent")
    return taken


ALL = {"prices", "pools", "consent"}


@posix
def test_a_home_that_everybody_can_write_is_not_believed(own_home: Path) -> None:
    """False prices would pass `max_cost`, a pool or an address would send a prompt elsewhere: none is read, then all are."""
    planted(own_home)
    own_home.chmod(0o777)
    catalogue_cache._parsed.clear()
    assert believed(own_home) == set()
    with pytest.raises(fusion_nb.UserError, match=r"can be written by everybody: take that away \(chmod o-w\)"):
        fusion_nb.fuse("Hi?", "mine")
    with pytest.raises(fusion_nb.UserError, match="chmod o-w"):
        pools.save_pool("other", ["demo:swift"])
    # Anybody could have emptied the day's account: under a cap no call is made.
    denial = DayAccount(own_home).hold("run/1", Decimal("0.01"), Decimal(1))
    assert denial is not None
    assert "can be written by everybody: take that away (chmod o-w)" in str(denial)
    own_home.chmod(0o755)
    assert believed(own_home) == ALL


@posix
@pytest.mark.parametrize("what", sorted(ALL))
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.chmod(0o620), id="the group can write it"),
        pytest.param(lambda path: path.chmod(0o602), id="everybody can write it"),
        pytest.param(lambda path: path.rename(path.with_name("elsewhere")).rename(path.with_name("moved")) and path.symlink_to(path.with_name("moved")), id="a link"),
        pytest.param(lambda path: os.chown(path, 12345, 12345), id="somebody else's", marks=root),
        pytest.param(lambda path: (path.unlink(), os.mkfifo(path)), id="a pipe"),
        pytest.param(lambda path: path.write_bytes(b" " * 20_000_000), id="20 MB"),
    ],
)  # fmt: skip
def test_a_file_that_may_be_anothers_is_not_believed(
    what: str, spoil: Callable[[Path], object], own_home: Path
) -> None:
    """A file that others can write, a link, another user's, a pipe, a huge one: read by nobody, and the rest still is."""
    files = planted(own_home)
    spoil(files[what])
    catalogue_cache._parsed.clear()
    assert believed(own_home) == ALL - {what}
    if what == "pools":
        with pytest.raises(fusion_nb.UserError, match="Your saved pools cannot be read") as refused:
            fusion_nb.fuse("Hi?", "mine")
        assert str(files[what]) in str(refused.value)


@posix
@root
def test_a_folder_of_prices_that_is_somebody_elses(own_home: Path) -> None:
    """Neither read nor written."""
    path = planted(own_home)["prices"]
    os.chown(path.parent, 12345, 12345)
    catalogue_cache._parsed.clear()
    assert believed(own_home) == ALL - {"prices"}
    with pytest.raises(PermissionError):
        catalogue_with(own_home, "1")


@posix
@pytest.mark.parametrize("first", ["pools", "prices", "run", "consent", "account"])
def test_whatever_comes_first_makes_the_home_for_its_owner_alone(first: str, own_home: Path) -> None:
    """0700, whatever the umask."""
    makers: dict[str, Callable[[], object]] = {
        "pools": lambda: pools.save_pool("mine", ["demo:swift"]),
        "prices": lambda: catalogue_with(own_home, "1"),
        "account": lambda: DayAccount(own_home).hold("run/1", Decimal("0.01"), None),
        "run": lambda: Journal(new_run())(tiny(new_run())[0]),
        "consent": lambda: custom_services.require_consent(
            custom_services.custom_service("mine", "https://mine.example/v1"), lambda _: True
        ),
    }
    umask = os.umask(0)
    try:
        makers[first]()
    finally:
        os.umask(umask)
    assert [
        oct(stat.S_IMODE(each.stat().st_mode))
        for each in (own_home, *own_home.rglob("*"))
        if each.is_dir() and stat.S_IMODE(each.stat().st_mode) != 0o700
    ] == []
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in own_home.rglob("*") if each.is_file())


def test_two_kernels_confirm_two_addresses(own_home: Path) -> None:
    """Confirmed at the same time, both are kept."""
    code = """
import sys
from fusion_nb.providers import custom_services, services
for n in range(10):
    custom_services.require_consent(custom_services.custom_service("mine", f"https://{sys.argv[1]}{n}.example/v1"), lambda _: True)
"""
    others = [process(code, name) for name in "abc"]
    for other in others:
        with other:
            assert other.wait(120) == 0
    assert len(json.loads((own_home / "origins.json").read_text())) == 30
