"""What a panel takes over from a run that it opens with: the form's values, and the notebook's functions it used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fusion_nb.core import RunState
from fusion_nb.core.member_settings import written_entry
from fusion_nb.core.selection_option_checks import KINDS, Check
from fusion_nb.core.wording import listed
from fusion_nb.panel.form_functions import Selecting
from fusion_nb.panel.model_picker import pool_entries
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.resolve.pools import function_named


def functions_of(result: RunState, notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook's functions that a run was made with, as options: members and judges, checks with their weights,
    and how short answers were found."""
    refs = [*result.pool, *result.selection.escalate, *result.judges]
    names = {re.sub(r" #\d+$| \(judge\)$", "", ref.name) for ref in refs if ref.service == PYTHON}
    weights = {outcome.name: outcome.weight for reply in result.replies for outcome in reply.checks}
    checks = {name: function_named(name, notebook, None) for name in result.selection.checks}
    return {
        "functions": [fn for name in sorted(names) if (fn := function_named(name, notebook, None)) is not None],
        "check": [Check(name, fn, weights.get(name)) for name, fn in checks.items() if fn is not None] or None,
        "extract": function_named(result.selection.extract, notebook, None),
    }


def form_of(result: RunState, is_function: Callable[[str], bool], selecting: Selecting) -> dict[str, Any]:
    """What the form shows to ask the same again. Whom a cascade asked besides is no member of the pool.

    Args:
        is_function: whether a function of that name is at hand.
        selecting: the functions of the panel that select.
    """
    selection = result.selection
    later = {ref.name for ref in (result.escalation.to if result.escalation else ())}
    form = {
        "prompt": result.prompt,
        "pool": pool_entries([ref for ref in result.pool if ref.name not in later], is_function),
        "mode": result.mode,
        "check": [name for name in selection.checks if name in selecting.checks],
        "escalate": pool_entries(selection.escalate, is_function),
    }
    if selection.escalate:
        form["agree"] = str(selection.agree)
    if selection.extract in selecting.readers or selection.extract.partition(":")[0] in KINDS:
        form["extract"] = selection.extract
    if result.jury and all(ref.service != PYTHON for ref in result.judges):
        form["judge"] = ", ".join(map(written_entry, result.judges))
    return form


def missing_note(result: RunState, selecting: Selecting) -> str:
    """A word on the functions that selected in a run and are not at hand; empty where all are."""
    extract = result.selection.extract
    reader = [extract] if extract and extract.partition(":")[0] not in KINDS else []
    known = {*selecting.checks, *selecting.readers}
    missing = [name for name in (*result.selection.checks, *reader) if name not in known]
    if not missing:
        return ""
    are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return f"{listed(missing)} {are} not in this notebook: define {them} and open the panel anew."
