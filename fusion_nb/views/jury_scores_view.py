"""What a jury scored, as words and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fusion_nb.core import JurorVerdict, Reply, RunState, Verdict
from fusion_nb.core.wording import listed
from fusion_nb.views import escape, formatting
from fusion_nb.views.citation_chips import member_hue, name_tag
from fusion_nb.views.markdown_to_html import render_markdown
from fusion_nb.views.verdict_wording import juror_state

IN_A_TABLE = 20
"""Characters of a name that a narrow column has room for."""
_JUDGE = 16
"""Of a judge's name above its column, in plain text."""

Scores = Mapping[int, Mapping[str, float]]


def mean(scores: Scores, call: int) -> float | None:
    """Over the criteria; `None` where the call was not scored."""
    own = scores.get(call)
    return sum(own.values()) / len(own) if own else None


def given_range(jury: Sequence[JurorVerdict], call: int) -> str:
    """The lowest and the highest mean that a judge gave a call: `6.7–9.0`; empty where fewer than two scored it."""
    means = [own for juror in jury if (own := mean(juror.scores, call)) is not None]
    if len(means) < 2:
        return ""
    low, high = formatting.score(min(means)), formatting.score(max(means))
    return low if low == high else f"{low}–{high}"


def score_table(state: RunState, scores: Scores, ranking: Sequence[int], jury: Sequence[JurorVerdict] = ()) -> str:
    """A row per scored candidate, the best first. `jury`: whose own means are shown as a range beside a fit."""
    scored = [reply for reply in ranked(state, ranking) if scores.get(reply.call)]
    if not scored:
        return ""
    criteria = list(dict.fromkeys(name for reply in scored for name in scores[reply.call]))
    single = len(criteria) == 1
    heads = [*([] if single else ["mean"]), *map(_breakable, criteria), *(["range"] if jury else [])]
    head = "".join(f'<th class="fnb-right">{name}</th>' for name in heads)
    body = "".join(_row(state, reply, scores, criteria, jury) for reply in scored)
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="fnb-scores fnb-wide">{table}</div>'


def _breakable(word: str) -> str:
    """A criterion with a soft hyphen before `ness`: columns of figures are narrow."""
    return escape.markup(word).replace("ness", "&shy;ness")


def _row(state: RunState, reply: Reply, scores: Scores, criteria: Sequence[str], jury: Sequence[JurorVerdict]) -> str:
    # A score of a jury is fitted: it has no fewer decimals than a mean.
    figure = formatting.score if jury else formatting.compact
    cells = [figure(scores[reply.call].get(criterion)) for criterion in criteria]
    over_all = "" if len(criteria) == 1 else f"<b>{formatting.score(mean(scores, reply.call))}</b>"
    name = name_tag(reply.ref.name, member_hue(state, reply.ref.name), longest=IN_A_TABLE)
    apart = [given_range(jury, reply.call) or formatting.DASH] if jury else []
    figures = "".join(f'<td class="fnb-right">{cell}</td>' for cell in [*filter(None, [over_all]), *cells, *apart])
    return f"<tr><td>{name}</td>{figures}</tr>"


def ranked(state: RunState, ranking: Sequence[int]) -> list[Reply]:
    """The candidates, the best first, the unranked in pool order."""
    places = {call: place for place, call in enumerate(ranking)}
    return sorted(state.candidates, key=lambda reply: places.get(reply.call, len(places)))


def jury_rows(state: RunState, verdict: Verdict) -> list[list[str]]:
    """The scores of a jury as cells, heads first: a row per candidate, all judges together, then each one's mean.

    Empty where no judge gave a score.
    """
    if not any(juror.scores for juror in verdict.jury):
        return []
    judges = [formatting.short_name(juror.judge, _JUDGE) for juror in verdict.jury]
    rows = [
        [
            reply.ref.name,
            formatting.score(verdict.score(reply.call)),
            *(formatting.score(mean(juror.scores, reply.call)) for juror in verdict.jury),
        ]
        for reply in ranked(state, verdict.ranking)
    ]
    return [["candidate", "together", *judges], *rows]


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
