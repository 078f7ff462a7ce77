"""The values of a run. They are frozen, know nothing of each other's makers, and import the standard library alone.

Units everywhere: seconds are seconds, money is USD as `Decimal`, tokens are whole numbers. `None` means "nobody told
us", which is not the same as zero.
"""

from __future__ import annotations

from fusion_nb._types.desk import Case, Desk, Splitter
from fusion_nb._types.state import Limits, Round, RunState
from fusion_nb._types.values import (
    MODES,
    STOPPED,
    SUSPECT,
    Channel,
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
    VerdictState,
)
from fusion_nb._types.verdict import Analysis, Citation, Contradiction, PartialCoverage, Stance, UniqueInsight, Verdict

__all__ = [
    "MODES",
    "STOPPED",
    "SUSPECT",
    "Analysis",
    "Case",
    "Channel",
    "Chunk",
    "Citation",
    "Contradiction",
    "CostSource",
    "Desk",
    "Limits",
    "Message",
    "Mode",
    "Params",
    "PartialCoverage",
    "Ref",
    "Reply",
    "Request",
    "Role",
    "Round",
    "RunState",
    "RunStatus",
    "Splitter",
    "Stance",
    "Status",
    "UniqueInsight",
    "Usage",
    "Verdict",
    "VerdictState",
]
