"""What a run gives back: its state, with the views a person takes away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusion_nb._doors import OPENERS
from fusion_nb._types import RunState

if TYPE_CHECKING:
    import pandas as pd

# The views are imported when one is asked for: a script that only reads `.answer` pays for no renderer and no pandas.
# ruff: noqa: PLC0415


@dataclass(frozen=True, slots=True)
class FusionResult(RunState):
    """One finished (or stopped) run.

    `answer`, `rationale`, `analysis`, `candidates`, `verdict`, `cost` (USD, `Decimal` or `None`), `usage`, `replies`;
    `frame()` has one row per call. In a notebook its last expression shows the answer, the candidates and the ledger.

    >>> result = fuse("Why is the sky blue?", pool="claude,gemini,gpt4o", mode="merge")
    >>> result.answer, result.cost
    >>> result.frame().groupby("role", observed=True).cost_usd.sum()
    """

    def frame(self) -> pd.DataFrame:
        """One row per call, in call order: text, tokens, `cost_usd`, seconds, status, score, rank, share.

        Nullable dtypes; what nobody reported is `<NA>`, not zero. `df.attrs` holds the run's own facts as plain JSON.
        """
        from fusion_nb.views.frame import frame

        return frame(self)

    def to_markdown(self) -> str:
        """The answer, the judge's rationale, the candidates and the ledger as Markdown."""
        return self._bundle()["text/markdown"]

    def to_html(self) -> str:
        """The whole view as one piece of HTML: no script, no remote resource."""
        return self._bundle()["text/html"]

    def panel(self) -> Any:
        """The workbench on this run: compare candidates, choose another, change the prompt, run again."""
        return OPENERS["panel"](self)

    def _bundle(self) -> dict[str, str]:
        from fusion_nb.views import bundle

        return bundle(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self._bundle()

    def __str__(self) -> str:
        return self._bundle()["text/plain"]

    def __repr__(self) -> str:
        said = "no answer" if self.answer is None else f"answer of {len(self.answer)} characters"
        cost = "cost unknown" if self.cost is None else f"${self.cost}"
        demo = " DEMO: scripted models," if self.demo else ""
        return f"<FusionResult {self.run}:{demo} {self.mode}, {len(self.replies)} calls, {self.status}, {said}, {cost}>"
