"""A run as a Markdown document: model text stands in it as `embed_markdown` lets it."""

from __future__ import annotations

from collections.abc import Sequence

from fusion_nb.core import Analysis, JurorVerdict, Reply, RunState, Verdict, citations
from fusion_nb.views import candidate_wording, formatting, verdict_wording
from fusion_nb.views.jury_scores_view import juror_facts, jury_rows, recusal
from fusion_nb.views.ledger_cells import ledger
from fusion_nb.views.markdown_escape import embed_line, embed_markdown


def to_markdown(state: RunState) -> str:
    """Answer, rationale, candidates, ledger; in any phase."""
    parts = [
        _head(state),
        *(
            f"> {embed_line(note)}"
            for note in (*formatting.notes(state), verdict_wording.escalation_note(state))
            if note
        ),
        f"## {embed_line(verdict_wording.answer_title(state))}",
    ]
    parts += [_answer(state)]
    if state.status != "running":
        parts += [*_judge(state), *_candidates(state), *_rounds(state), *_ledger(state)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _quoted(text: str) -> str:
    """A block quote: whatever the text opens ends with it."""
    return "\n".join(f"> {line}" if line else ">" for line in embed_markdown(text).split("\n"))


def _head(state: RunState) -> str:
    took = formatting.seconds(state.seconds) if state.status != "running" else ""
    status = formatting.run_status(state) if state.status != "ok" else ""
    how = [verdict_wording.judges(state), verdict_wording.escalation(state), verdict_wording.agreement(state)]
    facts = [formatting.pool(state), *how, took, formatting.total_cost(state), status]
    demo = f" · **{formatting.DEMO}**" if state.demo else ""
    return (
        f"**{embed_line(formatting.mode(state))}**" + "".join(f" · {embed_line(fact)}" for fact in facts if fact) + demo
    )


def _answer(state: RunState) -> str:
    text = citations.read_citations(state.draft, state.labels)[0] if state.answer is None else state.answer
    if not text:
        return _none(state) if state.status != "running" else "\\(not yet\\)"
    whose = formatting.shares(state)
    source = f"\n\nFrom {embed_line(whose)}, by the judge's citations." if whose else ""
    return f"{embed_markdown(text)}{source}"


def _none(state: RunState) -> str:
    """Why there is no answer, and what to do."""
    step = verdict_wording.next_step(state)
    return embed_line(verdict_wording.no_answer(state)) + (f"\n\n{step}" if step else "")


def _judge(state: RunState) -> list[str]:
    verdict = state.verdict
    summary = verdict_wording.verdict_note(verdict) if verdict else ""
    merged = candidate_wording.checked_merge(state)
    if not verdict or not (summary or verdict.rationale.strip() or verdict.analysis or verdict.jury or merged):
        return []
    rationale = "" if verdict.jury else verdict.rationale
    checked = ["Your checks of the merged answer:", *_checks(merged)] if merged else []
    parts = [f"## {verdict_wording.verdict_title(state)[0]}", embed_line(summary), *checked]
    parts += [_quoted(rationale) if rationale.strip() else "", *_jury(state, verdict)]
    return [*parts, *(_analysis(verdict.analysis) if verdict.analysis else [])]


def _jury(state: RunState, verdict: Verdict) -> list[str]:
    """The scores of all judges side by side, then each judge's own verdict."""
    rows = jury_rows(state, verdict)
    table = [_table(rows[0], [False, *[True] * (len(rows[0]) - 1)], rows[1:])] if rows else []
    return [*table, *(part for juror in verdict.jury for part in _juror(state, juror))]


def _juror(state: RunState, juror: JurorVerdict) -> list[str]:
    head = " · ".join([f"Judge {juror.judge}", *juror_facts(state, juror)])
    words = _quoted(juror.rationale) if juror.rationale.strip() else ""
    return [f"### {embed_line(head)}", embed_line(juror.note), embed_line(recusal(state, juror)), words]


def _checks(reply: Reply) -> list[str]:
    lines = [f"- {embed_line(line)}" for _, line in candidate_wording.check_lines(reply)]
    return ["\n".join(lines)] if lines else []


def _analysis(analysis: Analysis) -> list[str]:
    stances = [
        f"{c['topic']}: " + "; ".join(f"{s['model']}: {s['stance']}" for s in c["stances"])
        for c in analysis["contradictions"]
    ]
    lists = {
        "Consensus": analysis["consensus"],
        "Contradictions": stances,
        "Covered by some": [f"{p['point']} ({', '.join(p['models'])})" for p in analysis["partial_coverage"]],
        "Only one says": [f"{u['model']}: {u['insight']}" for u in analysis["unique_insights"]],
        "Nobody covers": analysis["blind_spots"],
    }
    return [
        f"**{name}**\n\n" + "\n".join(f"- {embed_line(i)}" for i in items) for name, items in lists.items() if items
    ]


def _candidates(state: RunState) -> list[str]:
    return [part for reply in state.candidates for part in _candidate(state, reply)]


def _candidate(state: RunState, reply: Reply) -> list[str]:
    failed = f"{formatting.reply_status(reply)}: {reply.detail}" if reply.detail and reply.status != "ok" else ""
    facts = [*candidate_wording.facts(state, reply), *candidate_wording.badges(state, reply)]
    answer = candidate_wording.short_answer(state, reply)
    return [
        f"### {embed_line(' · '.join(facts))}",
        embed_line(failed),
        *_checks(reply),
        *([f"It {embed_line(answer)}."] if answer and answer not in facts else []),
        *(embed_line(f"⚠ {sentence}") for sentence in formatting.remarks(reply)),
        _quoted(reply.text) if reply.text.strip() else "",
    ]


def _rounds(state: RunState) -> list[str]:
    items = [f"- Round {ended.round}: {embed_line(formatting.debate_round(ended))}" for ended in state.rounds]
    return ["## Debate", "\n".join(items)] if items else []


def _ledger(state: RunState) -> list[str]:
    if not state.replies:
        return []
    table = ledger(state)
    heads, right = [column.head for column in table.columns], [column.right for column in table.columns]
    return ["## Ledger", _table(heads, right, [*table.rows, table.totals])]


def _table(heads: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    rule = ["--:" if side else ":--" for side in right]
    cells = [[embed_line(head) for head in heads], rule, *([embed_line(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
