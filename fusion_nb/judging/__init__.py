"""How candidates become one answer. A mode asks at a desk (`_types.Desk`) and decides; it knows no service, no view."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from fusion_nb.core import ModeCalls, ModeInput, Verdict
from fusion_nb.judging import modes

__all__ = ["MODES", "ModeFunction"]


class ModeFunction(Protocol):
    """Decides a case. Never raises for what a model did: that is a state of the verdict."""

    async def __call__(self, case: ModeInput, desk: ModeCalls) -> Verdict: ...


MODES: Mapping[str, ModeFunction] = MappingProxyType(
    {"best-of": modes.best_of, "merge": modes.merge, "debate": modes.debate}
)
