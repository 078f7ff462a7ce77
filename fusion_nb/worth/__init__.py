"""Was asking several models worth it? Fused answers against each member alone: counted, priced, timed, and no more.

A gain is claimed only where `correct` says which answers are right, and the difference is more than chance would give.
"""

from __future__ import annotations

from fusion_nb.worth.count import worth
from fusion_nb.worth.ways import Way, Worth

__all__ = ["Way", "Worth", "worth"]
