"""From what a person wrote to an order with nothing left to guess. All that can be refused is refused here, unsent."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from fusion_nb.accounts.budget import usd, worst_case
from fusion_nb.accounts.policy import SpendingPolicy
from fusion_nb.core import MODES, Limits, Message, Mode, Params, Ref, Usage
from fusion_nb.core.spec import RunSpec
from fusion_nb.errors import KeyMissing, UnknownName, UserError
from fusion_nb.providers.redaction import looks_like_key

Member = str | Callable[..., Any]
MAX_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseOptions:
    """The arguments of `fuse()`, as given."""

    prompt: str
    pool: str | Sequence[Member] | None = None
    mode: str = "merge"
    judge: Member | None = None
    then: str = "merge"
    criteria: str | Sequence[str] = ()
    orders: int = 1
    system: str | None = None
    temperature: float | None = None
    seed: int | None = None
    reasoning: str | int | None = None
    max_cost: float | str | Decimal | None = None
    max_tokens: int = 4096
    timeout: float = 600.0
    ttft: float | None = None
    idle: float | None = None
    quorum: int | None = None
    grace: float = 5.0
    concurrency: int = 64
    allow_unpriced: bool = False
    base_url: str | None = None
    key_env: str | None = None
    aliases: Mapping[str, str] | None = None
    services: Mapping[str, Mapping[str, str]] | None = None
    journal: bool = True
    replay: bool = False
    max_cost_per_session: float | str | Decimal | None = None
    max_cost_per_day: float | str | Decimal | None = None


@dataclass(frozen=True, slots=True)
class ResolvedPool:
    """Who is asked: every name of the wish resolved."""

    pool: tuple[Ref, ...]
    judge: Ref | None
    notes: tuple[str, ...] = ()
    also: str = ""
    """See `RunStarted.also`."""


def build_spec(wish: FuseOptions, cast_of: ResolvedPool, worst: Callable[[Ref, Usage], Decimal | None]) -> RunSpec:
    """The order for a wish. Raises `UserError`, one sentence, where it cannot be sent as written."""
    prompt = _prompt(wish.prompt)
    mode, rounds = _mode(wish.mode)
    order = RunSpec(
        prompt=prompt,
        pool=cast_of.pool,
        judge=cast_of.judge,
        mode=mode,
        then=_one_of("way to end a debate", wish.then, ("best-of", "merge")),
        rounds=rounds,
        orders=check_orders(wish.orders),
        criteria=_criteria(wish.criteria),
        params=_params(wish),
        limits=_limits(wish, len(cast_of.pool)),
        seed=random.SystemRandom().randrange(2**31) if wish.seed is None else wish.seed,
        notes=cast_of.notes,
        also=cast_of.also,
    )
    _affordable(order, worst)
    return order


def _prompt(prompt: Any) -> str:
    if not isinstance(prompt, str):
        raise UserError(f"The prompt must be text, not {type(prompt).__name__}: convert it with str() first.")
    if not prompt.strip():
        raise UserError("The prompt is empty: write it in the cell below %%fuse, or pass it to fuse().")
    refuse_key("prompt", prompt)
    # A lone surrogate cannot be sent as UTF-8.
    return prompt.encode("utf-8", "replace").decode("utf-8")


def refuse_key(what: str, text: str) -> None:
    """Raise `KeyMissing` where a text that would be sent, shown and kept holds an API key."""
    if looks_like_key(text):
        raise KeyMissing(
            f"The {what} holds what looks like an API key, so nothing was sent: it would be shown and kept, in the "
            "notebook, the history and the journal. Take it out, revoke it if others may have seen it, and set it in "
            "the environment: OPENROUTER_API_KEY=..."
        )


def _mode(mode: str) -> tuple[Mode, int]:
    name, _, rounds = str(mode).strip().partition(":")
    found = cast(Mode, _one_of("mode", name, MODES))
    if not rounds:
        return found, 1
    if found != "debate" or not rounds.isdecimal() or not 1 <= int(rounds) <= MAX_ROUNDS:
        raise UserError(f"Mode {mode!r}: only a debate has rounds, 1 to {MAX_ROUNDS} of them, as in debate:2.")
    return found, int(rounds)


def check_orders(given: Any) -> int:
    """In how many orders a judge is shown the candidates. Raises `UserError`."""
    if isinstance(given, bool) or given not in (1, 2):
        raise UserError(f"orders must be 1, or 2 to ask the judge once more with the order reversed, not {given!r}.")
    return int(given)


def _one_of(kind: str, name: str, known: Sequence[str]) -> Any:
    if name not in known:
        raise UnknownName(kind, name, known, f"There are {', '.join(known)}.")
    return name


def _criteria(criteria: str | Sequence[str]) -> tuple[str, ...]:
    given = re.split(r"[,;\n]", criteria) if isinstance(criteria, str) else criteria
    refuse_key("list of criteria", " ".join(given))
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    if len(names) > 8 or any(len(name) > 60 for name in names):
        raise UserError("At most 8 criteria of at most 60 characters each: a judge weighs no more than that with care.")
    return names


def _params(wish: FuseOptions) -> Params:
    temperature = None if wish.temperature is None else _number("temperature", wish.temperature, 0.0, 2.0)
    reasoning = None if wish.reasoning is None else str(wish.reasoning).strip().lower()
    if reasoning is not None and not reasoning.isdecimal():
        _one_of("reasoning effort", reasoning, ("none", "minimal", "low", "medium", "high", "xhigh", "max"))
    if wish.seed is not None and (not isinstance(wish.seed, int) or wish.seed < 0):
        raise UserError(f"seed must be a whole number from 0 up, not {wish.seed!r}.")
    if wish.system:
        refuse_key("system prompt", wish.system)
    return Params(wish.system or None, temperature, wish.seed, reasoning)


def _limits(wish: FuseOptions, members: int) -> Limits:
    quorum = None if wish.quorum is None else int(_number("quorum", wish.quorum, 1, members))
    base = Limits()
    timeout = _number("timeout", wish.timeout, 0.001, 86_400)
    return replace(
        base,
        max_cost=None if wish.max_cost is None else check_usd(wish.max_cost),
        max_tokens=int(_number("max_tokens", wish.max_tokens, 1, 10_000_000)),
        timeout=timeout,
        ttft=base.ttft if wish.ttft is None else _number("ttft", wish.ttft, 0.001, 86_400),
        idle=base.idle if wish.idle is None else _number("idle", wish.idle, 0.001, 86_400),
        quorum=quorum,
        grace=_number("grace", wish.grace, 0, 86_400),
        concurrency=int(_number("concurrency", wish.concurrency, 1, 1024)),
        allow_unpriced=bool(wish.allow_unpriced),
    )


def _number(name: str, value: Any, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise UserError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")
    return number


def check_usd(value: Any, name: str = "max_cost") -> Decimal:
    """USD above zero as a person wrote it. Raises `UserError`."""
    try:
        # Through text: 0.1 means ten cents, not the binary fraction next to it.
        amount = Decimal(str(value).strip().lstrip("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise UserError(f"{name} must be an amount of USD above zero, like 0.25, not {value!r}.")
    return amount


def spending_policy(options: FuseOptions, run_cap: Decimal | None) -> SpendingPolicy:
    """The caps of a run. Raises `UserError` where one is no amount."""
    names = ("max_cost_per_session", "max_cost_per_day")
    session, day = (None if (cap := getattr(options, n)) is None else check_usd(cap, n) for n in names)
    return SpendingPolicy(run_cap, session, day)


def _affordable(order: RunSpec, worst: Callable[[Ref, Usage], Decimal | None]) -> None:
    """Refuse a cap under which not even one call could be sent."""
    cap = order.limits.max_cost
    if cap is None:
        return
    system = [Message("system", order.params.system)] if order.params.system else []
    most = worst_case([*system, Message("user", order.prompt)], order.limits.max_tokens)
    known = [worst(ref, most) for ref in order.pool]
    if known and all(amount is not None and amount > cap for amount in known):
        least = min(amount for amount in known if amount is not None)
        raise UserError(
            f"--max-cost {usd(cap)} is too small for even one call, which could cost up to {usd(least)}: raise it, "
            f"or lower --max-tokens (now {order.limits.max_tokens})."
        )
