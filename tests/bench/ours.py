"""fusion_nb as a person runs it in a notebook: the whole path, the live view on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import fusion_nb
from fusion_nb.run.result import FusionResult
from fusion_nb.views.live_display import Live
from tests.replay import Replay


class Display:
    """Stands where the notebook's display handle stands: takes each bundle, and notes when text was first in it."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark
        self.seen: float | None = None
        self.updates = 0

    def update(self, bundle: dict[str, str]) -> None:
        self.updates += 1
        if self.seen is None and self.mark and self.mark in bundle["text/html"]:
            self.seen = time.monotonic()


def run(replay: Replay, models: list[str], judge: str | None = None, display: Display | None = None) -> FusionResult:
    shown = display or Display()

    def show(bundle: dict[str, str]) -> Display:
        shown.update(bundle)
        return shown

    live = Live(show)
    services: dict[str, Any] = {"replay": {"base_url": replay.url}}
    result = fusion_nb.fuse(
        "Count.",
        pool=[f"replay:{model}" for model in models],
        judge=f"replay:{judge}" if judge else None,
        services=services,
        progress=live.update,
    )
    live.finish(result)
    return result


def median(times: int, measure: Callable[[], float]) -> float:
    return sorted(measure() for _ in range(times))[times // 2]
