"""A colleague's runs: replayed without a key, marked as theirs, in no account, and hostile like any other data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import UserError
from fusion_nb.accounts import spending_caps
from tests.chat_service import ChatService, chat_service
from tests.shell import Shell


@pytest.fixture
def service() -> Iterator[ChatService]:
    with chat_service() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: ChatService) -> Path:
    """What a colleague exported, two runs and a table; the home is another's from here on."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "theirs"))
    ask(service)
    fusion_nb.fuse("And this?", pool="acme:fast", services=services(service))
    table = pd.DataFrame({"q": ["a", "b"]})
    fusion_nb.fuse_frame(table, "Say {q}.", pool="acme:fast", services=services(service), show_progress=False)
    fusion_nb.history.export(tmp_path / "runs.jsonl")
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "mine"))
    return tmp_path / "runs.jsonl"


def services(service: ChatService) -> dict[str, Any]:
    return {"acme": {"base_url": service.url}}


def ask(service: ChatService, **more: Any) -> fusion_nb.FusionResult:
    return fusion_nb.fuse(
        "What is it?", pool="acme:fast,acme:other", mode="vote", extract="number", services=services(service), **more
    )


def test_a_colleague_without_keys_replays(file: Path, service: ChatService) -> None:
    """The unchanged cell is served from what was imported: nothing is sent, nothing paid, and it is said whose it is."""
    sent = len(service.bodies)
    assert fusion_nb.history.import_runs(file) == 4
    assert fusion_nb.history.import_runs(file) == 0
    replayed = ask(service, replay=True)
    assert len(service.bodies) == sent
    assert replayed.imported
    assert any("Imported: somebody else asked" in note for note in replayed.notes)
    assert len(fusion_nb.runs()) == 4
    assert fusion_nb.load(replayed.run).answer == replayed.answer


def test_what_is_imported_is_in_no_account(file: Path) -> None:
    """Neither today's sum nor the kernel's, nor a forecast's past calls; the accounts behind the caps know nothing."""
    before = spending_caps.SESSION.spent
    fusion_nb.history.import_runs(file)
    assert "$0.0000 in 0 calls" in str(fusion_nb.spending())
    sums = fusion_nb.spending(by="model")
    assert isinstance(sums, pd.DataFrame)
    assert sums.empty
    assert (spending_caps.SESSION.spent, spending_caps.day_account().spent) == (before, 0)
    # What they cost stands in their own row all the same.
    assert fusion_nb.runs()["cost_usd"].sum() > 0


def test_it_goes_on_from_what_is_imported(file: Path, service: ChatService) -> None:
    """Judged again, it is a run of one's own, which is paid and booked."""
    fusion_nb.history.import_runs(file)
    theirs = ask(service, replay=True)
    mine = fusion_nb.rejudge(theirs, mode="best-of", judge="acme:judge", services=services(service))
    assert not mine.imported
    assert mine.of == theirs.run
    chosen = fusion_nb.choose(theirs, 2)
    assert fusion_nb.load(theirs.run).answer == chosen.answer


def _change(index: int, **fields: Any) -> Callable[[list[dict[str, Any]]], list[Any]]:
    return lambda lines: [{**line, **(fields if n == index else {})} for n, line in enumerate(lines)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: [], "is empty"),
        (lambda lines: lines[1:], "line 1 is none of a run's"),
        (lambda lines: [*lines, {"event": "Nonsense"}], "is none of a run's"),
        (lambda lines: [*lines[:2], "x" * 100], "is none of a run's"),
        (_change(0, run="../../evil"), "no id"),
        (_change(0, run="20260101T000000-abc/../x"), "no id"),
        (_change(0, v=99), "newer fusion_nb"),
        (
            lambda lines: [{**line, "call": 9999} if line["event"] == "CallEnded" else line for line in lines],
            "is damaged",
        ),
    ],
)
def test_what_is_no_export_is_refused_whole(
    change: Callable[[list[Any]], list[Any]], sentence: str, file: Path, tmp_path: Path
) -> None:
    """One sentence; nothing is taken over, nowhere."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line) + "\n" for line in change(lines)))
    with pytest.raises(UserError) as told:
        fusion_nb.history.import_runs(file)
    assert sentence in str(told.value)
    assert fusion_nb.runs().empty
    assert not list(tmp_path.rglob("evil*"))


def test_on_a_line(file: Path) -> None:
    """`%fuse_runs --import`, a name with a space too; what is missing is one sentence."""
    shell = Shell()
    try:
        renamed = file.rename(file.with_name("their runs.jsonl"))
        assert "Imported: 4." in shell.run(f'%fuse_runs --import "{renamed}"').text
        assert "All of them are here already." in shell.run(f'%fuse_runs --import "{renamed}"').text
        assert "No such file" in shell.run("%fuse_runs --import nowhere.jsonl").text
        assert "--import FILE" in shell.run("%fuse_runs --inport x").text
    finally:
        shell.close()
