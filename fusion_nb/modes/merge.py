"""merge: the judge writes one answer from the candidates and says which of them each passage came from."""

from __future__ import annotations

from dataclasses import replace

from fusion_nb import _citations
from fusion_nb._types import Case, Desk, Verdict
from fusion_nb.modes.choice import best, first_finished
from fusion_nb.modes.judge import consult
from fusion_nb.modes.outcome import Heard


async def merge(case: Case, desk: Desk) -> Verdict:
    """The fused answer, its citations taken out and kept. Without one, the best candidate, or the first to be there."""
    heard = await consult(case, desk, merge=True)
    verdict = heard.verdict
    answer, citations = _citations.read(heard.answer, verdict.labels)
    if not answer.strip():
        return _fallback(case, heard)
    notes = [verdict.note]
    if not heard.decided:
        notes.append("The answer it wrote stands, without scores.")
    if heard.cut:
        notes.append("The answer is cut off: the judge reached its limit of tokens.")
    return replace(verdict, answer=answer, citations=citations, note=" ".join(note for note in notes if note))


def _fallback(case: Case, heard: Heard) -> Verdict:
    """A candidate in place of the answer the judge did not write."""
    verdict = heard.verdict
    if heard.decided:
        chosen, why = best(verdict, case.candidates, heard.tied)
        said = f"It wrote no merged answer, so this is the candidate it judged best, {chosen.ref.name}."
    else:
        chosen, why = first_finished(case.candidates), ""
        said = f"There is no merged answer, so this is the candidate that finished first, {chosen.ref.name}."
    note = " ".join(part for part in (verdict.note, said, why) if part)
    return replace(verdict, answer=chosen.text, chosen=(chosen.call,), note=note)
