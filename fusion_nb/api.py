"""`fuse()` and its kin: rooms wired together. Everything the magics and the panel do goes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fusion_nb._begun import Progress, Run, checked, finished, last
from fusion_nb._errors import UserError
from fusion_nb._plan import Member, Wish, plan
from fusion_nb._result import FusionResult
from fusion_nb._session import Session
from fusion_nb._trust import Ask
from fusion_nb.ahead import Estimate
from fusion_nb.ahead import of as estimate_of
from fusion_nb.journal import index, past, rows
from fusion_nb.run.order import Order, started

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
    return finished(begin(**{k: v for k, v in locals().items() if k != "progress"}), progress)


def begin(
    *,
    confirm_over: float | str | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
    **options: Any,
) -> Run | FusionResult:
    """`fuse()`, begun and not waited for: the run, or where `replay` found it in the journal, its result."""
    wish = Wish(**options)
    session, order = _planned(wish, lambda said: _question(said, "Send them?"))
    if (held := _replayed(wish, order)) is not None:
        return held
    if confirm_over is not None:
        _confirmed(estimate_of(order, session), confirm_over, confirm or _question)
    return Run(session, order, journal=wish.journal)


async def afuse(
    prompt: str, pool: str | Sequence[Member] | None = None, mode: str = "merge", **options: Any
) -> FusionResult:
    """`fuse()` awaited: the caller's loop goes on turning. Takes the same options, without `progress`."""
    wish = Wish(prompt=prompt, pool=pool, mode=mode, **options)
    session, order = _planned(wish)
    if (held := _replayed(wish, order)) is not None:
        return checked(held)
    return await Run(session, order, journal=wish.journal).wait()


def stream(prompt: str, pool: str | Sequence[Member] | None = None, mode: str = "merge", **options: Any) -> Run:
    """Start a run and iterate its events. Takes the same options as `fuse()`, without `progress` and `replay`.

    >>> with stream("Why is the sky blue?", pool="demo") as run:
    ...     for event in run:
    ...         print(event)
    >>> run.result
    """
    wish = Wish(prompt=prompt, pool=pool, mode=mode, **options)
    return Run(*_planned(wish), journal=wish.journal)


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


def _planned(wish: Wish, ask: Ask | None = None) -> tuple[Session, Order]:
    session = Session(wish, ask)
    order = plan(wish, session.cast, session.reach.worst)
    session.reach.check_fit(
        (order.params.system or "") + order.prompt, (*order.pool, *([order.judge] if order.judge else []))
    )
    return session, order


def _replayed(wish: Wish, order: Order) -> FusionResult | None:
    """The journal's run of the very same request, where `replay` asks for it and there is one."""
    same = index.find_same(rows.fingerprint(started(order, "", ""))) if wish.replay else None
    if same is None:
        return None
    held = past.load(same, FusionResult())
    said = (
        f"From the journal: run {held.run} of {held.when[:16].replace('T', ' ')} UTC. Nothing was asked, nothing paid."
    )
    return replace(held, notes=(*held.notes, said))
