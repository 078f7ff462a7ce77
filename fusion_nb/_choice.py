"""A person's choice over the judge's: one more event on the record."""

from __future__ import annotations

from dataclasses import replace

from fusion_nb._errors import UserError
from fusion_nb._events import VerdictReached
from fusion_nb._fold import fold
from fusion_nb._result import FusionResult

BY_HAND = "Chosen by hand"


def chosen(result: FusionResult, call: int) -> FusionResult:
    """`result` with that candidate as its answer: one more event on the record, the judge's words untouched.

    Raises `UserError` where there is no such candidate or it has no text.
    """
    reply = next((r for r in result.candidates if r.call == call and r.text.strip()), None)
    if reply is None:
        raise UserError(f"Call {call} is not a candidate with a text to choose.")
    given = result.verdict
    note = f"{BY_HAND}: {reply.ref.name}."
    if given is None:
        raise UserError("The run has no verdict that a choice could stand beside.")
    verdict = replace(given, answer=reply.text, chosen=(call,), citations=(), note=note)
    return fold(result, VerdictReached(verdict=verdict))
