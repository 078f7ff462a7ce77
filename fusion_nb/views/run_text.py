"""A run as plain text: the answer, the judge's reasons, the ledger. Nothing in it can act on a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from fusion_nb.core import Ref, Reply, RunState, Verdict, citations
from fusion_nb.views import candidate_wording, escape, formatting, verdict_wording
from fusion_nb.views.jury_scores_view import juror_facts, jury_rows, recusal
from fusion_nb.views.ledger_cells import BRIEF, ledger
from fusion_nb.views.progress_lanes import current_replies, lane_figures, not_asked

_BULLET = re.compile(r" *(?:[-*+]|\d{1,3}[.)]) +")


def render_text(state: RunState, columns: int | None = None, prose: Callable[[str], str | None] | None = None) -> str:
    """What a terminal shows of a run, in any phase.

    Args:
        state: the run so far.
        columns: width at which prose is broken at words; `None` leaves that to whoever shows it.
        prose: sets a text of a model (Markdown) for a terminal; `None`, or where it gives `None`, it stands as it is.
    """
    notes = [f"Note: {escape.safe_line(note)}" for note in formatting.notes(state)]
    told = [verdict_wording.agreement(state), verdict_wording.escalation_note(state)]
    facts = [escape.safe_line(f"{line[:1].upper()}{line[1:]}") for line in told if line]
    head = _fitted("\n".join([headline(state), *facts, *notes]), columns)
    return "\n".join(
        [head, *(_running(state, columns) if state.status == "running" else _finished(state, columns, prose))]
    )


def headline(state: RunState) -> str:
    """The run in one line."""
    took = formatting.seconds(state.seconds) if state.status != "running" else ""
    how = [verdict_wording.judges(state), verdict_wording.escalation(state), took, formatting.total_cost(state)]
    facts = f"{formatting.mode(state)}: {', '.join([formatting.pool(state), *filter(None, how)])}"
    status = "" if state.status == "ok" else f" [{formatting.run_status(state)}]"
    demo = f" [{formatting.DEMO}]" if state.demo else ""
    return escape.safe_line(f"{facts}{status}{demo}")


def width(text: str) -> int:
    """Columns `text` takes on a screen of fixed pitch."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def lane_line(state: RunState, ref: Ref, reply: Reply | None, now: float | None) -> list[str]:
    """One member's progress as cells: name, state, seconds, tokens or characters, cost."""
    figures = lane_figures(state, reply, now) if reply else [not_asked(state, ref), "", "", ""]
    return [escape.safe_line(cell) for cell in (ref.name, *figures)]


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
    rows = [lane_line(state, ref, reply, None) for ref, reply in current_replies(state)]
    lanes = aligned(rows, [False, False, True, True, True])
    draft = escape.safe_text(citations.read_citations(state.draft, state.labels)[0])
    return [*lanes, *remark_lines(state), *(["", _fitted(draft, columns)] if state.draft else [])]


def _finished(state: RunState, columns: int | None, prose: Callable[[str], str | None] | None) -> list[str]:
    # The look of the answer is put in last: nothing else may break its lines.
    looks = prose(state.answer) if prose and state.answer is not None else None
    parts = [*_answer(state, answer=_SET if looks else None), *_verdict(state)]
    parts += [f"Round {ended.round}: {escape.safe_line(formatting.debate_round(ended))}" for ended in state.rounds]
    table = ["", *_ledger(state, columns)] if state.replies else []
    below = [*_failures(state), *_checks(state), *remark_lines(state)]
    return [
        "",
        *(looks if looks and part == _SET else _fitted(part, columns) for part in parts),
        *table,
        *(_fitted(part, columns) for part in below),
    ]


def _verdict(state: RunState) -> list[str]:
    verdict = state.verdict
    if not verdict:
        return []
    note, rationale = verdict_wording.verdict_note(verdict), verdict.rationale.strip()
    parts = ["", f"{verdict_wording.verdict_title(state)[0]}: {escape.safe_line(note)}"] if note else []
    if verdict.jury:
        return [*parts, *_jury(state, verdict)]
    return [*parts, *(["", "Rationale:", escape.safe_text(rationale)] if rationale else [])]


def _jury(state: RunState, verdict: Verdict) -> list[str]:
    """The scores of all judges side by side, then each judge's own words."""
    rows = [[escape.safe_line(cell) for cell in row] for row in jury_rows(state, verdict)]
    parts = ["", *aligned(rows, [False, *[True] * (len(rows[0]) - 1)])] if rows else []
    for juror in verdict.jury:
        facts = " · ".join([f"Judge {juror.judge}", *juror_facts(state, juror)])
        words = [juror.note, recusal(state, juror)]
        said = [escape.safe_line(line) for line in words if line]
        rationale = escape.safe_text(juror.rationale.strip())
        parts += ["", f"{escape.safe_line(facts)}:", *said, *([rationale] if rationale else [])]
    return parts


_SET = "\x00"
"""Stands for an answer that is set already: no text of ours or of a model holds this character here."""


def _answer(state: RunState, answer: str | None = None) -> list[str]:
    if state.answer is None:
        step = verdict_wording.next_step(state)
        return [escape.safe_text(verdict_wording.no_answer(state)), *([step] if step else []), *_candidates(state)]
    shares = formatting.shares(state)
    source = [escape.safe_line(f"From {shares}, by the judge's citations.")] if shares else []
    return [
        f"{escape.safe_line(verdict_wording.answer_title(state))}:",
        answer or escape.safe_text(state.answer),
        *source,
    ]


def _candidates(state: RunState) -> list[str]:
    """The texts of the members, which stand for the answer where there is none."""
    replies = [reply for reply in state.candidates if reply.text.strip()]
    heads = [escape.safe_line(" · ".join(_facts(state, reply))) for reply in replies]
    texts = [escape.safe_text(reply.text.strip("\n")) for reply in replies]
    return [part for head, text in zip(heads, texts, strict=True) for part in ("", f"{head}:", text)]


def _facts(state: RunState, reply: Reply) -> list[str]:
    return [*candidate_wording.facts(state, reply), *candidate_wording.differing(state, reply)]


def _ledger(state: RunState, columns: int | None) -> list[str]:
    table = ledger(state)
    lines: list[str] = []
    # Where it is too wide, first the heads are cut, then what can be read elsewhere goes.
    for short, without in (False, ()), (True, ()), (True, ("role",)), (True, ("role", "tokens in")):
        shown = [i for i, each in enumerate(table.columns) if each.head in BRIEF and each.head not in without]
        heads = [each.head.removeprefix("tokens ") if short else each.head for each in table.columns]
        rows = [[escape.safe_line(row[i]) for i in shown] for row in (heads, *table.rows, table.totals)]
        lines = aligned(rows, [table.columns[i].right for i in shown])
        if columns is None or max(map(width, lines)) <= columns:
            break
    return [*lines, escape.safe_line(table.caption)]


def _failures(state: RunState) -> list[str]:
    failed = [r for r in state.replies if r.status not in (None, "ok") and r.detail]
    return [escape.safe_line(f"{r.ref.name} {formatting.reply_status(r)}: {r.detail}") for r in failed]


def _checks(state: RunState) -> list[str]:
    """What the person's checks said of each standing candidate and of a merged answer, one line each."""
    merged = candidate_wording.checked_merge(state)
    checked = [(reply.ref.name, reply) for reply in state.candidates if reply.checks]
    checked += [("the merged answer", merged)] if merged else []
    lines = [f"{name}: {', '.join(line for _, line in candidate_wording.check_lines(r))}" for name, r in checked]
    return [escape.safe_line(line) for line in lines]


def remark_lines(state: RunState) -> list[str]:
    """What a person should know of each call, one line a sentence."""
    lines = [
        escape.safe_line(f"⚠ {reply_name(reply)}: {sentence}") for reply, sentence in formatting.all_remarks(state)
    ]
    return list(dict.fromkeys(lines))


def reply_name(reply: Reply) -> str:
    return reply.ref.name if reply.role == "candidate" else f"{reply.ref.name} (judge)"
