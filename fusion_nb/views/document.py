"""A run as a Markdown document. Model text is kept as it is, save what would load, run, or break out of its place."""

from __future__ import annotations

import re

from fusion_nb import _citations
from fusion_nb._types import Analysis, Reply, RunState
from fusion_nb.views import clean, words
from fusion_nb.views.embedded import embedded, inert
from fusion_nb.views.ledger import ledger

_SPECIAL = re.compile(r"([\\`*_\[\]>|#!~$])")


def render(state: RunState) -> str:
    """Answer, rationale, candidates, ledger; in any phase."""
    parts = [_head(state), *(f"> {_words(note)}" for note in state.notes), f"## {_words(words.answer_title(state))}"]
    parts += [_answer(state)]
    if state.status != "running":
        parts += [*_judge(state), *_candidates(state), *_rounds(state), *_ledger(state)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _words(text: str) -> str:
    """A name or a sentence of ours: no Markdown in it."""
    return _SPECIAL.sub(r"\\\1", inert(clean.line(clean.encodable(text))))


def _quoted(text: str) -> str:
    """A block quote: whatever the text opens ends with it."""
    return "\n".join(f"> {line}" if line else ">" for line in embedded(text).split("\n"))


def _head(state: RunState) -> str:
    judge = f"judge {state.judge.name}" if state.judge else ""
    took = words.seconds(state.seconds) if state.status != "running" else ""
    status = words.run_status(state) if state.status != "ok" else ""
    facts = [words.pool(state), judge, took, words.total_cost(state), status]
    demo = f" · **{words.DEMO}**" if state.demo else ""
    return f"**{_words(words.mode(state))}**" + "".join(f" · {_words(fact)}" for fact in facts if fact) + demo


def _answer(state: RunState) -> str:
    text = _citations.read(state.draft, state.labels)[0] if state.answer is None else state.answer
    whose = words.shares(state)
    source = f"\n\nFrom {_words(whose)}, by the judge's citations." if whose else ""
    return (
        f"{embedded(text)}{source}"
        if text
        else _words(words.no_answer(state))
        if state.status != "running"
        else "\\(not yet\\)"
    )


def _judge(state: RunState) -> list[str]:
    given = state.verdict
    said = words.verdict(given) if given else ""
    if not given or not (said or given.rationale.strip() or given.analysis):
        return []
    parts = ["## Judge", _words(said), _quoted(given.rationale) if given.rationale.strip() else ""]
    return [*parts, *(_analysis(given.analysis) if given.analysis else [])]


def _analysis(held: Analysis) -> list[str]:
    stances = [
        f"{c['topic']}: " + "; ".join(f"{s['model']}: {s['stance']}" for s in c["stances"])
        for c in held["contradictions"]
    ]
    lists = {
        "Consensus": held["consensus"],
        "Contradictions": stances,
        "Covered by some": [f"{p['point']} ({', '.join(p['models'])})" for p in held["partial_coverage"]],
        "Only one says": [f"{u['model']}: {u['insight']}" for u in held["unique_insights"]],
        "Nobody covers": held["blind_spots"],
    }
    return [f"**{name}**\n\n" + "\n".join(f"- {_words(i)}" for i in items) for name, items in lists.items() if items]


def _candidates(state: RunState) -> list[str]:
    return [part for reply in state.candidates for part in _candidate(state, reply)]


def _candidate(state: RunState, reply: Reply) -> list[str]:
    failed = f"{words.reply_status(reply)}: {reply.detail}" if reply.detail and reply.status != "ok" else ""
    badge = [f"⚠ {words.SUSPECT}"] if reply.suspect else []
    head = f"### {_words(' · '.join([*words.facts(state, reply), *badge]))}"
    return [head, _words(failed), _words(words.suspicion(reply)), _quoted(reply.text) if reply.text.strip() else ""]


def _rounds(state: RunState) -> list[str]:
    items = [f"- Round {ended.round}: {_words(words.debate_round(ended))}" for ended in state.rounds]
    return ["## Debate", "\n".join(items)] if items else []


def _ledger(state: RunState) -> list[str]:
    if not state.replies:
        return []
    kept = ledger(state)
    heads = [column.head for column in kept.columns]
    rule = ["--:" if column.right else ":--" for column in kept.columns]
    rows = [heads, rule, *([_words(cell) for cell in row] for row in (*kept.rows, kept.totals))]
    return ["## Ledger", "\n".join(f"| {' | '.join(row)} |" for row in rows)]
