"""`%%fuse --background`: the cell ends at once, other cells run, the view stays alive. In real kernels."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb import UserError
from tests.kernel import Kernel, kernel
from tests.replay import Replay
from tests.shell import Shell

CELL = "%%fuse df << --background --pool demo\nWhat should I check before trusting a p-value?"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def live(home: Path) -> Iterator[Kernel]:
    """A kernel whose front end can show widgets, with a demo that takes seconds."""
    with kernel(FUSION_NB_HOME=str(home), FUSION_NB_DEMO_SPEED="0.5", FUSION_NB_UI="panel") as found:
        yield found


def news(held: Kernel) -> list[dict]:
    """The messages the run's widget got."""
    custom = [m["content"]["data"] for m in held.heard if m["msg_type"] == "comm_msg"]
    return [data["content"] for data in custom if data.get("method") == "custom" and data["content"]["kind"] == "news"]


def replies(held: Kernel) -> list[dict]:
    """The answers the run's widget got."""
    custom = [m["content"]["data"] for m in held.heard if m["msg_type"] == "comm_msg"]
    return [data["content"] for data in custom if data.get("method") == "custom" and data["content"]["kind"] == "reply"]


def shows(held: Kernel, text: str) -> bool:
    """Whether the place of the newest output holds that text by now."""
    puts = [m for m in held.heard if m["msg_type"] in ("display_data", "update_display_data")]
    return bool(puts) and text in puts[-1]["content"]["data"]["text/plain"]


def test_other_cells_run_and_the_view_lives(live: Kernel) -> None:
    """The value is the handle; texts reach the view while another cell blocks; HTML takes its place at the end."""
    sent = live.start(CELL)
    messages = live.ended(sent)
    assert not live.shown()
    shown, behind = [m for m in messages if m["msg_type"] == "display_data"]
    assert re.search(r'load\("\d{8}T\d{6}-\w+"\)\.panel\(\)', behind["content"]["data"]["text/html"])
    assert "application/vnd.jupyter.widget-view+json" in shown["content"]["data"]
    assert "in the background" in live.text(messages)
    assert "True" in live.run("df is _ and not df.done")
    before = len(news(live))
    assert live.run("import time; time.sleep(1.5); print(6 * 7)").strip() == "42"
    assert len(news(live)) > before + 5
    live.until(lambda: len(live.shown()) > 1)
    emptied, last = live.shown()
    assert emptied["content"]["data"]["text/html"] == ""
    assert last["content"]["transient"]["display_id"] == shown["content"]["transient"]["display_id"]
    assert "Fused answer" in last["content"]["data"]["text/html"]
    assert live.run("print(df.wait() is df.result, df.done, df.result.status, df.frame.shape)").strip() == (
        "True True ok (4, 32)"
    )
    assert not [m for m in live.heard if m["msg_type"] == "stream" and "fusion_nb" in m["content"]["text"]]


def test_the_interrupt_of_another_cell_leaves_it_alone(live: Kernel) -> None:
    """Interrupting a cell, a `wait()` too, stops that cell; the run goes on to its end."""
    live.run(CELL)
    for cell in ("import time\nprint('on')\nwhile True: time.sleep(0.01)", "print('on'); df.wait()"):
        sent = live.start(cell)
        live.until(lambda sent=sent: "on" in live.text([m for m in live.heard if m["parent_header"]["msg_id"] == sent]))
        live.manager.interrupt_kernel()
        assert "KeyboardInterrupt" in live.text(live.ended(sent))
    assert live.run("print(df.wait().status)").strip() == "ok"


def test_stop_and_one_call_from_the_handle(live: Kernel) -> None:
    """`stop_call` ends one member, `stop` the run; what was received is there."""
    live.run(CELL)
    live.run("import time\nwhile not any(r.text for r in df.result.replies): time.sleep(0.01)")
    live.run("df.stop_call(2)")
    assert "stopped" in live.run("print(df.result.replies[1].error)")
    live.run("df.stop()")
    assert live.run("print(df.wait().status, df.frame.status.tolist()[1])").strip() == "cancelled cancelled"


def test_the_view_of_a_run_stops_and_repeats_one_member(live: Kernel) -> None:
    """`stop_member` and `retry_member` from the view: done, or refused with a sentence, and answered either way."""
    shown, _ = [m for m in live.ended(live.start(CELL)) if m["msg_type"] == "display_data"]
    model = shown["content"]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    live.run("import time\nwhile not all(r.text for r in df.result.replies[:3]): time.sleep(0.01)")
    for number, (kind, call) in enumerate([("stop_member", 3), ("retry_member", 3), ("stop_member", 77)]):
        live.tell(model, {"kind": kind, "id": number, "call": call})
        live.until(lambda number=number: len(replies(live)) > number)
    stopped, repeated, refused = replies(live)
    assert (stopped, repeated) == ({"kind": "reply", "id": 0}, {"kind": "reply", "id": 1})
    assert "no call 77" in refused["error"]
    said = live.run(
        "print(df.wait().status, [(r.call, r.error) for r in df.result.replies if r.ref.model == 'careful'])"
    )
    assert said.strip() == "ok [(3, 'stopped'), (4, None)]"


def test_a_kernel_that_ends_leaves_the_record(live: Kernel, home: Path) -> None:
    """Shutting the kernel down stops the run: what had arrived is in the journal, and can be resumed."""
    live.run(CELL)
    live.run("import time\nwhile not any(r.text for r in df.result.replies): time.sleep(0.01)")
    live.manager.shutdown_kernel(now=False)
    (path,) = (home / "runs").glob("*.jsonl")
    kept = fusion_nb.load(path.stem)
    assert kept.status == "cancelled"
    assert any(reply.text for reply in kept.replies)
    assert json.loads(path.read_text().splitlines()[-1])["event"] == "RunEnded"


def test_a_failed_run_is_seen(home: Path, replay: Replay) -> None:
    """Every member failing is shown in place, and `wait()` raises it; quiet, the next cell says it in a line."""
    services = f"%config Fuse.services = {{'replay': {{'base_url': {replay.url!r}}}}}"
    cell = "%%fuse run << --background --pool replay:fail/404"
    with kernel(FUSION_NB_HOME=str(home), FUSION_NB_UI="html") as held:
        held.run(services)
        assert "in the background" in held.run(f"{cell}\nHi.")
        held.until(lambda: shows(held, "No answer"))
        assert "RunFailed" in held.run("run.wait()")
        assert "fusion_nb: run" not in held.run("print('next')")
        # A run that fails at once may be told of by its own cell.
        said = held.run(f"{cell} --quiet\nHi.")
        said += held.run("import time\nwhile not run.done: time.sleep(0.01)")
        assert "failed: No answer" in said
        assert said.count("failed: No answer") == 1
        assert held.run("print('next')").strip() == "next"


@pytest.fixture
def shell(home: Path) -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def test_a_terminal_is_not_scribbled_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal nothing is written while it runs; the first cell after its end is followed by one line."""
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "2")
    ran = shell.run("%%fuse run << --background --pool demo\nHi.")
    assert ran.text.startswith(f"Out[1]: <run {ran.value.result.run} in the background")
    assert len(ran.text.strip().splitlines()) == 1
    assert "in the background" in repr(ran.value)
    assert shell.ip.user_ns["run"] is ran.value
    ran = shell.run("import time\nwhile not run.done: time.sleep(0.01)")
    assert len(ran.text.strip().splitlines()) == 1
    assert "run.result shows it" in ran.text
    assert shell.run("x = 1").text == ""
    shell.run("%%fuse run << --background --pool demo;\nHi.")
    shell.run("run.wait();")
    assert shell.run("x = 1").text == ""


def test_a_text_front_end_is_first_shown_the_pool(home: Path) -> None:
    """What it prints first stays there: it names the run's models, not a run that nobody knows anything of."""
    with kernel(FUSION_NB_HOME=str(home), FUSION_NB_DEMO_SPEED="5", FUSION_NB_UI="html") as held:
        messages = held.ended(held.start(CELL))
        first = next(m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] == "display_data")
        assert "3 models" in first.splitlines()[0]


def test_a_card_names_its_own_run(home: Path) -> None:
    """The foot of a card opens that card's run, after another run too, and in another kernel; a run that is in no
    journal is reached while its kernel has it."""
    cell = "%%fuse --pool demo:swift\nIs {number} prime?"
    environment = {"FUSION_NB_HOME": str(home), "FUSION_NB_DEMO_SPEED": "50", "FUSION_NB_UI": "panel"}
    with kernel(**environment) as held:
        ways = []
        for number in 7, 9, 11:
            held.run(f"%config Fuse.journal = {number != 11}")
            sent = held.start(cell.format(number=number))
            shown = [m for m in held.ended(sent) if m["msg_type"] == "update_display_data"]
            pages = [html.unescape(m["content"]["data"].get("text/html", "")) for m in shown]
            ways.append(next(found[1] for page in pages if (found := re.search("<code>(import .*?)</code>", page))))
        assert ways[2] == "import fusion_nb; fusion_nb.last().panel()"
    with kernel(**environment) as held:
        for number, way in zip((7, 9), ways, strict=False):
            assert f"Is {number} prime?" in held.run(f"{way}.prompt")


def test_what_cannot_be_sent_is_said_in_the_cell(shell: Shell) -> None:
    """A wrong name fails the cell itself, as without --background: it does not wait in a handle."""
    ran = shell.run("%%fuse --background --pool cluade\nHi.")
    assert isinstance(ran.error, UserError)
    assert "claude" in ran.text


def test_a_past_run_is_gone_on_with_in_the_background(shell: Shell) -> None:
    """`--rejudge`, `--replay` and the others take it too."""
    first = shell.run("%%fuse -q --pool demo\nHi.").value
    again = shell.run("%fuse again << --background --rejudge last --mode best-of").value
    assert again.wait(30).of == first["run"][0]
    cell = "%%fuse run << --background --replay --pool demo\nHi."
    held = shell.run(cell).value
    assert held.done
    assert held.result.run == first["run"][0]
    assert held.wait() is held.result
    held.stop()
    with pytest.raises(fusion_nb.FusionError, match="journal"):
        held.stop_call(1)


def test_an_async_function_of_the_notebook_answers_in_the_background(home: Path) -> None:
    """A coroutine function runs on the notebook's own loop, between cells and while `wait()` waits."""
    with kernel(FUSION_NB_HOME=str(home), FUSION_NB_UI="html") as held:
        held.run("import asyncio\nhome = asyncio.get_running_loop()")
        held.run(
            "async def mine(prompt):\n    await asyncio.sleep(0.2)\n    return str(asyncio.get_running_loop() is home)"
        )
        held.run("%%fuse run << --background --pool mine;\nHi.")
        assert held.run("print(run.wait(30).answer)").strip() == "True"
        held.run("%%fuse run << --background --pool mine;\nHi.")
        held.until(lambda: shows(held, "True"))
