"""`fuse_frame(batch=True)`: members asked through OpenAI's and Anthropic's batches, at half the price, paid once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import UserError
from fusion_nb.accounts import prices, spending_caps
from fusion_nb.core import Usage
from fusion_nb.dataset import batch_plan
from fusion_nb.dataset.batch_requests import in_parts
from fusion_nb.dataset.table_plan import TablePlan
from fusion_nb.journal import table_batches
from fusion_nb.providers import batches
from fusion_nb.providers.batches import BatchLimits, custom_id, number_in
from tests.batch_child import POOL, asked
from tests.batch_service import TOKENS, BatchService, batch_service
from tests.shell import Shell

WORDS = ["one", "two", "three", "four"]
TEMPLATE = "Say {word}."
SESSION = spending_caps.SESSION


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A notebook's handler: a worker of pytest-xdist ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FUSION_NB_TRUST", "http://127.0.0.1:* BATCH_KEY")
    monkeypatch.setenv("BATCH_KEY", "sk-a-key-of-batches")
    monkeypatch.setattr(batch_plan, "FIRST_LOOK", 0.05)


@pytest.fixture
def service() -> Iterator[BatchService]:
    with batch_service() as running:
        yield running


def answers(done: pd.DataFrame) -> list[Any]:
    return list(done.answer)


def day() -> tuple[Decimal, Decimal]:
    account = spending_caps.day_account()
    account.flush()
    return account.spent, account.unsettled


def full_price(model: str, table: str) -> Decimal:
    cost = prices.computed_cost(table, model, Usage(*TOKENS))
    assert cost is not None
    return cost


BOTH = (full_price("gpt-4o-mini", "openai") + full_price("claude-3-5-haiku-latest", "anthropic")) / 2
"""USD of one row, in batches."""


def later(seconds: float, do: Any) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def interrupted(service: BatchService, words: list[str] = WORDS, **options: Any) -> pd.DataFrame:
    """A call that is interrupted while its batches are under way."""
    service.held.clear()
    before = len(service.batches)

    def interrupt() -> None:
        while len(service.batches) < before + 2 or not all(batch.looks for batch in service.batches):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    done = asked(service.url, words, **options)
    service.held.set()
    assert isinstance(done, pd.DataFrame)
    return done


def test_one_batch_a_service_at_half_the_price(service: BatchService) -> None:
    """Both documented wires; each row gets its own answers, whatever the order of the results."""
    done = asked(service.url, WORDS, members=True)
    assert answers(done) == WORDS
    assert set(done.status) == {"ok"}
    assert list(done["answer_openai:gpt-4o-mini"]) == WORDS
    assert [len(batch.requests) for batch in service.batches] == [4, 4]
    calls = done.fusion.calls()
    assert set(calls.cost_source) == {"computed"}
    assert float(calls.cost_usd.sum()) == pytest.approx(float(4 * BOTH))
    assert list(done.cost_usd) == pytest.approx([float(BOTH)] * 4)
    spent, unsettled = day()
    assert (spent, unsettled) == (4 * BOTH, 0)
    # What this kernel spent in other tests stands in their homes.
    assert "Today's account counts" not in str(fusion_nb.spending())
    again = asked(service.url, WORDS)
    assert "4 prompts taken over" in again.attrs["notes"][0]
    assert len(service.batches) == 2


def test_bodies_are_those_of_each_wire(service: BatchService) -> None:
    """OpenAI gets chat completions, Anthropic the Messages API's body: the system prompt apart, no more than 1 degree."""
    asked(service.url, ["one"], system="Be brief.", temperature=1.5, max_tokens=50)
    openai, anthropic = (service.of(wire)[0].requests[0] for wire in ("openai", "anthropic"))
    assert (openai["method"], openai["url"]) == ("POST", "/v1/chat/completions")
    body, params = openai["body"], anthropic["params"]
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say one."}]
    assert (body["max_completion_tokens"], body["temperature"]) == (50, 1.5)
    assert params == {
        "model": "claude-3-5-haiku-latest",
        "max_tokens": 50,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Say one."}],
        "temperature": 1.0,
    }
    assert not {"stream", "stream_options"} & (body.keys() | params.keys())


def test_openai_takes_one_model_a_batch_and_anthropic_any(service: BatchService) -> None:
    pool = "openai:gpt-4o-mini,openai:gpt-4o,anthropic:claude-3-5-haiku-latest,anthropic:claude-sonnet-4-0"
    done = asked(service.url, WORDS, pool=pool, members=True)
    assert answers(done) == WORDS
    assert [(batch.wire, len(batch.requests)) for batch in service.batches] == [
        ("openai", 4),
        ("openai", 4),
        ("anthropic", 8),
    ]
    assert all(list(done[name]) == WORDS for name in done if name.startswith("answer_"))


def test_the_key_goes_to_the_service_alone_in_the_header_it_documents(service: BatchService) -> None:
    asked(service.url, ["one"])
    wanted = [("x-api-key" if "messages" in path else "Authorization") for path, _ in service.keys]
    assert [key for _, key in service.keys] == wanted


def test_results_at_another_address_are_not_fetched(service: BatchService) -> None:
    """Anthropic names the address of its results: a key is not sent to another origin, and nothing is lost by it."""
    with batch_service() as other:
        service.results_url = f"{other.url}/messages/batches/msgbatch_1/results"
        done = asked(service.url, WORDS)
        assert set(done.status) == {"waiting"}
        assert "another address than its own" in " ".join(done.attrs["notes"])
        assert not other.keys
    service.results_url = ""
    assert answers(asked(service.url, WORDS)) == WORDS
    assert len(service.batches) == 2


def test_an_interrupt_leaves_the_batches_at_their_services(service: BatchService) -> None:
    """Rows say that they wait, the money counts, and the same call goes on with the same batches."""
    before = SESSION.spent
    done = interrupted(service)
    assert set(done.status) == {"waiting"}
    note = done.attrs["notes"][-1]
    assert "The same call goes on" in note
    assert "resume(" in note
    spent, unsettled = day()
    assert spent == 0
    assert unsettled > 4 * BOTH
    whole = asked(service.url, WORDS)
    assert answers(whole) == WORDS
    assert len(service.batches) == 2
    assert day() == (4 * BOTH, 0)
    assert SESSION.spent - before == 4 * BOTH
    assert not list(table_batches.open_batches())


def test_an_interrupt_while_a_batch_is_handed_over_loses_none(service: BatchService) -> None:
    """The first is on its way, the second was not sent: the same call waits for the one and hands the other over."""
    service.slow = 0.5

    def interrupt() -> None:
        service.handed_over.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    done = asked(service.url, WORDS)
    assert set(done.status) == {"waiting"}
    assert len(service.batches) == 1
    assert day()[0] == 0 < day()[1]
    service.slow = 0.0
    assert answers(asked(service.url, WORDS)) == WORDS
    assert len(service.batches) == 2
    assert day() == (4 * BOTH, 0)


def test_a_batch_so_old_that_its_results_are_gone_is_no_batch(
    service: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(service)
    monkeypatch.setattr("fusion_nb.dataset.batch_earlier.KEPT", timedelta(0))
    assert answers(asked(service.url, WORDS)) == WORDS
    assert len(service.batches) == 4


def test_results_that_are_gone_are_said(service: BatchService) -> None:
    """A file that its service deleted: the batch is not handed over anew by itself."""
    service.gone = True
    done = asked(service.url, WORDS, pool="openai:gpt-4o-mini")
    assert set(done.status) == {"waiting"}
    assert "history.delete" in " ".join(done.attrs["notes"])


def test_resume_fills_the_rows_in_without_the_frame(service: BatchService, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the table's id, from its record alone; nothing is handed over."""
    row = {"base_url": service.url, "key_env": "BATCH_KEY"}
    done = interrupted(service)
    table = done.attrs["notes"][-1].partition("resume('")[2].partition("'")[0]
    with pytest.raises(UserError, match="No API key"):
        fusion_nb.resume(table)
    monkeypatch.setattr(fusion_nb.defaults, "services", {"openai": row, "anthropic": row})
    filled = fusion_nb.resume(table)
    assert dict(zip(filled.prompt, filled.answer, strict=True)) == {f"Say {word}.": word for word in WORDS}
    assert len(service.batches) == 2
    assert answers(asked(service.url, WORDS)) == WORDS
    assert len(service.batches) == 2
    shell = Shell()
    try:
        ran = shell.run(f"%fuse --resume {table} --quiet")
        assert list(ran.value.status) == ["ok"] * 4
    finally:
        shell.close()


def test_resume_says_where_a_table_has_no_batches() -> None:
    frame = pd.DataFrame({"word": ["strawberry"]})
    fusion_nb.fuse_frame(frame, TEMPLATE, pool="demo", mode="vote", show_progress=False)
    with pytest.raises(UserError, match="was not asked in batches"):
        fusion_nb.resume(fusion_nb.runs()["run"][0])


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["waiting", "unnamed"])
def test_a_killed_process_pays_for_nothing_twice(service: BatchService, moment: str) -> None:
    """kill -9 while it waits, and before it has read what the batch is called: the same call finds the batches."""
    service.held.clear()
    service.break_off = moment == "unnamed"
    child = subprocess.Popen([sys.executable, "-m", "tests.batch_child", service.url, *WORDS])
    try:
        if moment == "waiting":
            while len(service.batches) < 2 or not all(batch.looks for batch in service.batches):
                assert child.poll() is None
                time.sleep(0.02)
        else:
            assert service.handed_over.wait(30)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    service.break_off = False
    service.held.set()
    handed_over = len(service.batches)
    assert day()[1] > 0
    assert answers(asked(service.url, WORDS)) == WORDS
    # What the killed process had not come to is handed over now.
    assert len(service.batches) == 2
    assert handed_over in (1, 2)
    assert day() == (4 * BOTH, 0)


@pytest.mark.parametrize("pool", POOL.split(","))
def test_a_batch_whose_id_was_never_told_is_found_again(service: BatchService, pool: str) -> None:
    """The connection breaks while it is handed over: it is looked for, by its token or by its size and time."""
    service.break_off = True
    assert answers(asked(service.url, WORDS, pool=pool)) == WORDS
    assert len(service.batches) == 1
    assert not list(table_batches.open_batches())


def test_two_kernels_do_not_wait_for_one_batch(service: BatchService) -> None:
    service.held.clear()
    child = subprocess.Popen([sys.executable, "-m", "tests.batch_child", service.url, *WORDS])
    try:
        while len(service.batches) < 2:
            time.sleep(0.02)
        with pytest.raises(UserError, match="another kernel, or cell, waits for"):
            asked(service.url, WORDS)
        assert len(service.batches) == 2
    finally:
        service.held.set()
        assert child.wait(30) == 0
    assert "taken over" in asked(service.url, WORDS).attrs["notes"][0]


def test_errors_of_single_requests_are_those_of_their_rows(service: BatchService) -> None:
    """Both wires, each in its own form; the other members and rows are as they would be, and nothing is billed for it."""
    service.errors = {
        "two": {"response": {"status_code": 400, "body": {"error": {"message": "bad thing", "type": "invalid_request_error"}}}, "error": None, "result": {"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "bad thing"}}}},
        "four": {"response": None, "error": {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."}, "result": {"type": "expired"}},
    }  # fmt: skip
    done = asked(service.url, WORDS)
    assert list(done.status) == ["ok", "error", "ok", "error"]
    assert "bad thing" in done.error.iloc[1]
    assert "expired" in done.error.iloc[3]
    assert day() == (2 * BOTH, 0)
    calls = done.fusion.calls()
    assert set(calls[calls.status == "error"].error) == {"bad_request", "batch"}
    service.errors = {}
    assert answers(asked(service.url, WORDS)) == WORDS
    assert [len(batch.requests) for batch in service.batches] == [4, 4, 2, 2]


@pytest.mark.parametrize(
    ("ends", "words"), [("expired", "expired"), ("failed", "Enqueued token limit"), ("cancelled", "cancelled")]
)
def test_a_batch_that_ended_otherwise_says_so_and_is_handed_over_anew(
    service: BatchService, ends: str, words: str
) -> None:
    service.ends, service.done = ends, 0
    service.bend = lambda _: b""
    done = asked(service.url, WORDS, pool="openai:gpt-4o-mini")
    assert set(done.status) == {"error"}
    assert words in done.error.iloc[0]
    assert "submits it anew" in done.error.iloc[0]
    assert day() == (0, 0)
    service.ends, service.done, service.bend = "", None, bytes
    assert answers(asked(service.url, WORDS, pool="openai:gpt-4o-mini")) == WORDS
    assert len(service.batches) == 2


def test_an_expired_batch_keeps_what_it_came_to(service: BatchService) -> None:
    service.ends, service.done = "expired", 2
    service.bend = lambda data: b"\n".join(data.splitlines()[:2])
    done = asked(service.url, WORDS, pool="openai:gpt-4o-mini")
    assert sorted(done.status) == ["error", "error", "ok", "ok"]
    service.ends, service.done, service.bend = "", None, bytes
    assert answers(asked(service.url, WORDS, pool="openai:gpt-4o-mini")) == WORDS
    assert [len(batch.requests) for batch in service.batches] == [4, 2]


def test_a_service_that_takes_no_batch_is_said(service: BatchService) -> None:
    service.refuse = (400, "Billing hard limit has been reached")
    done = asked(service.url, WORDS)
    assert set(done.status) == {"error"}
    assert "Billing hard limit" in done.error.iloc[0]
    assert day() == (0, 0)
    service.refuse = None
    assert answers(asked(service.url, WORDS)) == WORDS


def hostile(data: bytes) -> bytes:
    """What a results file may hold beside the results, before and behind them."""
    lines = data.splitlines()
    first = json.loads(lines[0])
    token = first["custom_id"].partition("-")[0]
    stranger = json.dumps({**first, "custom_id": f"{token}-99"}).encode()
    names = [f"{token}-00", f"{token}-1e0", f"{token}-\u0661", f"{token}-", "", None, 7, ["a"], {"b": 1}, f"{token}--1"]
    others = [json.dumps({**first, "custom_id": name}).encode() for name in names]
    shapes: list[Any] = [[], 5, None, "text", {}, {"custom_id": None}]
    junk = [
        b"not json",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 50_000,
        b'"' + b"x" * 1000,
        b'{"a":' * 3000,
        *(json.dumps(s).encode() for s in shapes),
    ]
    # The answer of another row under the id that was answered already.
    doubled = lines[0].replace(b"Say", b"Said").replace(b"four", b"FORGED")
    huge = b'{"custom_id":"' + b"y" * 300_000 + b'"}'
    return b"\n".join([*junk, stranger, *others, huge, *lines, doubled, *junk]) + b"\n"


def test_hostile_results_are_read_without_harm(service: BatchService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage, huge lines, ids of nobody and ids told twice: every row has its own answer, and is paid once."""
    monkeypatch.setattr(batches, "MAX_LINE", 200_000)
    service.bend = hostile
    done = asked(service.url, WORDS)
    assert answers(done) == WORDS
    assert "FORGED" not in done.to_csv()
    assert day() == (4 * BOTH, 0)
    assert len(done.fusion.calls()) == 8


@pytest.mark.parametrize(
    "inner",
    [{}, None, [], "x", {"status_code": 200}, {"status_code": "200", "body": []}, {"status_code": 200, "body": {"choices": 5}},
     {"status_code": 200, "body": {"choices": [{"message": {"content": {"a": [1]}}}], "usage": {"prompt_tokens": "many"}}},
     {"status_code": True}, {"status_code": 10**30, "body": {"error": 5}}],
)  # fmt: skip
def test_a_result_in_an_odd_shape_fails_alone(service: BatchService, inner: Any) -> None:
    def bend(data: bytes) -> bytes:
        lines = [json.loads(line) for line in data.splitlines()]
        lines[0].update(response=inner, result=inner)
        return b"\n".join(json.dumps(line).encode() for line in lines)

    service.bend = bend
    done = asked(service.url, WORDS)
    assert answers(done)[:3] == WORDS[:3]
    assert len(done) == 4


def test_results_that_lack_lines_are_read_again_and_never_taken_for_unpaid(service: BatchService) -> None:
    """A file that was cut off says nothing of the others: they may have been paid."""
    cut = [3]

    def bend(data: bytes) -> bytes:
        cut[0] -= 1
        return data if cut[0] < 0 else data[: len(data) // 2]

    service.bend = bend
    assert answers(asked(service.url, WORDS, pool="openai:gpt-4o-mini")) == WORDS
    service.bend = lambda data: data[: len(data) // 2]
    done = asked(service.url, ["five", "six"], pool="openai:gpt-4o-mini")
    assert sorted(done.status) == ["error", "ok"]
    assert day()[1] > 0


def test_a_cap_holds_before_anything_is_handed_over(service: BatchService) -> None:
    """Half the worst case fits two rows: those are handed over, the others are left, and a higher cap asks them alone."""
    pool, tokens = "openai:gpt-4o-mini", 1000
    plan = asked(service.url, WORDS, pool=pool, max_tokens=tokens, dry_run=True)
    assert isinstance(plan, TablePlan)
    worst = prices.table_rates("openai", "gpt-4o-mini")
    assert worst is not None
    most = worst.ceiling(Usage(len("Say three.") + 16, tokens))
    assert most is not None
    done = asked(service.url, WORDS, pool=pool, max_tokens=tokens, max_cost=most)
    assert list(done.status) == ["ok", "ok", "budget", "budget"]
    assert "max_cost" in done.error.iloc[3]
    assert len(service.batches[0].requests) == 2
    none = asked(service.url, ["five"], pool=pool, max_tokens=tokens, max_cost_per_day=most / 3)
    assert list(none.status) == ["budget"]
    assert answers(asked(service.url, WORDS, pool=pool, max_tokens=tokens, max_cost=4 * most)) == WORDS
    assert [len(batch.requests) for batch in service.batches] == [2, 2]


def test_a_batch_of_an_earlier_call_counts_against_the_cap_of_the_next(service: BatchService) -> None:
    interrupted(service)
    unsettled = day()[1]
    done = asked(service.url, [*WORDS, "five"], max_cost=unsettled)
    assert list(done.status) == ["ok"] * 4 + ["budget"]
    assert len(service.batches) == 2


def test_a_price_that_nobody_knows_is_unknown(service: BatchService) -> None:
    """Refused under a cap, unknown without one: never zero."""
    pool = "openai:a-model-of-tomorrow"
    with pytest.raises(UserError, match="Nobody knows the price"):
        asked(service.url, WORDS, pool=pool, max_cost=1)
    assert not service.batches
    done = asked(service.url, WORDS, pool=pool)
    assert done.cost_usd.isna().all()
    assert answers(done) == WORDS


def test_a_cost_that_the_service_reports_is_taken_as_it_is(service: BatchService) -> None:
    service.bend = lambda data: data.replace(b'"total_tokens"', b'"cost": 0.25, "total_tokens"')
    done = asked(service.url, ["one"], pool="openai:gpt-4o-mini")
    assert list(done.fusion.calls().cost_source) == ["reported"]
    assert list(done.cost_usd) == [0.25]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool": "openrouter:openai/gpt-4o-mini"}, "no batch API"),
        ({"pool": "demo"}, "no batch API"),
        ({"pool": [lambda prompt: prompt]}, "is a function"),
        ({"journal": False}, "needs the journal"),
        ({"mode": "debate", "judge": "demo:judge"}, "debate"),
        ({"quorum": 1}, "quorum"),
        ({"escalate": "openai:gpt-4o"}, "escalate"),
        ({"check": str.isupper, "deeper": 1}, "deeper"),
        ({"ttft": 5}, "ttft"),
        ({"concurrency": 5}, "concurrency"),
    ],
)
def test_what_cannot_be_in_a_batch_is_refused_in_a_sentence(
    service: BatchService, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-1234567890abcdef")
    with pytest.raises(UserError, match=words):
        asked(service.url, WORDS, **options)
    assert not service.batches
    assert not service.keys


def test_a_judge_is_asked_directly_at_its_full_price(service: BatchService) -> None:
    """The members are batched; once a row's replies are all there the judge is asked, also one that is a member too."""
    service.answer = lambda word, wire: f"{word}, says {wire}"
    done = asked(service.url, WORDS, mode="best-of", judge="openai:gpt-4o-mini", extract=None)
    assert set(done.status) == {"ok"}
    assert all(answer.startswith(word) for word, answer in zip(WORDS, done.answer, strict=True))
    assert len(service.chats) == 4
    assert [len(batch.requests) for batch in service.batches] == [4, 4]
    calls = done.fusion.calls()
    judged, batched = calls[calls.role == "judge"], calls[calls.role == "candidate"]
    assert set(judged.cost_usd) == {float(full_price("gpt-4o-mini", "openai"))}
    assert set(batched[batched.model == "gpt-4o-mini"].cost_usd) == {float(full_price("gpt-4o-mini", "openai") / 2)}
    assert day() == (4 * (BOTH + full_price("gpt-4o-mini", "openai")), 0)


def test_a_function_judges_what_batches_brought(service: BatchService) -> None:
    done = asked(service.url, ["one", "two"], mode="best-of", judge=lambda prompt, candidates: next(iter(candidates)))
    assert set(done.status) == {"ok"}
    assert answers(done) == ["one", "two"]


def test_a_look_that_fails_is_made_again(service: BatchService) -> None:
    """A service that is busy for a moment loses no batch."""
    service.failing_looks = [500, 529, 503]
    assert answers(asked(service.url, WORDS)) == WORDS
    assert len(service.batches) == 2


def test_a_batch_that_its_service_does_not_know_is_not_handed_over_again(service: BatchService) -> None:
    """Another key, or deleted there: said with the remedy, and nothing is paid a second time by itself."""
    done = interrupted(service)
    gone = [service.batches.pop(), service.batches.pop()]
    done = asked(service.url, WORDS)
    assert set(done.status) == {"waiting"}
    assert "history.delete" in " ".join(done.attrs["notes"])
    assert not service.batches
    service.batches += gone[::-1]
    assert answers(asked(service.url, WORDS)) == WORDS


def test_a_field_that_was_refused_is_left_out_by_the_same_call(service: BatchService) -> None:
    words = "Unsupported parameter: 'temperature' is not supported with this model."
    error = {"error": {"message": words, "type": "invalid_request_error", "param": "temperature"}}
    service.errors = {word: {"response": {"status_code": 400, "body": error}, "error": None} for word in WORDS}
    assert set(asked(service.url, WORDS, pool="openai:gpt-4o-mini", temperature=0.5).status) == {"error"}
    service.errors = {}
    assert answers(asked(service.url, WORDS, pool="openai:gpt-4o-mini", temperature=0.5)) == WORDS
    bodies = [[request["body"] for request in batch.requests] for batch in service.batches]
    assert all("temperature" in body for body in bodies[0])
    assert not any("temperature" in body for body in bodies[1])


def test_a_plan_knows_the_price_of_a_batch(service: BatchService) -> None:
    direct = asked(service.url, WORDS, batch=False, dry_run=True)
    plan = asked(service.url, WORDS, dry_run=True)
    assert plan.usd.high == direct.usd.high / 2
    assert plan.seconds is None
    assert "within 24 hours" in str(plan)
    assert not service.batches


def test_fresh_asks_anew_but_not_what_is_under_way(service: BatchService) -> None:
    asked(service.url, WORDS)
    interrupted(service, fresh=True)
    assert answers(asked(service.url, WORDS, fresh=True)) == WORDS
    assert len(service.batches) == 4


def test_repeated_prompts_are_as_many_requests(service: BatchService) -> None:
    row = {"base_url": service.url, "key_env": "BATCH_KEY"}
    frame = pd.DataFrame({"word": ["one", "one", "two"]})
    options: dict[str, Any] = {"pool": "openai:gpt-4o-mini", "mode": "vote", "services": {"openai": row}}
    done = fusion_nb.fuse_frame(frame, TEMPLATE, batch=True, repeat=True, show_progress=False, **options)
    assert list(done.answer) == ["one", "one", "two"]
    assert len(service.batches[0].requests) == 3


def test_what_more_than_one_batch_holds_is_several(service: BatchService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion_nb.providers.openai_batches.OpenAIBatches.limits", BatchLimits(3, 10_000_000))
    assert answers(asked(service.url, WORDS, pool="openai:gpt-4o-mini")) == WORDS
    assert [len(batch.requests) for batch in service.batches] == [3, 1]
    assert list(in_parts([400, 700, 10, 5000, 10], BatchLimits(50, 2000))) == [[0], [1, 2], [3], [4]]


def test_names_of_requests_are_read_back_strictly() -> None:
    token = "0123456789abcdef"
    assert number_in(token, custom_id(token, 49_999)) == 49_999
    for name in (f"{token}-01", f"{token}-+1", f"{token}-1 ", f"{token}-1\n", "1", f"x{token}-1", f"{token}-{10**9}"):
        assert number_in(token, name) is None


def test_a_cell_over_a_frame_takes_batch(service: BatchService, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"base_url": service.url, "key_env": "BATCH_KEY"}
    monkeypatch.setattr(fusion_nb.defaults, "services", {"openai": row, "anthropic": row})
    shell = Shell()
    try:
        shell.ip.user_ns["df"] = pd.DataFrame({"word": WORDS})
        ran = shell.run(f"%%fuse --each df --batch --pool {POOL} --mode vote --extract text --out done\nSay {{word}}.")
        assert ran.error is None
        assert list(shell.ip.user_ns["done"].answer) == WORDS
        ran = shell.run("%%fuse --batch --pool demo\nHi?")
        assert isinstance(ran.error, UserError)
        assert "--each" in str(ran.error)
    finally:
        shell.close()
    assert len(service.batches) == 2
