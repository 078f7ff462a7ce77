"""The events' JSON form: a contract that journals and other languages build on."""

import json
from decimal import Decimal

import pytest

from fusion_nb.core import (
    Agreement,
    CheckOutcome,
    Citation,
    Escalation,
    Limits,
    Message,
    Params,
    Ref,
    Round,
    Usage,
    Verdict,
)
from fusion_nb.core import events as ev

REF = Ref("openrouter", "openai/gpt-4o", "gpt4o #2", (("seed", 11),))
EVERY_KIND = [
    ev.RunStarted(
        run="r", when="2026-01-01T00:00:00+00:00", prompt="p", mode="debate", then="merge", pool=(REF,), judge=REF,
        seed=5, params=Params("sys", 0.0, 3, "high"), limits=Limits(max_cost=Decimal("0.10"), quorum=2), notes=("n",),
    ),
    ev.CallStarted(seq=1, call=1, ref=REF, role="judge", round=1, messages=(Message("user", "hi"),), labels={"K7": 1}),
    ev.CallAccepted(seq=2, call=1, generation_id="gen-1"),
    ev.CallRetried(seq=3, call=1, attempt=2, error="rate_limit", detail="Slow down.", wait=1.5),
    ev.TextDelta(seq=4, at=0.25, call=1, text="a\u2028b 🎉", channel="reasoning"),
    ev.ThoughtEnded(seq=4, call=1),
    ev.CallEnded(
        seq=5, call=1, status="ok", usage=Usage(10, 20, 3, 4), cost=Decimal("0.00000120"), cost_source="reported",
        ttft=0.1, latency=1.0, finish="stop", attempts=2, warnings=("bad_event",), maybe_billed=True,
    ),
    ev.RoundEnded(seq=6, ended=Round(1, True, ("claude",))),
    ev.VerdictReached(
        seq=7,
        verdict=Verdict(
            answer="x", rationale="r", chosen=(1,), ranking=(1,), scores={1: {"clarity": 8.5}}, labels={"K7": 1},
            citations=(Citation(0, 1, (1,)),), analysis={"consensus": ["c"], "contradictions": [], "partial_coverage": [],
            "unique_insights": [{"model": "m", "insight": "i"}], "blind_spots": []}, state="repaired", note="n",
        ),
    ),
    ev.ChecksEnded(seq=10, call=1, checks=(CheckOutcome("is_json", False, 0.5, 2.0, 0.1, "is_json raised."),)),
    ev.AgreementFound(seq=11, agreement=Agreement(3, ((1, 2), (3,)), ("4", "5"), (4,), True)),
    ev.Escalated(seq=12, escalation=Escalation(0.8, 0.5, True, (Ref("s", "m", "l", (("provider", "{}"),)),), 1)),
    ev.ChoiceMade(seq=9, at=2.0, call=1, when="2026-01-01T00:01:00+00:00"),
    ev.RunEnded(seq=8, at=2.0, status="unjudged", error="e", notes=("late",)),
]  # fmt: skip


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda e: type(e).__name__)
def test_every_event_survives_json(event: ev.Event) -> None:
    """What is written to a file and read back is the same event: money to the last digit, types included."""
    assert ev.from_json(json.loads(json.dumps(ev.to_json(event)))) == event


def test_every_kind_is_tested() -> None:
    """The list above leaves no kind of event out."""
    assert {type(e).__name__ for e in EVERY_KIND} == set(ev.KINDS)


def test_a_newer_file_is_refused_with_the_remedy() -> None:
    """A run written by a newer release is not misread: it says to upgrade."""
    newer = {**ev.to_json(EVERY_KIND[0]), "v": 99}
    with pytest.raises(ValueError, match="upgrade"):
        ev.from_json(newer)
    with pytest.raises(ValueError, match="Upgrade"):
        ev.from_json({"event": "Telepathy"})


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda e: type(e).__name__)
def test_what_the_classes_do_not_allow_is_refused(event: ev.Event) -> None:
    """A value of another type is never taken for the right one: it is an error, or its plain equivalent."""
    written = json.loads(json.dumps(ev.to_json(event)))
    for field in set(written) - {"event"}:
        for wrong in (None, "x", [], [None], {"x": None}, -1.5, float("nan"), float("inf"), True):
            try:
                read = ev.from_json({**written, field: wrong})
            except ValueError:
                continue
            assert ev.from_json(json.loads(json.dumps(ev.to_json(read)))) == read
    with pytest.raises(ValueError, match="Not a"):
        ev.from_json({"event": type(event).__name__, "call": [], "run": 5, "ended": 1, "verdict": "x", "status": {}})
