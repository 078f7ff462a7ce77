"""How candidates become one answer. A mode asks through `ModeCalls` and decides; it knows no service and no view."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fusion_nb.core.spec import ModeFunction
from fusion_nb.judging import modes

__all__ = ["MODES"]

MODES: Mapping[str, ModeFunction] = MappingProxyType(
    {"best-of": modes.best_of, "merge": modes.merge, "debate": modes.debate}
)
"""Name -> mode. A mode never raises for what a model did: that is a state of its verdict."""
