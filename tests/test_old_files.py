"""What an earlier fusion_nb left on disk is read as it was meant: runs, index, saved pools, addresses, the day's account."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb import history
from fusion_nb.accounts.day_account import DayAccount
from fusion_nb.journal import maintenance, run_index
from fusion_nb.providers import custom_services
from fusion_nb.resolve import pools

OLD = Path(__file__).parent / "fixtures" / "journal-a46d64a"
EXPECTED: dict[str, dict[str, Any]] = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
DAY = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home as that commit left it, for its owner alone."""
    home = tmp_path / "home"
    shutil.copytree(OLD, home)
    (home / "index.sqlite").write_bytes(gzip.decompress((home / "index.sqlite.gz").read_bytes()))
    for path in (home, *home.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    monkeypatch.setenv("FUSION_NB_HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return home


def facts(state: fusion_nb.FusionResult) -> dict[str, Any]:
    """What `expected.json` has of a run."""
    verdict = state.verdict
    return {
        "run": state.run, "when": state.when, "status": state.status, "mode": state.mode, "prompt": state.prompt,
        "of": state.of, "judge": state.judge.name if state.judge else None, "criteria": list(state.criteria),
        "orders": state.orders, "cost": None if state.cost is None else str(state.cost), "notes": list(state.notes),
        "answer": None if state.answer is None else [len(state.answer), state.answer[:40]],
        "chosen": list(verdict.chosen) if verdict else None,
        "ranking": list(verdict.ranking) if verdict else None,
        "scores": {str(call): dict(scores) for call, scores in verdict.scores.items()} if verdict else None,
        "rationale": None if verdict is None else len(verdict.rationale),
        "citations": len(verdict.citations) if verdict else None,
        "replies": [
            [r.call, r.ref.name, r.role, r.round, r.status, r.error, len(r.text), None if r.cost is None else str(r.cost),
             r.usage.prompt, r.usage.completion, r.kept_from] for r in state.replies
        ],
    }  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_an_old_run_loads(name: str) -> None:
    """Texts, verdict, scores, tokens and money: as the commit that wrote it read it."""
    loaded = fusion_nb.load(EXPECTED[name]["run"])
    assert facts(loaded) == EXPECTED[name]
    # And it is shown, and taken away.
    assert f"**{loaded.mode}" in loaded.to_markdown()
    assert len(loaded.frame()) == len(EXPECTED[name]["replies"])


@pytest.mark.parametrize("with_index", [True, False])
def test_old_runs_are_listed(home: Path, with_index: bool) -> None:
    """With the index of the day, which has another form, and without one."""
    if not with_index:
        (home / "index.sqlite").unlink()
    rows = {row.run: row for row in run_index.runs()}
    assert set(rows) == {expected["run"] for expected in EXPECTED.values()}
    for name, expected in EXPECTED.items():
        row = rows[expected["run"]]
        assert row.status == ("crashed" if name == "crashed" else expected["status"])
        assert (row.prompt, row.mode, row.of, str(row.cost or 0)) == (
            expected["prompt"],
            expected["mode"],
            expected["of"],
            expected["cost"],
        )
        assert not row.damaged
    assert {row.run for row in run_index.runs("strawberry")} == {
        e["run"] for e in EXPECTED.values() if "strawberry" in e["prompt"]
    }
    assert list(home.glob("*.corrupt-*")) == []


def test_old_runs_are_gone_on_with() -> None:
    """Judged again, added to, chosen from and retried: their replies are kept, and nobody is asked for them anew."""
    merged = EXPECTED["merge, then a choice"]
    again = fusion_nb.rejudge(merged["run"])
    assert (again.status, again.of) == ("ok", merged["run"])
    assert [reply.text for reply in again.candidates] == [
        reply.text for reply in fusion_nb.load(merged["run"]).candidates
    ]
    assert again.verdict is not None
    assert again.verdict.ranking == tuple(merged["ranking"])
    more = history.add(EXPECTED["one member"]["run"], "demo:steady")
    assert [reply.kept_from for reply in more.candidates] == [EXPECTED["one member"]["run"], ""]
    history.choose(EXPECTED["debate"]["run"], 4)
    chosen = fusion_nb.load(EXPECTED["debate"]["run"])
    assert chosen.answer == chosen.reply(4).text


def test_an_old_run_is_served_again() -> None:
    """An unchanged cell is answered from the record of that commit, and nothing is asked."""
    for name in ("best-of", "debate", "one member"):
        expected = EXPECTED[name]
        pool = "demo" if len(expected["replies"]) > 1 else ["demo:swift"]
        mode = "debate:2" if name == "debate" else expected["mode"]
        result = fusion_nb.fuse(expected["prompt"], pool, mode, replay=True)
        assert (result.run, result.notes[-1][:16]) == (expected["run"], "From the journal")


def test_an_old_crash_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a later run took up is not offered again."""
    assert EXPECTED["resumed"]["of"] == EXPECTED["crashed"]["run"]
    assert maintenance.crashed_runs() == []


def test_old_pools_and_addresses() -> None:
    """Saved pools are what they were, and confirmed addresses need no second word."""
    assert pools.saved_pools() == {"mine": ("opus", "gpt-mini*2", "openrouter:acme/one"), "küche": ("demo:swift",)}
    assert fusion_nb.fuse("Hi?", "küche").status == "ok"
    for url in ("https://llm.corp.example/v1", "https://lab.example:8443/v1"):
        assert custom_services.unconfirmed_destination(custom_services.custom_service("own", url)) is None
    assert (
        custom_services.unconfirmed_destination(custom_services.custom_service("own", "https://other.example/v1"))
        is not None
    )
    pools.save_pool("new", ["demo:steady"])
    assert set(pools.saved_pools()) == {"mine", "küche", "new"}


def test_an_old_days_account(home: Path) -> None:
    """What was spent that day is spent, and what the killed kernel held may be billed."""
    day = DayAccount(home, now=lambda: DAY)
    assert (day.spent, day.unsettled) == (Decimal("0.0375970"), Decimal("0.125"))
