"""Plain text: the terminal's progress and result. Nothing a model says can act there."""

import io
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fusion_nb.core import RunState
from fusion_nb.core.events import CallEnded
from fusion_nb.views import bundle, escape
from fusion_nb.views import run_text as text_view
from fusion_nb.views.live_display import clock_at_start
from fusion_nb.views.terminal_progress import TerminalProgress
from tests import states

ATTACKS = [
    "\x1b]52;c;ZXZpbA==\x07", "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b31m",
    "\x90payload\x9c", "\x07\x08\x08\x08", "a\rb", "\x1bP+q\x1b\\", "\x1b[5i", "\x00", "\x7f", "\u202egnp.exe", "\x85",
]  # fmt: skip
ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
OURS = re.compile(r"\x1b\[\d+A|\r\x1b\[2K|\x1b\[J")
examples = pytest.mark.parametrize("build", states.EXAMPLES.values(), ids=states.EXAMPLES)


class Terminal:
    """A terminal of a given size that obeys the few sequences we write, and knows no others."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.size = os.terminal_size((columns, rows))
        self.lines: list[str] = [""]
        self.row = 0
        self.written: list[str] = []
        self.now = 0.0

    def write(self, text: str) -> None:
        self.written.append(text)
        for part in re.findall(r"\x1b\[\d+A|\r\x1b\[2K|\x1b\[J|\n|[^\x1b\r\n]+", text):
            if part.endswith("A") and part.startswith("\x1b"):
                up = int(part[2:-1])
                assert up < self.size.lines, "cannot reach a line that has scrolled away"
                self.row -= up
            elif part == "\r\x1b[2K":
                self.lines[self.row] = ""
            elif part == "\x1b[J":
                self.lines = [*self.lines[: self.row], ""]
            elif part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                self.lines[self.row] += part
        assert all(text_view.width(line) < self.size.columns for line in self.lines)

    def progress(self, *, tty: bool = True) -> TerminalProgress:
        return TerminalProgress(self.write, tty=tty, size=lambda: self.size, clock=lambda: self.now)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_acts_in_plain_text(attack: str) -> None:
    """No view in plain text or Markdown holds a character a terminal would obey, whoever wrote it where."""
    for state in (states.hostile(attack), states.hostile_running(attack), states.hostile_selection(attack)):
        shown = bundle(state)
        assert not ACTING.search(shown["text/plain"])
        assert not ACTING.search(shown["text/markdown"])


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("tty", [True, False])
def test_progress_writes_no_escape_but_its_own(attack: str, tty: bool) -> None:
    """While a run goes on, the only sequences sent to the terminal move to our own lines and clear them."""
    written = io.StringIO()
    progress = TerminalProgress(
        lambda text: written.write(text) and None, tty=tty, size=lambda: os.terminal_size((200, 50))
    )
    progress.update(states.hostile_running(attack))
    progress.update(states.hostile_selection(attack))
    progress.finish(states.hostile(attack))
    left = OURS.sub("", written.getvalue())
    assert not ACTING.search(left)
    assert tty or left == written.getvalue()


def test_clean_text_loses_nothing_else() -> None:
    """Tabs, newlines, letters of all scripts and emoji pass as they are."""
    kept = "tab\there\nline é ß 漢字 עברית 👩\u200d💻 ‽"
    assert escape.safe_text(kept) == kept
    assert escape.safe_text("a\r\nb") == "a\nb"
    assert escape.safe_line(" a\n b\tc ") == "a b c"


@examples
def test_the_result_says_what_matters(build: Callable[[], RunState]) -> None:
    """Every result in plain text has the answer (or why there is none), the cost, and DEMO where it is one."""
    state = build()
    text = bundle(state)["text/plain"]
    assert ("DEMO" in text) == state.demo
    if state.status == "running":
        return
    assert (state.answer or state.error or "answer") in text
    for reply in state.replies:
        assert reply.ref.name in text
        assert reply.detail is None or reply.status == "ok" or reply.detail in text


def test_a_result_as_a_terminal_shows_it() -> None:
    """Answer, where it comes from, the judge's reasons, the ledger with its total: all of it on 80 columns."""
    text = bundle(states.merge())["text/plain"]
    assert text.startswith("merge: 3 models, judge gpt5, 6.4 s, $0.0208\n\nFused answer:\n**The sky is blue because")
    assert "From claude 62 %, gemini 23 %, gpt4o 15 %, by the judge's citations." in text
    assert "Rationale:\n**claude** is the most complete" in text
    ledger = text[text.index("call  name") :].split("\n")
    assert [len(line) < 80 for line in ledger] == [True] * len(ledger)
    assert ledger[1].split()[:3] == ["1", "claude", "candidate"]
    assert ledger[5].split()[:1] == ["all"]
    assert ledger[-1] == "4 calls · 1,007 tokens · $0.0208"
    assert len({line.rindex("$") for line in ledger[1:5]}) == 1


def test_totals_name_what_they_leave_out() -> None:
    """An unknown cost is a dash, and the total says that it is a lower bound; nothing known is not zero."""
    partial, unknown = bundle(states.unknown_costs())["text/plain"], bundle(states.no_costs())["text/plain"]
    assert "≥ $0.0125, 1 call unpriced" in partial
    assert "cost unknown" in unknown
    assert "$0" not in unknown


def test_columns_stay_aligned_with_wide_names() -> None:
    """A name in Chinese takes two columns a character, and the table knows."""
    rows = text_view.aligned([["模型", "1"], ["abcd", "22"]], [False, True])
    assert rows == ["模型   1", "abcd  22"]


def test_progress_is_rewritten_in_place() -> None:
    """One line per member and the judge, at their places, whatever happens between."""
    terminal = Terminal()
    progress = terminal.progress()
    for state in (states.begun(), states.running(), states.judging()):
        terminal.now += 1
        progress.update(state)
    progress.finish(states.merge())
    names = [line.split()[0] for line in terminal.lines if line]
    assert names == ["claude", "gemini", "gpt4o", "gpt5"]
    assert "done" in terminal.lines[0]
    assert terminal.row == 4


def test_progress_shows_seconds_and_characters() -> None:
    """Until the service has counted tokens, characters are shown and called so; time goes on."""
    terminal = Terminal(columns=100)
    terminal.progress().update(states.running())
    assert re.fullmatch(r"claude  done +1\.9 s +210 tokens +\$0\.0031", terminal.lines[0])
    assert re.fullmatch(r"gemini  writing +0 ms +300 characters +—", terminal.lines[1])
    assert "waiting, attempt 2" in terminal.lines[2]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (30, 5), (12, 2), (5, 24), (2, 2)])
def test_progress_fits_any_terminal(columns: int, rows: int) -> None:
    """No line wraps and none is rewritten that has scrolled away, also with 64 members in a tiny window."""
    terminal = Terminal(columns, rows)
    progress = terminal.progress()
    for state in (states.many(20), states.many(20)):
        terminal.now += 1
        progress.update(state)
    progress.finish(states.many(20))
    assert terminal.row <= max(1, rows - 1)


def test_progress_is_not_drawn_too_often() -> None:
    """A thousand events in a second are ten drawings."""
    terminal = Terminal()
    progress = terminal.progress()
    for _ in range(1000):
        terminal.now += 0.001
        progress.update(states.running())
    assert len(terminal.written) <= 11


def test_without_a_terminal_each_end_is_a_line() -> None:
    """In a log there is one line when a call ends, once, with why it failed."""
    terminal = Terminal(columns=10_000)
    progress = terminal.progress(tty=False)
    progress.update(states.begun())
    assert terminal.written == []
    progress.update(states.running())
    progress.update(states.running())
    assert terminal.written == ["claude  done  1.9 s  210 tokens  $0.0031\n"]
    progress.finish(states.one_failed())
    assert len(terminal.written) == 4
    assert terminal.written[1].startswith("gemini  failed  2.2 s: OpenRouter: too many requests")
    assert terminal.written[3].startswith("gpt5 (judge)  done")


@pytest.mark.parametrize("tty", [True, False])
def test_progress_says_demo_once(tty: bool) -> None:
    """The demo is called one while it runs, too."""
    terminal = Terminal(columns=200)
    progress = terminal.progress(tty=tty)
    progress.update(states.demo_running())
    progress.finish(states.demo())
    assert sum("DEMO" in line for line in terminal.lines) == 1


def test_prose_is_broken_at_words() -> None:
    """In a terminal no word is cut at the edge, an item's lines stand under its text; code, tables and links stay."""
    script = states.Script()
    address = "https://example.org/" + "very/" * 20
    code = "    x = " + "1 + " * 30 + "1"
    answer = f"Word {'computed ' * 30}end.\n\n- {'item ' * 30}\n\n```python\n{code}\n```\n\nSee {address} now. {'漢字 ' * 40}"
    script.members()
    script.judged(answer, analysis=None)
    state = script.close()
    lines = text_view.render_text(state, 60).split("\n")
    body = lines[lines.index("Fused answer:") + 1 : lines.index("Rationale:")]
    assert code in body
    assert any(address in line for line in body)
    assert all(text_view.width(line) <= 60 for line in body if line != code and address not in line)
    assert not any(line.endswith(("comp", "compu", "compute")) for line in body)
    item = next(place for place, line in enumerate(body) if line.startswith("- item"))
    assert body[item + 1].startswith("  item")
    assert "".join(" ".join(body).split()) == "".join(text_view.escape.safe_text(state.answer or "").split())
    assert text_view.render_text(state) == bundle(state)["text/plain"]


def test_after_a_stop_the_texts_and_the_next_step_are_there() -> None:
    """Without an answer, what the members said is printed, and the commands that go on from there."""
    for state in (states.cancelled(), states.unread()):
        text = bundle(state)["text/plain"]
        for reply in state.candidates:
            assert not reply.usable or reply.text.strip() in text
        # Of this run: by the time somebody reads it, another one may be the last.
        assert f"`%fuse --rejudge {state.run}`" in " ".join(text.split())
        assert f"<code>%fuse --rejudge {state.run}</code>" in bundle(state)["text/html"]
        assert f'rejudge("{state.run}")' in bundle(state)["text/markdown"]
    assert f"--resume {states.cancelled().run}" in " ".join(bundle(states.cancelled())["text/plain"].split())
    for state in (states.merge(), states.all_failed(), states.best_of()):
        assert "%fuse --re" not in bundle(state)["text/plain"]


def test_a_ledger_fits_a_terminal_of_80_columns() -> None:
    """Its heads are cut, then columns go, where names and states are long; what a call cost and how it ended stay."""
    script = states.Script()
    for ref in states.POOL:
        call = script.start(replace(ref, label=f"{ref.name} of a long name, at length"))
        script.end(call, status="cancelled", error="cancelled", cost=None, tokens=None, latency=2.0, finish=None)
    state = script.close("cancelled", at=2.0)
    rows = [line for line in text_view.render_text(state, 79).splitlines() if "cancelled" in line and "name" in line]
    assert len(rows) == len(states.POOL)
    assert max(map(text_view.width, rows)) <= 79
    assert "tokens in  tokens out" in text_view.render_text(state)


def test_the_terminal_names_who_keeps_all_waiting() -> None:
    """One sentence, with `--quorum`; in place in a terminal, once where lines cannot be taken back."""
    script = states.Script()
    for ref in states.POOL:
        script.start(ref)
    for call in (1, 2):
        script.say(call, "Blue.")
        script.emit(CallEnded, 2.0, call=call, status="ok", latency=2.0)
    for tty in (True, False):
        terminal = Terminal(columns=70 if tty else 400)
        progress = terminal.progress(tty=tty)
        progress.update(script.state)
        assert "quorum" not in "".join(terminal.written)
        for later in (8.0, 9.0, 10.0):
            terminal.now = later
            progress.update(script.state)
        shown = " ".join(" ".join(terminal.lines).split())
        assert shown.count("All others are done; gpt4o has sent nothing for") == 1
        assert "quorum 2" in shown


def test_clocks_begin_with_the_run_not_with_the_view() -> None:
    """A view that is loaded after the run's start shows the run's seconds; a run of another day is shown from zero."""
    for ago, least in ((2.0, 2.0), (86_400.0, 0.0), (-60.0, 0.0)):
        when = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
        started = clock_at_start(when, lambda: 100.0)
        assert least <= 100.0 - started < least + 5.0
    assert clock_at_start("", lambda: 100.0, at=1.5) == 98.5
