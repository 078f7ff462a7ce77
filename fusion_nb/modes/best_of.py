"""best-of: one judge call picks one candidate; the answer is its text, byte for byte."""

from __future__ import annotations

from dataclasses import replace

from fusion_nb._types import Case, Desk, Verdict
from fusion_nb.modes.choice import best
from fusion_nb.modes.judge import consult


async def best_of(case: Case, desk: Desk) -> Verdict:
    """The best candidate as the judge sees it. Without a verdict there is no answer, and every candidate is kept."""
    heard = await consult(case, desk, merge=False)
    verdict = heard.verdict
    if not heard.decided:
        return replace(verdict, note=f"{verdict.note} No candidate was chosen; all of them are kept.")
    chosen, why = best(verdict, case.candidates, heard.tied)
    note = " ".join(part for part in (verdict.note, why) if part)
    return replace(verdict, answer=chosen.text, chosen=(chosen.call,), note=note)
