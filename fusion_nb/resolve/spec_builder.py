"""From settings and resolved names to a run's spec with nothing left to guess. What can be refused is refused here."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from fusion_nb.accounts.spending_account import usd, worst_case
from fusion_nb.accounts.spending_caps import SpendingPolicy
from fusion_nb.core import Limits, Mode, Params, Ref, RunState, Selection, Usage
from fusion_nb.core import selection_option_checks as selecting
from fusion_nb.core.plugins import plugin_names
from fusion_nb.core.run_spec import RunSpec, first_messages, token_limit
from fusion_nb.core.selection_option_checks import function_name
from fusion_nb.core.values import PYTHON_SERVICE
from fusion_nb.errors import KeyMissing, UnknownName, UserError
from fusion_nb.options import TABLE, Settings, configured
from fusion_nb.providers.redaction import looks_like_key

_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ResolvedPool:
    """Who is asked: every name of pool and judge resolved."""

    pool: tuple[Ref, ...]
    judges: tuple[Ref, ...] = ()
    escalate: tuple[Ref, ...] = ()
    notes: tuple[str, ...] = ()
    also: str = ""
    """See `RunStarted.also`."""


def build_spec(
    prompt: str, settings: Settings, resolved: ResolvedPool, worst: Callable[[Ref, Usage], Decimal | None]
) -> RunSpec:
    """The spec of a run that asks `prompt`. Raises `UserError`, one sentence, where it cannot be sent as written."""
    mode, _, rounds = settings["mode"].partition(":")
    limits = Limits(**_part_of_record(settings, "limits"))
    if limits.quorum is not None and limits.quorum > len(resolved.pool):
        raise UserError(f"quorum must be at most {len(resolved.pool)}, the members of the pool, not {limits.quorum}.")
    seed = settings["seed"]
    spec = RunSpec(
        prompt=checked_prompt(prompt),
        pool=resolved.pool,
        judge=next(iter(resolved.judges), None),
        jury=resolved.judges[1:],
        selection=_selection(Selection(escalate=resolved.escalate), _without_idle(settings, mode), resolved.pool),
        mode=cast(Mode, mode),
        then=settings["then"],
        rounds=int(rounds or 1),
        orders=settings["orders"],
        criteria=settings["criteria"],
        params=Params(**_part_of_record(settings, "params")),
        limits=limits,
        seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
        notes=(*resolved.notes, *_project_notes(settings), *_surrogate_notes(prompt, settings["system"])),
        tag=settings.get("tag") or "",
        also=resolved.also,
    )
    _refuse_idle(spec, settings)
    refuse_unaffordable(spec, spec.pool, worst)
    return spec


def members_to_escalate(refs: tuple[Ref, ...], pool: Sequence[Ref], settings: Settings) -> tuple[Ref, ...]:
    """Who is asked where the pool does not agree: of a default what could not act is left out, of a call it is refused
    later."""
    if "escalate" in getattr(settings, "given", ("escalate",)):
        return refs
    names = {ref.name for ref in pool}
    return tuple(ref for ref in refs if ref.name not in names) if len(pool) > 1 else ()


def _without_idle(settings: Settings, mode: str) -> Settings:
    """The settings without a default that means nothing in that mode."""
    idle = mode == "debate" and "deeper" not in getattr(settings, "given", ("deeper",))
    return {**settings, "deeper": 0} if idle else settings


def _selection(selection: Selection, settings: Settings, pool: tuple[Ref, ...]) -> Selection:
    """`selection` with what the settings say of it. Raises `UserError` for weights of no member."""
    plain = {name: settings[name] for name in _PLAIN_SELECTION if name in settings}
    checks = tuple(each.name for each in settings.get("check") or ())
    extract = settings.get("extract") or ""
    given = settings.get("weights")
    return replace(
        selection,
        **plain,
        checks=checks,
        extract=extract if isinstance(extract, str) else function_name(extract),
        weights=selection.weights if given is None else _weights(given, pool),
    )


_PLAIN_SELECTION = ("check_timeout", "deeper", "agree", "escalate_shadow")


def _weights(given: Mapping[str, float] | Sequence[float], pool: tuple[Ref, ...]) -> tuple[tuple[str, float], ...]:
    names = [ref.name for ref in pool]
    if not isinstance(given, Mapping):
        if len(given) != len(names):
            raise UserError(f"weights has {len(given)} numbers for {len(names)} members: give one for each.")
        return tuple(zip(names, given, strict=True))
    for name in given:
        if name not in names:
            raise UnknownName("member", name, names, "weights goes by the names of the pool.")
    return tuple((name, float(weight)) for name, weight in given.items())


def _refuse_idle(spec: RunSpec, settings: Settings) -> None:
    """Raise `UserError` for options that could not act in this run."""
    selection = spec.selection
    if selection.deeper and spec.mode == "debate":
        raise UserError("deeper does not go with a debate, whose members revise their answers anyway: leave one out.")
    if selection.weights and spec.mode != "vote" and not selection.escalate:
        raise UserError("weights are those of a vote: give them with mode='vote' or with escalate, or leave them out.")
    if selection.escalate and len(spec.pool) < 2:
        raise UserError("escalate needs at least two members in the pool: one alone cannot agree with anybody.")
    if twice := {ref.name for ref in spec.pool} & {ref.name for ref in selection.escalate}:
        raise UserError(f"{twice.pop()} is in the pool and in escalate: name it once.")
    for name in ("criteria", "orders") if spec.mode == "vote" and not spec.judges else ():
        if name in getattr(settings, "given", ()) and getattr(spec, name) not in ((), 1):
            raise UserError(f"{name} is for a judge, and this vote has none: give judge, or leave {name} out.")
    members = {str(ref) for ref in (*spec.pool, *selection.escalate)}
    if spec.jury and all(str(ref) in members for ref in spec.judges):
        raise UserError("Every judge of the jury is a member of the pool: name at least one that is not.")


def change_spec(spec: RunSpec, settings: Settings) -> RunSpec:
    """The spec of a derived run with what the call (or, before it, the record) says of each option it takes."""
    seed = settings.get("seed")
    params = _part_of_record(settings, "params")
    params.pop("seed", None)
    return replace(
        spec,
        orders=settings.get("orders") or spec.orders,
        tag=settings.get("tag") or spec.tag,
        criteria=settings.get("criteria") or spec.criteria,
        params=replace(spec.params, **params, **({} if seed is None else {"seed": seed})),
        limits=replace(spec.limits, **_part_of_record(settings, "limits")),
        seed=spec.seed if seed is None else seed,
        selection=_selection(spec.selection, settings, spec.pool),
    )


def with_recorded_functions(settings: Settings, given: Settings, state: RunState) -> dict[str, Any]:
    """The settings of a derived run with the checks and the reading of answers that its record names.

    Functions are in no record: those of the call, of `functions=` and of the defaults are looked up by their names.
    Raises `UserError` where one is not at hand.
    """
    at_hand: dict[str, Any] = {name: name for name in plugin_names("checks")}
    at_hand |= {function_name(fn): fn for fn in settings["functions"]}
    at_hand |= {each.name: each for each in selecting.checks(configured("check") or ())}
    selection, found = state.selection, dict(settings)
    if given.get("check") is None:
        found["check"] = selecting.checks([_at_hand(name, at_hand, state.run) for name in selection.checks])
    extract = given.get("extract") or selection.extract or None
    if isinstance(extract, str) and extract.isidentifier() and extract not in selecting.KINDS:
        at_hand = {name: each for name, each in at_hand.items() if not isinstance(each, str)}
        extract = _at_hand(extract, at_hand, state.run, "extract")
    found["extract"] = extract
    return found


def _at_hand(name: str, functions: Mapping[str, Any], run: str, option: str = "check") -> Any:
    if name not in functions:
        other = "check=[] leaves the checks out." if option == "check" else "extract='text' compares whole texts."
        raise UserError(
            f"Run {run} was read with {name}(), a function that no record can keep: define it and pass it as "
            f"{option}={name}; {other}"
        )
    return functions[name]


def checked_prompt(prompt: Any) -> str:
    """`prompt` as it can be sent. Raises `UserError` where it is no text, empty, or holds an API key."""
    if not isinstance(prompt, str):
        raise UserError(f"The prompt must be text, not {type(prompt).__name__}: convert it with str() first.")
    if not prompt.strip():
        raise UserError("The prompt is empty: write what is to be asked.")
    refuse_key("prompt", prompt)
    # A lone surrogate cannot be sent as UTF-8.
    return prompt.encode("utf-8", "replace").decode("utf-8")


def _project_notes(settings: Settings) -> list[str]:
    names = getattr(settings, "from_project", ())
    return [f"Set by {settings.project_file}: {', '.join(names)}."] if names else []  # type: ignore[attr-defined]


def _surrogate_notes(prompt: str, system: str | None) -> list[str]:
    return [
        f"The {what} holds {count} characters that are no text (lone surrogates): each was sent as a question mark."
        for what, text in (("prompt", prompt), ("system prompt", system or ""))
        if (count := len(_SURROGATES.findall(text)))
    ]


def refuse_key(what: str, text: str) -> None:
    """Raise `KeyMissing` where a text that would be sent, shown or kept holds an API key."""
    if looks_like_key(text):
        raise KeyMissing(
            f"The {what} holds what looks like an API key, so nothing was sent: it would be shown and kept, in the "
            "notebook, the history and the journal. Take it out, revoke it if others may have seen it, and set it in "
            "the environment before Jupyter starts: OPENROUTER_API_KEY=..."
        )


def refuse_unaffordable(spec: RunSpec, asked: tuple[Ref, ...], worst: Callable[[Ref, Usage], Decimal | None]) -> None:
    """Raise `UserError` for a cap under which not even one call to a member could be sent."""
    cap = spec.limits.max_cost
    if cap is None or not asked:
        return
    costs = {ref: worst(ref, _worst_usage(spec, ref)) for ref in asked}
    known = {ref: amount for ref, amount in costs.items() if amount is not None}
    if len(known) == len(costs) and min(known.values()) > cap:
        ref = min(known, key=known.__getitem__)
        raise UserError(
            f"max_cost {usd(cap)} is too small for even one call, which could cost up to {usd(known[ref])}: raise it, "
            f"or lower max_tokens (now {token_limit(spec.limits.max_tokens, ref, 'candidate')})."
        )


def spending_policy(
    spec: RunSpec, settings: Settings, metered: Callable[[Ref], bool], worst: Callable[[Ref, Usage], Decimal | None]
) -> SpendingPolicy:
    """The caps of a run. Raises `UserError` where they could not hold for a judge: members would be paid in vain."""
    caps = SpendingPolicy(spec.limits.max_cost, settings["max_cost_per_session"], settings["max_cost_per_day"])
    for judge in spec.judges if caps.names and not spec.limits.allow_unpriced else ():
        if judge.service != PYTHON_SERVICE and metered(judge) and worst(judge, Usage(1, 1)) is None:
            raise UserError(
                f"Nobody knows the price of {judge.name}, the judge, so {caps.names} cannot hold for it: name another "
                "judge, allow it with allow_unpriced=True, or set no cap. estimate() looks its price up where its "
                "service tells."
            )
    return caps


def _worst_usage(spec: RunSpec, ref: Ref) -> Usage:
    messages = first_messages(spec.prompt, spec.params.system, ref)
    return worst_case(list(messages), token_limit(spec.limits.max_tokens, ref, "candidate"))


def _part_of_record(settings: Settings, part: str) -> dict[str, Any]:
    """The settings that a run's record keeps in one of its parts (`params`, `limits`), by the record's names."""
    return {name: settings[option] for name, option in _recorded_in(part) if option in settings}


@functools.cache
def _recorded_in(part: str) -> tuple[tuple[str, str], ...]:
    """(the record's name, the option's) of a part of a run's record."""
    return tuple((row.record.partition(".")[2], row.name) for row in TABLE if row.record.startswith(f"{part}."))
