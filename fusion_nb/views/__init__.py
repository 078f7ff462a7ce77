"""What people see of a run and take away from it. All of it is a function of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusion_nb.core import RunState


__all__ = ["bundle"]


def bundle(state: RunState, *, now: float | None = None, foot: str = "") -> dict[str, str]:
    """The view of a run in every form a front end may ask for, by MIME type.

    Args:
        state: the run so far, in any phase.
        now: seconds since its start, for calls under way.
        foot: HTML for the last line of that form.
    """
    # Loaded with the first view: `%load_ext` needs one light module of this room, and nothing of these.
    from fusion_nb.views import markdown_export, run_html, run_text  # noqa: PLC0415

    return {
        "text/html": run_html.render_html(state, now=now, foot=foot),
        "text/markdown": markdown_export.to_markdown(state),
        "text/plain": run_text.render_text(state),
    }
