"""`fuse()` and its kin: rooms wired together. Everything the magics and the panel do goes through here.

What can be named, and what may not be written: models, members, keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb.accounts import policy
from fusion_nb.accounts.budget import Account, usd
from fusion_nb.accounts.day_account import DayAccount
from fusion_nb.core import engine_thread
from fusion_nb.core.spec import RunSpec, run_started
from fusion_nb.errors import KeyMissing, UserError
from fusion_nb.journal import index, reader
from fusion_nb.journal.writer import begun
from fusion_nb.providers import keys, model_names
from fusion_nb.providers.custom_services import AskConsent
from fusion_nb.resolve import pools
from fusion_nb.resolve.estimate import Estimate
from fusion_nb.resolve.estimate import estimate_spec as estimate_of
from fusion_nb.resolve.pools import reserved_names
from fusion_nb.resolve.registry import DEMO_JUDGE, DEMO_POOL
from fusion_nb.resolve.request import FuseOptions, Member, build_spec, check_usd, spending_policy
from fusion_nb.resolve.resolver import Resolver
from fusion_nb.run.run_handle import FusionResult, Progress, Run, last, raise_if_failed, wait_for_result
from fusion_nb.views.spending_report import Spending, by_model, today

if TYPE_CHECKING:
    import pandas as pd

    from fusion_nb.providers.openrouter_api import Credit


__all__ = ["Member", "Progress", "Run", "afuse", "begin", "fuse", "last", "stream"]


def fuse(
    prompt: str,
    pool: str | Sequence[Member] | None = None,
    mode: str = "merge",
    *,
    judge: Member | None = None,
    then: str = "merge",
    criteria: str | Sequence[str] = (),
    orders: int = 1,
    system: str | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    reasoning: str | int | None = None,
    max_cost: float | str | None = None,
    max_tokens: int = 4096,
    timeout: float = 600.0,
    ttft: float | None = None,
    idle: float | None = None,
    quorum: int | None = None,
    grace: float = 5.0,
    concurrency: int = 64,
    allow_unpriced: bool = False,
    base_url: str | None = None,
    key_env: str | None = None,
    aliases: Mapping[str, str] | None = None,
    services: Mapping[str, Mapping[str, str]] | None = None,
    journal: bool = True,
    replay: bool = False,
    max_cost_per_session: float | str | None = None,
    max_cost_per_day: float | str | None = None,
    confirm_over: float | str | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
    progress: Progress | None = None,
) -> FusionResult:
    """Ask every member of `pool` in parallel; let the judge turn their candidates into one answer.

    Args:
        prompt: sent as it is.
        pool: members, as a list or by comma: aliases (`claude`, `gemini`, `gpt4o`), OpenRouter slugs
            (`openai/gpt-4o`), `service:model`, `name*3` (thrice, each with a seed of its own), `demo`, `local`, or
            Python functions, sync or async. `None`: what the keys at hand allow, else what runs on this machine, else
            the scripted demo.
        mode: `best-of` picks one candidate, `merge` writes one answer from all, `debate[:rounds]` lets them challenge
            each other first.
        judge: the model that compares. `None`: a strong one outside the pool's families, where the keys allow.
        then: how a debate ends: `merge` or `best-of`.
        criteria: what the judge scores from 1 to 10; default correctness, completeness, clarity.
        orders: 2 asks the judge twice, the second time with the candidates in reverse: scores are the mean of both,
            and where it finds another candidate best, that is said (`result.verdict.agreed`).
        system, temperature, seed, reasoning: passed through to every member. `seed` also fixes labels and order
            before the judge. `reasoning`: `minimal`, `low`, `medium`, `high`, or a number of tokens.
        max_cost: USD for the whole run; the worst case of a call is reserved before it is sent.
        max_cost_per_session, max_cost_per_day: USD for all runs of this kernel, and of a day (UTC) in all kernels.
        max_tokens: completion tokens of each call.
        timeout: seconds each call may take.
        ttft, idle: longest wait for a reply's first text, and longest silence inside it, in seconds (120 each).
        quorum, grace: go on once `quorum` candidates are there and `grace` more seconds have passed.
        concurrency: calls in flight at once.
        allow_unpriced: ask models of unknown price although `max_cost` is set.
        base_url, key_env: a chat-completions service of your own, and the variable that holds its key.
        aliases, services: names of your own; see `%config Fuse`.
        journal: keep the run's record on disk, so that a crash loses nothing that was paid (`runs()`, `load()`).
        replay: serve the very same request (prompt, pool, judge, mode, parameters) from the journal where it is there.
        confirm_over, confirm: where the run may cost more USD, `confirm(estimate)` is asked first; by default the
            person, in this terminal or notebook.
        progress: called on this thread with the result so far while the run goes on, and once at its end.

    Returns:
        The run, finished or stopped: an interrupt ends it, and what was received is returned.

    Raises:
        UserError: the request cannot be sent as written; nothing was sent.
        RunFailed: every member failed; `.result` has a row for each.
    """
    return wait_for_result(begin(**{k: v for k, v in locals().items() if k != "progress"}), progress)


def begin(
    *,
    confirm_over: float | str | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
    **options: Any,
) -> Run | FusionResult:
    """`fuse()`, begun and not waited for: the run, or where `replay` found it in the journal, its result."""
    wish = FuseOptions(**options)
    session, order = _planned(wish, lambda said: _question(said, "Send them?"))
    if (held := _replayed(wish, order)) is not None:
        return held
    if confirm_over is not None:
        _confirmed(estimate_of(order, session), confirm_over, confirm or _question)
    return Run(order, session, spending_policy(wish, order.limits.max_cost), journal=wish.journal)


async def afuse(
    prompt: str, pool: str | Sequence[Member] | None = None, mode: str = "merge", **options: Any
) -> FusionResult:
    """`fuse()` awaited: the caller's loop goes on turning. Takes the same options, without `progress`."""
    wish = FuseOptions(prompt=prompt, pool=pool, mode=mode, **options)
    session, order = _planned(wish)
    if (held := _replayed(wish, order)) is not None:
        return raise_if_failed(held)
    caps = spending_policy(wish, order.limits.max_cost)
    return await Run(order, session, caps, journal=wish.journal).wait()


def stream(prompt: str, pool: str | Sequence[Member] | None = None, mode: str = "merge", **options: Any) -> Run:
    """Start a run and iterate its events. Takes the same options as `fuse()`, without `progress` and `replay`.

    >>> with stream("Why is the sky blue?", pool="demo") as run:
    ...     for event in run:
    ...         print(event)
    >>> run.result
    """
    wish = FuseOptions(prompt=prompt, pool=pool, mode=mode, **options)
    session, order = _planned(wish)
    return Run(order, session, spending_policy(wish, order.limits.max_cost), journal=wish.journal)


def _confirmed(expected: Estimate, over: float | str, confirm: Callable[[Estimate], bool]) -> None:
    """Raise `UserError` where the run may cost more than `over` and nobody said yes."""
    if expected.over(over) and not confirm(expected):
        what = repr(expected).removeprefix("<Estimate: ").removesuffix(">")
        raise UserError(f"Nothing was sent ({what}): it may cost more than ${over}, and nobody confirmed it.")


def _question(said: object, question: str = "Ask all the same?") -> bool:
    try:
        return input(f"{said}\n{question} [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, NotImplementedError, RuntimeError, OSError):
        # No one is there to answer: a notebook that is run by a program.
        return False


def _planned(wish: FuseOptions, ask: AskConsent | None = None) -> tuple[Resolver, RunSpec]:
    session = Resolver(wish, ask)
    order = build_spec(wish, session.cast, session.reach.worst)
    session.reach.check_fit(
        (order.params.system or "") + order.prompt, (*order.pool, *([order.judge] if order.judge else []))
    )
    return session, order


def _replayed(wish: FuseOptions, order: RunSpec) -> FusionResult | None:
    """The journal's run of the very same request, where `replay` asks for it and there is one."""
    same = index.find_same(run_started(order, "", "")) if wish.replay else None
    if same is None:
        return None
    held = reader.load(same, FusionResult())
    said = (
        f"From the journal: run {held.run} of {held.when[:16].replace('T', ' ')} UTC. Nothing was asked, nothing paid."
    )
    return replace(held, notes=(*held.notes, said))


def models(words: str = "", *, aliases: Mapping[str, str] | None = None, services: Any = None) -> pd.DataFrame:
    """The models a pool can name, one row each; `words` (all of them) filter.

    Columns: `ref`, `name`, `context` (tokens), `modalities`, `prompt_usd_per_mtok`, `completion_usd_per_mtok`,
    `source` (where the row is from), `created`.
    """
    from fusion_nb.views.frame import models_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    found = engine_thread.run_on_engine(
        Resolver(FuseOptions(prompt="", aliases=aliases, services=services)).reach.models()
    )
    asked = words.lower().split()
    return models_frame([m for m in found if all(w in f"{m.ref} {m.name}".lower() for w in asked)])


def complete_members(typed: str, aliases: Mapping[str, str] | None, services: Any) -> Iterable[str]:
    """What a pool entry that begins with `typed` could be, without asking any network."""
    yield from model_names.completions(typed, aliases, services)
    yield from (name for name in pools.pool_names() if name.startswith(typed) and name not in reserved_names(aliases))
    yield from (str(ref) for ref in (*DEMO_POOL, DEMO_JUDGE) if str(ref).startswith(typed))


def refuse_key_in_line(text: str) -> None:
    """Refuse text that holds an API key: a notebook keeps its cells, and IPython its history, in the clear."""
    if keys.looks_like_key(text):
        raise KeyMissing(
            "That line holds what looks like an API key; it was not run. Delete it from the cell (and revoke the key "
            "if the notebook is shared), then set it in the environment before Jupyter starts: OPENROUTER_API_KEY=..."
        )


def load_pandas() -> None:
    """Load what `frame()` needs, ahead of need."""
    import fusion_nb.views.frame  # noqa: F401, PLC0415


def spending(
    since: str = "",
    *,
    max_cost_per_session: float | str | None = None,
    max_cost_per_day: float | str | None = None,
    services: Mapping[str, Mapping[str, str]] | None = None,
) -> Spending:
    """What the journal's runs cost since a day, `2026-11-01` (UTC); today where none is given.

    The caps that are set, and keys whose service tells, are said with what they have left. Runs that were not
    journalled are not in it. Raises `UserError` where `since` is no day.
    """
    day = _day(since)
    told = engine_thread.run_on_engine(Resolver(FuseOptions(prompt="", services=services)).reach.credits())
    caps = ((policy.SESSION, _amount(max_cost_per_session)), (policy.day_account(), _amount(max_cost_per_day)))
    left = (*_unsettled(), *(_cap_left(account, cap) for account, cap in caps if cap is not None), *_keys_left(told))
    return Spending(day, by_model(index.calls(day.isoformat()), begun), left)


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since.strip()) if since.strip() else today()
    except ValueError:
        raise UserError(f"{since.strip()[:40]!r} is no day: write it as 2026-11-01, or nothing for today.") from None


def _amount(cap: Any) -> Decimal | None:
    return None if cap is None else check_usd(cap, "the cap")


def _unsettled() -> Iterable[str]:
    amount = policy.day_account().unsettled
    if amount > 0:
        yield f"Up to {usd(amount)} more is not settled today: calls without a bill, and of kernels that died."


def _cap_left(account: Account | DayAccount, cap: Decimal) -> str:
    return f"{usd(max(account.left(cap) or Decimal(0), Decimal(0)))} of {account.name} {usd(cap)} is left."


def _keys_left(credit: Mapping[str, Credit]) -> Iterable[str]:
    for service, told in credit.items():
        if told.remaining is not None:
            resets = f", which starts anew {told.resets}" if told.resets else ""
            limit = f" of {usd(told.limit)}" if told.limit is not None else ""
            yield f"The {service} key has {usd(told.remaining)}{limit} left{resets}."
        elif told.used_today is not None:
            yield f"The {service} key has no limit; everything that uses it spent {usd(told.used_today)} today."
