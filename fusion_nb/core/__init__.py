"""The values of a run. They are frozen, know nothing of each other's makers, and import the standard library alone.

Units everywhere: seconds are seconds, money is USD as `Decimal`, tokens are whole numbers. `None` means "nobody told
us", which is not the same as zero.
"""

from __future__ import annotations

from fusion_nb.core.spec import ModeCalls, ModeInput, StreamSplitter
from fusion_nb.core.state import Limits, Round, RunState
from fusion_nb.core.values import (
    MODES,
    STOPPED,
    SUSPECT,
    Analysis,
    Channel,
    Chunk,
    Citation,
    Contradiction,
    CostSource,
    Message,
    Mode,
    Params,
    PartialCoverage,
    Ref,
    Reply,
    Request,
    Role,
    RunStatus,
    Stance,
    Status,
    UniqueInsight,
    Usage,
    Verdict,
    VerdictState,
)

__all__ = [
    "MODES",
    "STOPPED",
    "SUSPECT",
    "Analysis",
    "Channel",
    "Chunk",
    "Citation",
    "Contradiction",
    "CostSource",
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
    "Stance",
    "Status",
    "StreamSplitter",
    "UniqueInsight",
    "Usage",
    "Verdict",
    "VerdictState",
]
