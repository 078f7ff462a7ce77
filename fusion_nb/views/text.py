"""A run as plain text: the answer, the judge's reasons, the ledger. Nothing in it can act on a terminal."""

from __future__ import annotations

import re
import unicodedata

from fusion_nb.core import Reply, RunState, citations
from fusion_nb.views import escape, formatting
from fusion_nb.views.html import current_replies, lane_figures
from fusion_nb.views.ledger import BRIEF, ledger

_BULLET = re.compile(r" *(?:[-*+]|\d{1,3}[.)]) +")


def render_text(state: RunState, columns: int | None = None) -> str:
    """What a terminal shows of a run, in any phase.

    Args:
        state: the run so far.
        columns: width at which prose is broken at words; `None` leaves that to whoever shows it.
    """
    notes = [f"Note: {escape.safe_line(note)}" for note in formatting.notes(state)]
    head = _fitted("\n".join([headline(state), *notes]), columns)
    return "\n".join([head, *(_running(state, columns) if state.status == "running" else _finished(state, columns))])


def headline(state: RunState) -> str:
    """The run in one line."""
    judge = f", judge {state.judge.name}" if state.judge else ""
    took = f", {formatting.seconds(state.seconds)}" if state.status != "running" else ""
    cost = f", {total}" if (total := formatting.total_cost(state)) else ""
    facts = f"{formatting.mode(state)}: {formatting.pool(state)}{judge}{took}{cost}"
    status = "" if state.status == "ok" else f" [{formatting.run_status(state)}]"
    demo = f" [{formatting.DEMO}]" if state.demo else ""
    return escape.safe_line(f"{facts}{status}{demo}")


def width(text: str) -> int:
    """Columns `text` takes on a screen of fixed pitch."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def lane_line(name: str, reply: Reply | None, now: float | None) -> list[str]:
    """One member's progress as cells: name, state, seconds, tokens or characters, cost."""
    return [
        escape.safe_line(cell) for cell in (name, *(lane_figures(reply, now) if reply else ("waiting", "", "", "")))
    ]


def aligned(rows: list[list[str]], right: list[bool]) -> list[str]:
    """Cells in columns two blanks apart."""
    widths = [max(width(row[i]) for row in rows) for i in range(len(right))] if rows else []
    return ["  ".join(_padded(*cell) for cell in zip(row, widths, right, strict=True)).rstrip() for row in rows]


def wrapped(line: str, columns: int) -> list[str]:
    """`line` broken at words so that no piece is wider than `columns`; what begins a piece stands under its beginning.

    A word that is wider than that is left whole: an address can still be copied.
    """
    if width(line) <= columns:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))]
    bullet = _BULLET.match(line)
    hanging = " " * len(bullet[0]) if bullet else indent
    pieces, piece = [], indent
    for word in line.split(" ")[len(indent) :]:
        if piece.strip() and width(piece) + 1 + width(word) > columns:
            pieces.append(piece)
            piece = hanging + word
        else:
            piece = f"{piece} {word}" if piece.strip() else piece + word
    return [*pieces, piece]


def _padded(cell: str, size: int, right: bool) -> str:
    blanks = " " * (size - width(cell))
    return blanks + cell if right else cell + blanks


def _fitted(text: str, columns: int | None) -> str:
    """`text` with its prose broken at words; code between fences and tables stay as they are."""
    if columns is None:
        return text
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        fence = line.lstrip().startswith(("```", "~~~"))
        fenced ^= fence
        lines += [line] if fence or fenced or line.lstrip().startswith("|") else wrapped(line, columns)
    return "\n".join(lines)


def _running(state: RunState, columns: int | None) -> list[str]:
    rows = [lane_line(ref.name, reply, None) for ref, reply in current_replies(state)]
    lanes = aligned(rows, [False, False, True, True, True])
    draft = escape.safe_text(citations.read_citations(state.draft, state.labels)[0])
    return [*lanes, *remark_lines(state), *(["", _fitted(draft, columns)] if state.draft else [])]


def _finished(state: RunState, columns: int | None) -> list[str]:
    prose = [*_answer(state), *_verdict(state)]
    prose += [f"Round {ended.round}: {escape.safe_line(formatting.debate_round(ended))}" for ended in state.rounds]
    table = ["", *_ledger(state)] if state.replies else []
    below = [*_failures(state), *remark_lines(state)]
    return ["", *(_fitted(part, columns) for part in prose), *table, *(_fitted(part, columns) for part in below)]


def _verdict(state: RunState) -> list[str]:
    verdict = state.verdict
    if not verdict:
        return []
    note, rationale = formatting.verdict_note(verdict), verdict.rationale.strip()
    parts = ["", f"{'Judge' if state.judge else 'Verdict'}: {escape.safe_line(note)}"] if note else []
    return [*parts, *(["", "Rationale:", escape.safe_text(rationale)] if rationale else [])]


def _answer(state: RunState) -> list[str]:
    if state.answer is None:
        step = formatting.next_step(state)
        return [escape.safe_text(formatting.no_answer(state)), *([step] if step else []), *_candidates(state)]
    shares = formatting.shares(state)
    source = [escape.safe_line(f"From {shares}, by the judge's citations.")] if shares else []
    return [f"{escape.safe_line(formatting.answer_title(state))}:", escape.safe_text(state.answer), *source]


def _candidates(state: RunState) -> list[str]:
    """The texts of the members, which stand for the answer where there is none."""
    replies = [reply for reply in state.candidates if reply.text.strip()]
    heads = [escape.safe_line(" · ".join(formatting.facts(state, reply))) for reply in replies]
    texts = [escape.safe_text(reply.text.strip("\n")) for reply in replies]
    return [part for head, text in zip(heads, texts, strict=True) for part in ("", f"{head}:", text)]


def _ledger(state: RunState) -> list[str]:
    table = ledger(state)
    shown = [i for i, column in enumerate(table.columns) if column.head in BRIEF]
    heads = [column.head for column in table.columns]
    rows = [[escape.safe_line(row[i]) for i in shown] for row in (heads, *table.rows, table.totals)]
    lines = aligned(rows, [table.columns[i].right for i in shown])
    return [*lines, escape.safe_line(table.caption)]


def _failures(state: RunState) -> list[str]:
    failed = [r for r in state.replies if r.status not in (None, "ok") and r.detail]
    return [escape.safe_line(f"{r.ref.name} {formatting.reply_status(r)}: {r.detail}") for r in failed]


def remark_lines(state: RunState) -> list[str]:
    """What a person should know of each call, one line a sentence."""
    lines = [
        escape.safe_line(f"⚠ {reply_name(reply)}: {sentence}") for reply, sentence in formatting.all_remarks(state)
    ]
    return list(dict.fromkeys(lines))


def reply_name(reply: Reply) -> str:
    return reply.ref.name if reply.role == "candidate" else f"{reply.ref.name} (judge)"
