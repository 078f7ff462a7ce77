"""The values of a run. They are frozen, know nothing of each other's makers, and import the standard library alone.

Units everywhere: seconds are seconds, money is USD as `Decimal`, tokens are whole numbers. `None` means "nobody told
us", which is not the same as zero.
"""

from __future__ import annotations

from fusion_nb.core.run_spec import ModeCalls, ModeInput, StreamSplitter
from fusion_nb.core.selection_values import Agreement, Escalation, Selection
from fusion_nb.core.state import Limits, Round, RunState
from fusion_nb.core.values import (
    MODEL_SETTINGS,
    MODES,
    STOPPED,
    SUSPECT,
    Channel,
    CheckOutcome,
    Chunk,
    CostSource,
    Message,
    Mode,
    Params,
    Ref,
    Reply,
    Request,
    Role,
    RunStatus,
    Status,
    Usage,
)
from fusion_nb.core.verdict import (
    UNDECIDED,
    Analysis,
    Citation,
    Contradiction,
    JurorVerdict,
    PartialCoverage,
    Stance,
    UniqueInsight,
    Verdict,
    VerdictState,
)

__all__ = [
    "MODEL_SETTINGS",
    "MODES",
    "STOPPED",
    "SUSPECT",
    "UNDECIDED",
    "Agreement",
    "Analysis",
    "Channel",
    "CheckOutcome",
    "Chunk",
    "Citation",
    "Contradiction",
    "CostSource",
    "Escalation",
    "JurorVerdict",
    "Limits",
    "Message",
    "Mode",
    "ModeCalls",
    "ModeInput",
    "Params",
    "PartialCoverage",
    "Ref",
    "Reply",
    "Request",
    "Role",
    "Round",
    "RunState",
    "RunStatus",
    "Selection",
    "Stance",
    "Status",
    "StreamSplitter",
    "UniqueInsight",
    "Usage",
    "Verdict",
    "VerdictState",
]
