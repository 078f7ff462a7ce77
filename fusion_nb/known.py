"""What can be named, and what may not be written: models, members, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fusion_nb import _pools
from fusion_nb._errors import KeyMissing
from fusion_nb._names import taken
from fusion_nb._plan import Wish
from fusion_nb._reach import DEMO_JUDGE, DEMO_POOL
from fusion_nb._session import Session
from fusion_nb.providers import catalogue, keys
from fusion_nb.run import loop

if TYPE_CHECKING:
    import pandas as pd


def models(words: str = "", *, aliases: Mapping[str, str] | None = None, services: Any = None) -> pd.DataFrame:
    """The models a pool can name, one row each; `words` (all of them) filter.

    Columns: `ref`, `name`, `context` (tokens), `modalities`, `prompt_usd_per_mtok`, `completion_usd_per_mtok`,
    `source` (where the row is from), `created`.
    """
    from fusion_nb.views.frame import models_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    found = loop.on_engine(Session(Wish(prompt="", aliases=aliases, services=services)).reach.models())
    asked = words.lower().split()
    return models_frame([m for m in found if all(w in f"{m.ref} {m.name}".lower() for w in asked)])


def members(typed: str, aliases: Mapping[str, str] | None, services: Any) -> Iterable[str]:
    """What a pool entry that begins with `typed` could be, without asking any network."""
    yield from catalogue.completions(typed, aliases, services)
    yield from (name for name in _pools.names() if name.startswith(typed) and name not in taken(aliases))
    yield from (str(ref) for ref in (*DEMO_POOL, DEMO_JUDGE) if str(ref).startswith(typed))


def refuse_key(text: str) -> None:
    """Refuse text that holds an API key: a notebook keeps its cells, and IPython its history, in the clear."""
    if keys.looks_like_key(text):
        raise KeyMissing(
            "That line holds what looks like an API key; it was not run. Delete it from the cell (and revoke the key "
            "if the notebook is shared), then set it in the environment before Jupyter starts: OPENROUTER_API_KEY=..."
        )


def load_frame() -> None:
    """Load what `frame()` needs, ahead of need."""
    import fusion_nb.views.frame  # noqa: F401, PLC0415
