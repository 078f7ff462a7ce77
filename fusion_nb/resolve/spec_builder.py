"""From settings and resolved names to a run's spec with nothing left to guess. What can be refused is refused here."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from fusion_nb.accounts.account import usd, worst_case
from fusion_nb.accounts.policy import SpendingPolicy
from fusion_nb.core import Limits, Message, Mode, Params, Ref, Usage
from fusion_nb.core.spec import RunSpec
from fusion_nb.errors import KeyMissing, UserError
from fusion_nb.options import TABLE, Settings
from fusion_nb.providers.redaction import looks_like_key

Member = str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ResolvedPool:
    """Who is asked: every name of pool and judge resolved."""

    pool: tuple[Ref, ...]
    judge: Ref | None
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
        judge=resolved.judge,
        mode=cast(Mode, mode),
        then=settings["then"],
        rounds=int(rounds or 1),
        orders=settings["orders"],
        criteria=settings["criteria"],
        params=Params(**_part_of_record(settings, "params")),
        limits=limits,
        seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
        notes=resolved.notes,
        also=resolved.also,
    )
    refuse_unaffordable(spec, spec.pool, worst)
    return spec


def change_spec(spec: RunSpec, settings: Settings) -> RunSpec:
    """The spec of a derived run with what the call (or, before it, the record) says of each option it takes."""
    seed = settings.get("seed")
    params = _part_of_record(settings, "params")
    params.pop("seed", None)
    return replace(
        spec,
        orders=settings.get("orders") or spec.orders,
        criteria=settings.get("criteria") or spec.criteria,
        params=replace(spec.params, **params, **({} if seed is None else {"seed": seed})),
        limits=replace(spec.limits, **_part_of_record(settings, "limits")),
        seed=spec.seed if seed is None else seed,
    )


def spending_policy(settings: Settings, run_cap: Decimal | None) -> SpendingPolicy:
    """The caps of a run."""
    return SpendingPolicy(run_cap, settings["max_cost_per_session"], settings["max_cost_per_day"])


def checked_prompt(prompt: Any) -> str:
    """`prompt` as it can be sent. Raises `UserError` where it is no text, empty, or holds an API key."""
    if not isinstance(prompt, str):
        raise UserError(f"The prompt must be text, not {type(prompt).__name__}: convert it with str() first.")
    if not prompt.strip():
        raise UserError("The prompt is empty: write it in the cell below %%fuse, or pass it to fuse().")
    refuse_key("prompt", prompt)
    # A lone surrogate cannot be sent as UTF-8.
    return prompt.encode("utf-8", "replace").decode("utf-8")


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
    system = [Message("system", spec.params.system)] if spec.params.system else []
    most = worst_case([*system, Message("user", spec.prompt)], spec.limits.max_tokens)
    costs = [worst(ref, most) for ref in asked]
    if all(amount is not None and amount > cap for amount in costs):
        least = min(amount for amount in costs if amount is not None)
        raise UserError(
            f"--max-cost {usd(cap)} is too small for even one call, which could cost up to {usd(least)}: raise it, "
            f"or lower --max-tokens (now {spec.limits.max_tokens})."
        )


def _part_of_record(settings: Settings, part: str) -> dict[str, Any]:
    """The settings that a run's record keeps in one of its parts (`params`, `limits`), by the record's names."""
    rows = [row for row in TABLE if row.record.startswith(f"{part}.") and row.name in settings]
    return {row.record.partition(".")[2]: settings[row.name] for row in rows}
