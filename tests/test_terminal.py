"""Plain IPython in a real terminal, and a plain script."""

import os
import re
import signal
import subprocess
import sys
import time

import pexpect
import pytest

from fusion_nb.views.run_text import render_text
from tests import states
from tests.lag import meter

ESC = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def ipython(tmp_path):
    command = "from IPython import start_ipython; start_ipython(['--simple-prompt', '--no-banner', '--colors=NoColor'])"
    env = {**os.environ, "IPYTHONDIR": str(tmp_path), "FUSION_NB_DEMO_SPEED": "1"}
    child = pexpect.spawn(sys.executable, ["-c", command], env=env, encoding="utf-8", timeout=60, dimensions=(50, 120))
    child.expect(r"In \[1\]:")
    child.sendline("%load_ext fusion_nb")
    child.expect(r"In \[2\]:")
    yield child
    child.close(force=True)


def test_a_fuse_in_a_terminal(ipython) -> None:
    """Progress is a line per member, then the answer, the rationale and the ledger as text."""
    ipython.sendline("%fuse --pool demo --mode best-of How many times does the letter r occur in the word strawberry?")
    ipython.expect(r"In \[3\]:")
    said = ESC.sub("", ipython.before)
    for word in ("demo:swift", "demo:steady", "demo:careful", "demo:judge", "DEMO"):
        assert word in said
    assert "<div" not in said


SLOW = """
import time
from pathlib import Path
def slow(prompt):
    yield "a word "
    Path({mark!r}).touch()
    time.sleep(600)
"""


def test_ctrl_c_keeps_what_was_received(ipython, tmp_path) -> None:
    """Ctrl-C in the middle ends the run at once, what was said is kept, and the next cell works."""
    mark = tmp_path / "mark"
    (tmp_path / "slow.py").write_text(SLOW.format(mark=str(mark)), encoding="utf-8")
    ipython.sendline(f"%run {tmp_path / 'slow.py'}")
    ipython.expect(r"In \[3\]:")
    ipython.sendline("%fuse -o df --pool slow,demo:swift --timeout 600 --idle 600 Is it so?")
    until = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.01)
    lag = meter()
    began = time.monotonic()
    os.kill(ipython.pid, signal.SIGINT)
    ipython.expect(r"In \[4\]:")
    # The first use loads pandas for the frame; the run itself has ended long before.
    assert time.monotonic() - began - lag.lost(began) < 10
    ipython.sendline("print('status', set(df['status']), df.attrs['status'], repr(df['text'].iloc[0]))")
    ipython.expect(r"status \{.*\} cancelled 'a word '")
    ipython.expect(r"In \[5\]:")


def test_a_panel_in_a_terminal(ipython) -> None:
    """Where no widget can be shown, a panel says so and what to do, and runs from Python."""
    ipython.sendline("panel = %fuse_panel --pool demo Is it so?")
    ipython.expect(r"In \[3\]:")
    ipython.sendline("panel")
    ipython.expect(r"<Panel \['demo'\] merge: not run yet\. A notebook shows it; from Python: run\(\)")
    ipython.expect(r"In \[4\]:")
    ipython.sendline("panel.observe(lambda change: print('ended', change.new.status), 'result'); panel.run()")
    ipython.expect(r"ended ok")


SCRIPT = """
import asyncio, fusion_nb

print(fusion_nb.fuse("Is it so?", pool="demo").status)
print(asyncio.run(fusion_nb.afuse("Is it so?", pool="demo")).frame().shape)
print(*[type(event).__name__ for event in fusion_nb.stream("Is it so?", pool="demo")][-2:])
"""


def test_a_plain_script() -> None:
    """Without IPython running: results, a frame, events, no warning, nothing printed that was not asked for."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout.splitlines(), ran.stderr) == (["ok", "(4, 32)", "VerdictReached RunEnded"], "")


EVIL = r"""
import itertools
codes = [*range(0x09), *range(0x0b, 0x20), *range(0x7f, 0xa0)]
text = "\x1b]52;c;ZXZpbA==\x07 \x1b]8;;http://evil\x1b\\x \x1b[2J \x9b31m \x90q\x9c \ud800 " + "".join(map(chr, codes))
def evil(prompt): return text
def worse(prompt): raise ValueError(text)
evil.__name__ = "evil" + text
import pandas; pandas.set_option("display.width", 10000, "display.max_columns", None, "display.max_colwidth", None)
"""
OURS = re.compile(r"\x1b\[\d+A|\r\x1b\[2K|\x1b\[J")


def test_nothing_a_model_says_acts_on_the_terminal(ipython, tmp_path) -> None:
    """Progress, result, the frame as the cell's value, `print(df)`, errors and past runs: our own sequences alone."""
    (tmp_path / "evil.py").write_text(EVIL, encoding="utf-8")
    sent = [
        f"%run {tmp_path / 'evil.py'}",
        "%fuse --pool evil --judge demo:judge Hello?",
        "import fusion_nb; print(_.to_string(), _.attrs, fusion_nb.last(), repr(fusion_nb.last()), fusion_nb.last().replies)",
        "fusion_nb.fuse(text, pool=[evil, worse], judge=worse).frame()",
        "fusion_nb.fuse('x', pool=[worse])",
        "%fuse_runs",
        "fusion_nb.last()",
    ]
    for place, line in enumerate(sent, 2):
        ipython.sendline(line)
        ipython.expect(rf"In \[{place + 1}\]:")
        said = ipython.before.replace("\r\n", "\n")
        # The line itself is echoed by the terminal's own editor.
        assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", OURS.sub("", said)) == [], line
        assert place in (2, 6, 8) or "[U+001B]" in said, line


def test_answers_are_set_where_rich_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markdown of an answer is bold and in lists on a terminal; what acts is a number, and NO_COLOR leaves no colour."""
    from fusion_nb.views.rich_markdown import render_rich

    pytest.importorskip("rich")
    text = "Some **bold** \x1b]0;owned\x07 [red]no[/red]\n\n- one `code`\n\n```py\ndef f(): pass\n```"
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = render_rich(text, 60) or ""
    assert "\x1b[1mbold\x1b[0m" in shown
    assert "[U+001B]" in shown
    assert "[red]no[/red]" in shown
    assert "\x1b]" not in shown
    assert "def f(): pass" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[\d;]*(?:3[0-7]|9[0-7]|4[0-7])[;m]", render_rich(text, 60) or "")


def test_an_answer_set_by_rich_stands_whole_in_its_place() -> None:
    """The set answer stands below its heading; everything else of the run is as it was."""
    state = states.merge()
    plain = render_text(state, 80)
    shown = render_text(state, 80, lambda text: "LOOK")
    assert "LOOK" in shown.split("\n")
    assert "\x00" not in shown
    assert render_text(state, 80, lambda text: None) == plain
