"""What a run gives back: its state, with the views a person takes away."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusion_nb.core import RunState

if TYPE_CHECKING:
    import pandas as pd


# The views are imported when one is asked for: a script that only reads `.answer` pays for no renderer and no pandas.
# ruff: noqa: PLC0415


@dataclass(frozen=True, slots=True)
class FusionResult(RunState):
    """One finished (or stopped) run.

    `answer`, `rationale`, `analysis`, `candidates`, `verdict`, `cost` (USD, `Decimal` or `None`), `usage`, `replies`;
    `frame()` has one row per call. In a notebook its last expression shows the answer, the candidates and the ledger.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> result.status, len(result.candidates), result.answer is not None
    ('ok', 3, True)
    >>> list(result.frame().groupby("role", observed=True).size())
    [3, 1]
    """

    def frame(self) -> pd.DataFrame:
        """One row per call, in call order: text, tokens, `cost_usd`, seconds, status, score, rank, share.

        Nullable dtypes; what nobody reported is `<NA>`, not zero. `df.attrs` holds the run's own facts as plain JSON.
        """
        from fusion_nb.views.dataframes import frame

        return frame(self)

    def to_markdown(self) -> str:
        """The answer, the judge's rationale, the candidates and the ledger as Markdown."""
        return self._bundle()["text/markdown"]

    def to_html(self) -> str:
        """The whole view as one piece of HTML: no script, no remote resource."""
        return self._bundle()["text/html"]

    def panel(self) -> Any:
        """The workbench on this run: compare candidates, choose another, change the prompt, run again."""
        # By the package's own door: the panel is built on results, so this file cannot know it.
        return sys.modules["fusion_nb"].Panel(result=self)

    def __hash__(self) -> int:
        # What a run holds cannot be hashed, and equal results are of one run.
        return hash(self.run)

    def _bundle(self) -> dict[str, str]:
        from fusion_nb.views import bundle

        return bundle(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self._bundle()

    def __str__(self) -> str:
        return self._bundle()["text/plain"]

    def __repr__(self) -> str:
        answer = "no answer" if self.answer is None else f"answer of {len(self.answer)} characters"
        cost = "cost unknown" if self.cost is None else f"${self.cost}"
        demo = " DEMO: scripted models," if self.demo else ""
        answered = len(self.pool) - len(self.missing)
        partial = f" {answered} of {len(self.pool)} models," if self.missing and self.status != "running" else ""
        calls = f"{len(self.replies)} calls"
        return f"<FusionResult {self.run}:{demo} {self.mode},{partial} {calls}, {self.status}, {answer}, {cost}>"
