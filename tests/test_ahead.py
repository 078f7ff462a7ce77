"""The price before spending: estimates, dry runs, and a question first."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import fusion_nb
from tests.replay import Replay
from tests.shell import Shell

POOL = "replay:rate/0/5/1000,replay:rate/0/9/1000"


@pytest.fixture(autouse=True)
def own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def shell(replay: Replay) -> Iterator[Shell]:
    shell = Shell()
    shell.ip.user_ns["services"] = {"replay": {"base_url": replay.url}}
    shell.run("%config Fuse.services = services")
    yield shell
    shell.close()


def test_an_estimate_names_low_and_high_for_each() -> None:
    """Each member and the judge have a range of tokens and USD; the sum holds; nothing was run."""
    expected = fusion_nb.estimate("What should I check before trusting a p-value?", "demo")
    assert [line.name for line in expected.lines] == ["demo:swift", "demo:steady", "demo:careful", "demo:judge"]
    assert expected.usd is not None
    assert Decimal(0) < expected.usd.low < expected.usd.high
    assert expected.usd.high == sum(line.usd.high for line in expected.lines if line.usd)
    assert len(expected.frame()) == 4
    assert "nothing has been sent" in expected._repr_mimebundle_()["text/html"]
    assert len(fusion_nb.runs()) == 0


def test_a_run_lies_within_an_estimate_that_knows_its_past() -> None:
    """After some runs of the same prompt the range is narrow, and the next run's cost lies in it."""
    prompt = "What should I check before trusting a p-value?"
    for _ in range(3):
        fusion_nb.fuse(prompt, "demo", "merge")
    expected = fusion_nb.estimate(prompt, "demo", "merge")
    cost = fusion_nb.fuse(prompt, "demo", "merge").cost
    assert expected.usd is not None
    assert cost is not None
    assert expected.usd.low <= cost <= expected.usd.high
    assert expected.usd.high < 20 * expected.usd.low


def test_a_dry_run_asks_no_model(shell: Shell, replay: Replay) -> None:
    """`--dry-run` shows the forecast; prices nobody knows are named; the server was asked for nothing."""
    before = replay.stats()["requests"]
    ran = shell.run(f"%%fuse --pool {POOL} --judge replay:scripted-judge --dry-run\nCount.")
    assert ran.error is None, ran.text
    assert isinstance(ran.value, fusion_nb.resolve.estimate.Estimate)  # type: ignore[attr-defined]
    assert replay.stats()["requests"] == before


def test_over_the_amount_somebody_must_say_yes(replay: Replay, shell: Shell) -> None:
    """Where a run may cost more than `confirm_over`, no yes means nothing is sent; a yes means it runs."""
    asked = []

    def no(expected: object) -> bool:
        asked.append(expected)
        return False

    with pytest.raises(fusion_nb.UserError, match="nobody confirmed"):
        fusion_nb.fuse("Hi.", "demo", confirm_over=0.000001, confirm=no)
    assert len(asked) == 1
    assert fusion_nb.fuse("Hi.", "demo", confirm_over=0.000001, confirm=lambda _: True).status == "ok"
    assert fusion_nb.fuse("Hi.", "demo", confirm_over=1000, confirm=no).status == "ok"
    assert "nobody confirmed" in shell.run("%%fuse --pool demo --confirm-over 0.000001\nHi.").text


def test_the_sessions_cap_holds_over_runs(replay: Replay) -> None:
    """What earlier runs of this kernel spent counts; the denial names the cap. Unknown prices are refused under it."""
    services = {"replay": {"base_url": replay.url}}
    with pytest.raises(fusion_nb.RunFailed, match="so max_cost_per_session cannot hold"):
        fusion_nb.fuse("Count.", POOL, services=services, judge="demo:judge", max_cost_per_session=5)


def test_a_prompt_that_cannot_fit_is_refused_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is surely more than a member or the judge can hold is said before anyone is paid, with both numbers."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "t3st" * 8)
    with pytest.raises(
        fusion_nb.UserError, match=r"will not fit gpt4o: it has at least [\d,]+ tokens, and gpt-4o holds 128,000"
    ):
        fusion_nb.fuse("word and " * 120_000, ["gpt4o", "demo:swift"], judge="demo:judge")
