"""How candidates become one answer. A mode asks through `ModeCalls` and decides; it knows no service and no view."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fusion_nb.core import ModeCalls, ModeInput, Verdict
from fusion_nb.core.run_spec import ModeFunction
from fusion_nb.judging import modes
from fusion_nb.judging.selection import select

__all__ = ["MODES", "decide"]

MODES: Mapping[str, ModeFunction] = MappingProxyType(
    {"best-of": modes.best_of, "merge": modes.merge, "debate": modes.debate, "vote": modes.vote}
)
"""Name -> mode. A mode never raises for what a model did: that is a state of its verdict."""


async def decide(task: ModeInput, calls: ModeCalls, mode: ModeFunction) -> Verdict:
    """The answer: found without a judge where it can be, else by the mode."""
    left = await select(task, calls)
    return left if isinstance(left, Verdict) else await mode(left, calls)
