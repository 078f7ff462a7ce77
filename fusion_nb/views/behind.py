"""What stands behind a widget: the output after it, seen only where the widget is not, as in a saved notebook."""

from __future__ import annotations

from collections.abc import Mapping

# JupyterLab, Notebook and nbconvert; VS Code. An output is followed by the next one in the same cell.
_OUTPUTS = ":is(.jp-OutputArea-child,.output_container)"
_LIVE = ":has([data-lm-suppress-shortcuts])"
_NEXT = f"{_OUTPUTS} .fnb-behind"
_STYLE = (
    # A notebook that is opened shows this before its widgets: not for the moment they take.
    ".fnb-behind{animation:fnb-behind 1ms 1.5s backwards}"
    "@keyframes fnb-behind{from{visibility:hidden;max-height:0;overflow:hidden}}"
    f"{_OUTPUTS}{_LIVE}+{_NEXT}{{display:none}}"
    # Instead of "Error displaying widget": what there is to see of it stands below.
    f"{_OUTPUTS}:not({_LIVE}):has(+{_NEXT}){{display:none}}"
)
NOTHING = {"text/html": "", "text/plain": ""}


def behind(shown: Mapping[str, str]) -> dict[str, str]:
    """`shown`, to be displayed right after a widget. Front ends that know no widget, or no style, show it too."""
    html = f'<div class="fnb-behind">{shown["text/html"]}</div><style>{_STYLE}</style>'
    return {"text/html": html, "text/plain": shown["text/plain"]}
