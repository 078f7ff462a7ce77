"""The judges of a jury in the HTML view: each with its own verdict, to be unfolded."""

from __future__ import annotations

from fusion_nb.core import JurorVerdict, RunState, Verdict
from fusion_nb.core.wording import listed
from fusion_nb.views import escape, formatting
from fusion_nb.views.citation_chips import name_tag
from fusion_nb.views.markdown_to_html import render_markdown
from fusion_nb.views.score_table import score_table
from fusion_nb.views.verdict_wording import juror_state


def jury_details(state: RunState, verdict: Verdict) -> str:
    """A foldable for each judge; empty without a jury."""
    jurors = "".join(_juror(state, juror) for juror in verdict.jury)
    return f'<div class="fnb-jury">{jurors}</div>' if jurors else ""


def juror_facts(state: RunState, juror: JurorVerdict) -> list[str]:
    """A judge's verdict in a few words: how it ended, whom it puts first, seconds."""
    first = [state.reply(call).ref.name for call in juror.ranking[:1] if 0 < call <= len(state.replies)]
    took = formatting.seconds(juror.seconds) if juror.seconds is not None else ""
    parts = [juror_state(juror), *(f"{formatting.short_name(name)} first" for name in first), took]
    return [part for part in parts if part]


def recusal(state: RunState, juror: JurorVerdict) -> str:
    """Whom a judge may not score, and why, as a sentence; empty where it may score all."""
    judge = next((ref for ref in state.judges if ref.name == juror.judge), None)
    by_reason: dict[str, list[str]] = {}
    for call in juror.recused:
        if 0 < call <= len(state.replies):
            candidate = state.reply(call)
            same = judge is not None and _slug(judge.model) in (
                _slug(candidate.ref.model),
                _slug(candidate.model or ""),
            )
            by_reason.setdefault("its own model" if same else "its own family", []).append(candidate.ref.name)
    parts = [f"{listed(names)}, of {reason}" for reason, names in by_reason.items()]
    return f"It may not score {'; nor '.join(parts)}." if parts else ""


def _slug(model: str) -> str:
    """A model's name without who makes it and how it is served: `openai/gpt-5:nitro` and `gpt-5` are one."""
    return model.rpartition("/")[2].partition(":")[0].casefold()


def _juror(state: RunState, juror: JurorVerdict) -> str:
    missing = juror.state in ("unread", "failed")
    facts = escape.markup(" · ".join(juror_facts(state, juror)))
    name = name_tag(juror.judge, "fnb-m8", tag="b", classes=" fnb-isbad" if missing else "")
    return (
        f'<details class="fnb-juror"><summary>{name}<span class="fnb-facts"><i> · </i>{facts}</span></summary>'
        f'<div class="fnb-panel">{_verdict(state, juror, missing)}</div></details>'
    )


def _verdict(state: RunState, juror: JurorVerdict, missing: bool) -> str:
    recused = recusal(state, juror)
    kind = "fnb-warn" if missing else "fnb-meta"
    note = f'<p class="{kind}">{escape.markup(juror.note)}</p>' if juror.note else ""
    barred = f'<p class="fnb-meta">{escape.markup(recused)}</p>' if recused else ""
    words = juror.rationale.strip()
    said = f'<div class="fnb-md" dir="auto">{render_markdown(words)}</div>' if words else ""
    table = score_table(state, juror.scores, juror.ranking)
    return f"{note}{barred}{said}{table}" or f'<p class="fnb-meta">{_nothing(juror.calls)}</p>'


def _nothing(calls: tuple[int, ...]) -> str:
    return "It gave no reasons." if calls else "It was not asked."
