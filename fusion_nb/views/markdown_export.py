"""A run as a Markdown document: model text stands in it as `embed_markdown` lets it."""

from __future__ import annotations

from fusion_nb.core import Analysis, Reply, RunState, citations
from fusion_nb.views import formatting
from fusion_nb.views.ledger import ledger
from fusion_nb.views.markdown_escape import embed_line, embed_markdown


def to_markdown(state: RunState) -> str:
    """Answer, rationale, candidates, ledger; in any phase."""
    parts = [
        _head(state),
        *(f"> {embed_line(note)}" for note in formatting.notes(state)),
        f"## {embed_line(formatting.answer_title(state))}",
    ]
    parts += [_answer(state)]
    if state.status != "running":
        parts += [*_judge(state), *_candidates(state), *_rounds(state), *_ledger(state)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _quoted(text: str) -> str:
    """A block quote: whatever the text opens ends with it."""
    return "\n".join(f"> {line}" if line else ">" for line in embed_markdown(text).split("\n"))


def _head(state: RunState) -> str:
    judge = f"judge {state.judge.name}" if state.judge else ""
    took = formatting.seconds(state.seconds) if state.status != "running" else ""
    status = formatting.run_status(state) if state.status != "ok" else ""
    facts = [formatting.pool(state), judge, took, formatting.total_cost(state), status]
    demo = f" · **{formatting.DEMO}**" if state.demo else ""
    return (
        f"**{embed_line(formatting.mode(state))}**" + "".join(f" · {embed_line(fact)}" for fact in facts if fact) + demo
    )


def _answer(state: RunState) -> str:
    text = citations.read_citations(state.draft, state.labels)[0] if state.answer is None else state.answer
    whose = formatting.shares(state)
    source = f"\n\nFrom {embed_line(whose)}, by the judge's citations." if whose else ""
    return (
        f"{embed_markdown(text)}{source}"
        if text
        else embed_line(formatting.no_answer(state))
        if state.status != "running"
        else "\\(not yet\\)"
    )


def _judge(state: RunState) -> list[str]:
    verdict = state.verdict
    summary = formatting.verdict_note(verdict) if verdict else ""
    if not verdict or not (summary or verdict.rationale.strip() or verdict.analysis):
        return []
    parts = ["## Judge", embed_line(summary), _quoted(verdict.rationale) if verdict.rationale.strip() else ""]
    return [*parts, *(_analysis(verdict.analysis) if verdict.analysis else [])]


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
    badge = [formatting.badge(reply)] if reply.warnings else []
    head = f"### {embed_line(' · '.join([*formatting.facts(state, reply), *badge]))}"
    return [
        head,
        embed_line(failed),
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
    heads = [column.head for column in table.columns]
    rule = ["--:" if column.right else ":--" for column in table.columns]
    rows = [heads, rule, *([embed_line(cell) for cell in row] for row in (*table.rows, table.totals))]
    return ["## Ledger", "\n".join(f"| {' | '.join(row)} |" for row in rows)]
