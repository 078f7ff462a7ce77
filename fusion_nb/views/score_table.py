"""The judges' scores as tables: by criterion, and of a jury by judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fusion_nb.core import JurorVerdict, Reply, RunState, Verdict
from fusion_nb.views import escape, formatting
from fusion_nb.views.citation_chips import member_hue, name_tag

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
