"""The replay server: recordings come back byte for byte, at the pace that was asked for, at prices that add up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests import plain_client
from tests.plain_client import ask, user
from tests.replay import ROOT, Replay, recordings, replay_server
from tests.replay.models import Pace, plan
from tests.replay.wire import cut_stream, cut_text, price, usage

recorded = pytest.mark.skipif(bool(recordings.MISSING), reason=recordings.MISSING)

NAMES = ("claude-3-5-sonnet-20241022", "gemini-1.5-pro", "gpt-4o-2024-08-06")
PACES = (
    "whole",
    "words",
    "chars:3",
    "random:7",
    "whole+bytes:1",
    "words+bytes:7",
    "random:3+random:5",
    "chars:40~2000",
)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with replay_server() as running:
        yield running


@recorded
@pytest.mark.parametrize("pace", PACES)
def test_recordings_come_back_byte_for_byte(replay: Replay, pace: str) -> None:
    """Whatever the chunking, a recorded reply arrives as it was recorded."""
    for problem in recordings.gsm8k()[:3]:
        for model in NAMES:
            heard = ask(replay.at(pace), f"gsm8k/{model}", problem.prompt)
            assert heard.text == recordings.gsm8k_answers()[model, problem.pid]
            assert heard.finish == "stop"
            assert heard.raw.endswith(b"data: [DONE]\n\n")
            assert heard.headers["x-generation-id"].startswith("gen-replay-")


@recorded
def test_a_bare_question_and_a_longer_conversation_find_the_recording(replay: Replay) -> None:
    """A debate that quotes the prompt in its first message still gets the recorded reply."""
    problem = recordings.gsm8k()[5]
    messages = [*user(problem.question), {"role": "assistant", "content": "x"}, *user("DEBATE ROUND 1\nRevise.")]
    assert ask(replay.url, f"gsm8k/{NAMES[0]}", messages).text == recordings.gsm8k_answers()[NAMES[0], problem.pid]


@recorded
def test_costs_are_exact_decimals(replay: Replay) -> None:
    """The costs of a run can be added up and compared without any tolerance."""
    problem = recordings.gsm8k()[0]
    heard = [ask(replay.url, f"gsm8k/{model}", problem.prompt) for model in NAMES]
    expected = Decimal(0)
    for model, one in zip(NAMES, heard, strict=True):
        each_in, each_out = price(f"gsm8k/{model}")
        expected += each_in * (len(problem.prompt) // 4) + each_out * (len(one.text) // 4)
    assert sum(one.cost for one in heard) == expected
    assert heard[0].usage == usage(f"gsm8k/{NAMES[0]}", problem.prompt, heard[0].text)


@recorded
def test_an_unstreamed_reply_is_the_same_reply(replay: Replay) -> None:
    """Clients that do not stream get the same text and usage at once."""
    problem = recordings.gsm8k()[1]
    heard = ask(replay.url, f"gsm8k/{NAMES[1]}", problem.prompt, stream=False)
    assert heard.body["choices"][0]["message"]["content"] == recordings.gsm8k_answers()[NAMES[1], problem.pid]
    assert heard.body["usage"]["completion_tokens"] > 0


@recorded
def test_what_was_never_recorded_is_a_404(replay: Replay) -> None:
    """A missing recording is an error and never an invented answer."""
    assert ask(replay.url, f"gsm8k/{NAMES[0]}", "What is love?").status == 404
    assert ask(replay.url, "gsm8k/no-such-model", recordings.gsm8k()[0].prompt).status == 404
    assert ask(replay.url, "nonsense", "x").status == 404


@recorded
def test_recorded_judges_speak_their_text(replay: Replay) -> None:
    """All recorded judge texts come over the wire untouched, the empty and the cut-off ones too."""
    for name, row in recordings.judge_raw().items():
        heard = ask(replay.url, f"raw-judge/{name}", "Judge.")
        assert heard.text == row["raw"]
        assert heard.finish == (row["finish"] or "stop")


@recorded
def test_a_recorded_debate_is_replayed_by_round(replay: Replay) -> None:
    """Each agent says in each round what it was recorded saying, whichever way the round is told."""
    index = next(i for i, d in enumerate(recordings.debates()) if d["agents"] == 2 and d["rounds"] == 3)
    _, task = recordings.debate_prompt(index)
    for agent in range(2):
        messages = user(task)
        said = [m["content"] for m in recordings.debates()[index]["transcripts"][agent] if m["role"] == "assistant"]
        for text in said:
            assert ask(replay.url, f"arc/{index}/{agent}", messages).text == text
            messages += [{"role": "assistant", "content": text}, *user("The others say ...")]
        latest = [*user(task), {"role": "assistant", "content": said[1]}, *user("DEBATE ROUND 2\nRevise.")]
        assert ask(replay.url, f"arc/{index}/{agent}", latest).text == said[2]
    assert ask(replay.url, f"arc/{index}/2", user(task)).status == 404


def test_a_rate_is_kept_by_the_clock(replay: Replay) -> None:
    """Numbered words come one by one, never before they are due, and a late one does not delay the next."""
    planned = plan("rate/0.05/40/200", [], Pace())
    assert planned.seconds == pytest.approx(0.05 + 39 / 200)
    heard = ask(replay.url, "rate/0.05/40/200", "x")
    assert heard.text == "".join(f"w{n} " for n in range(1, 41))
    assert heard.usage["completion_tokens"] == len(heard.deltas) == 40
    # The client starts its clock before the server does, so nothing can be early; how late is not asserted.
    assert all(at >= planned.due(n) for n, at in enumerate(heard.at))


def test_a_burst_is_whole(replay: Replay) -> None:
    """Ten thousand chunks as fast as they go arrive complete and in order."""
    heard = ask(replay.url, "burst/10000", "x")
    assert heard.text == "".join(f"w{n} " for n in range(1, 10001))


def test_a_stall_is_silent_where_it_was_asked_to_be(replay: Replay) -> None:
    """The words before the silence come at once, the rest after it."""
    heard = ask(replay.url, "stall/0.3/2", "x")
    assert heard.text == "w1 w2 w3 w4 w5 "
    assert heard.at[2] >= 0.3


def test_failures_have_the_status_asked_for(replay: Replay) -> None:
    """`fail/<status>` answers with that status and an error object."""
    heard = ask(replay.url, "fail/503", "x")
    assert (heard.status, heard.body["error"]["code"]) == (503, 503)


def test_requests_are_counted_and_leaving_is_noticed(replay: Replay) -> None:
    """`/stats` tells how often each model was asked, and that a client left before the end."""
    before = replay.stats()["requests"].get("burst/3", 0)
    ask(replay.url, "burst/3", "count me")
    assert replay.stats()["requests"]["burst/3"] == before + 1
    assert replay.requests()[-1]["messages"] == user("count me")
    for unread in (False, True):
        _leave(replay, unread)
        _eventually(lambda left=unread: replay.stats()["cancelled"].get("stall/20/1") == 1 + left)


def _leave(replay: Replay, unread: bool) -> None:
    """Close a stream that is stalled; with text unread the system resets the connection instead of ending it."""
    with closing(plain_client.connect(replay.url)) as connection:
        body = {"model": "stall/20/1", "messages": user("x"), "stream": True}
        response = plain_client.post(connection, replay.url, body)
        while not unread and b"w1" not in response.readline():
            pass
        if not unread:
            assert response.readline() == b"\n"
        response.close()


def test_a_connection_serves_many_requests(replay: Replay) -> None:
    """Keep-alive: a hundred answers over one connection."""
    before = replay.stats()["connections"]
    with closing(plain_client.connect(replay.url)) as connection:
        for n in range(100):
            body = {"model": f"burst/{n % 5}", "messages": user("x"), "stream": True}
            assert len(plain_client.hear(connection, replay.url, body).deltas) == n % 5
    assert replay.stats()["connections"] == before + 2  # this one, and the one that asks for the numbers


def test_it_ends_with_its_parent() -> None:
    """A killed test run leaves no server behind."""
    code = (
        "import sys\nfrom tests.replay import replay_server\n"
        "with replay_server() as r:\n    print(r.port, r.pid, flush=True)\n    sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        _, pid = map(int, parent.stdout.readline().split())
        parent.send_signal(signal.SIGKILL)
    _eventually(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _eventually(holds: object) -> None:
    """Ask until it is so: another process has no event to await."""
    end = time.monotonic() + 10
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["words", "whole", "chars:1", "chars:4", "random:1"])
def test_cutting_a_text_loses_nothing(how: str) -> None:
    """Every way of cutting gives the text back."""
    text = "  Zwölf Boxkämpfer\u2028\u0085 jagen 👩\u200d🚀\n\n\tViktor.  "
    assert "".join(cut_text(text, how)) == text


@pytest.mark.parametrize("how", ["events", "bytes:1", "bytes:3", "random:1"])
def test_cutting_a_stream_loses_nothing(how: str) -> None:
    """Every way of cutting gives the bytes back, and small pieces split code points."""
    events = ["data: ä€👩\n\n".encode(), b"data: [DONE]\n\n"]
    pieces = list(cut_stream(events, how))
    assert b"".join(pieces) == b"".join(events)
    if how == "bytes:1":
        assert "ä".encode()[:1] in pieces
