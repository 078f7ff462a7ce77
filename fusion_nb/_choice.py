"""A person's choice over the judge's: one more event on the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fusion_nb._errors import UserError
from fusion_nb._events import ChoiceMade
from fusion_nb._fold import fold
from fusion_nb._result import FusionResult
from fusion_nb.journal import keep


def choose(result: FusionResult, call: int) -> FusionResult:
    """`result` with that candidate as its answer, also in the journal: `load()` gives the choice back.

    The judge's rationale and ranking stay, and its whole verdict is `judged`. Where the run is in no journal, a note
    says that the choice lives in this result alone. Raises `UserError` where there is no such candidate, or it has no
    text, or the run is under way.
    """
    if result.status == "running":
        raise UserError("The run is under way: choose when it is over.")
    if not any(reply.call == call and reply.text.strip() for reply in result.candidates):
        raise UserError(f"Call {call!r} is not a candidate with a text to choose.")
    made = ChoiceMade(call=call, when=datetime.now(UTC).isoformat())
    chosen = fold(result, made)
    try:
        keep.amend(result.run, [made])
    except UserError as error:
        return replace(chosen, notes=(*chosen.notes, f"The choice is kept in this result alone. {error}"))
    return chosen
