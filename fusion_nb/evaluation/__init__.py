"""Was asking several models worth it? Fused answers against each member alone: counted, priced, timed, and no more.

A gain is claimed only where `correct` says which answers are right, and the difference is more than chance would give.
"""

from __future__ import annotations

from fusion_nb.evaluation.counts import worth
from fusion_nb.evaluation.report import Strategy, Worth

__all__ = ["Strategy", "Worth", "worth"]
