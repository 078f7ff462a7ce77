"""`fuse()` and its kin, wired together: everything the magics and the panel do goes through here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Unpack

from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.day_account import DayAccount
from fusion_nb.accounts.spending_account import Account, usd
from fusion_nb.core import engine_thread
from fusion_nb.core import option_checks as check
from fusion_nb.core.member_settings import Member, PoolEntry
from fusion_nb.core.option_types import AfuseOptions, FuseOptions, StreamOptions
from fusion_nb.core.plugins import plugin_names
from fusion_nb.core.run_spec import RunSpec, run_started
from fusion_nb.core.values import DEMO_SERVICE
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.journal import run_index, run_reader
from fusion_nb.journal.run_writer import begun
from fusion_nb.journal.table_files import table_of
from fusion_nb.option_signatures import takes
from fusion_nb.options import Settings, settle
from fusion_nb.providers import model_names
from fusion_nb.providers.model_search_words import modality_note, search_models
from fusion_nb.resolve import pools
from fusion_nb.resolve.estimate import ask_person, confirm_cost
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.pools import reserved_names
from fusion_nb.resolve.service_registry import DEMO_MODELS
from fusion_nb.resolve.spec_builder import build_spec, spending_policy
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Progress, Run, last, raise_if_failed, wait_for_result
from fusion_nb.views.spending_report import BY, Spending, by_model, by_names, may_have_spent_since, today

if TYPE_CHECKING:
    import pandas as pd

    from fusion_nb.providers.openrouter_api import Credit


__all__ = ["Member", "Progress", "Run", "afuse", "begin", "fuse", "last", "models", "spending", "stream"]

Pool = str | Sequence[PoolEntry] | None


@takes("fuse")
def fuse(prompt: str, pool: Pool = None, mode: str | None = None, **options: Unpack[FuseOptions]) -> FusionResult:
    """Ask every member of `pool` in parallel; let the judge turn their candidates into one answer.

    An option that is not given is as `fusion_nb.defaults` (`%config Fuse`) says, else as stated here.

    Returns:
        The run, finished or stopped: an interrupt ends it, and what was received is returned.

    Raises:
        UserError: the request cannot be sent as written; nothing was sent.
        RunFailed: every member failed; `.result` has a row for each.

    >>> result = fuse("How many times does the letter r occur in the word strawberry?", pool="demo", mode="best-of")
    >>> result.status, len(result.candidates)
    ('ok', 3)
    """
    return wait_for_result(begin("fuse", prompt, pool=pool, mode=mode, **options), options.get("progress"))


def begin(
    verb: str, prompt: str, /, *, ask_address: Any = ask_person, ask_cost: Any = None, **given: Any
) -> Run | FusionResult:
    """A call of `fuse()` or its kin, begun and not waited for: the run, or where `replay` found one, its result.

    Args:
        verb: whose options they are, one of `options.ASKING`.
        ask_address: puts the question whether a new address may be used; without it, none may.
        ask_cost: who is asked where the run may cost more than `confirm_over`; by default the person.
    """
    settings = settle(verb, given)
    resolver = Resolver(settings, ask_address and (lambda text: ask_address(text, "Send them?")))
    spec = build_spec(prompt, settings, resolver.resolved, resolver.reach.worst)
    resolver.reach.check_fit((spec.params.system or "") + spec.prompt, spec.everyone)
    if (result := _replayed(settings, spec)) is not None:
        return result
    confirm_cost(spec, resolver, settings, ask_cost)
    caps = spending_policy(spec, settings, resolver.reach.metered, resolver.reach.worst)
    return Run(spec, resolver, caps, journal=settings["journal"])


@takes("afuse")
async def afuse(
    prompt: str, pool: Pool = None, mode: str | None = None, **options: Unpack[AfuseOptions]
) -> FusionResult:
    """`fuse()` awaited: the caller's loop goes on turning. Cancelling the wait stops the run.

    >>> import asyncio
    >>> asyncio.run(afuse("How many times does the letter r occur in the word strawberry?", pool="demo")).status
    'ok'
    """
    begun = begin("afuse", prompt, ask_address=None, pool=pool, mode=mode, **options)
    return raise_if_failed(begun) if isinstance(begun, FusionResult) else await begun.wait()


@takes("stream")
def stream(prompt: str, pool: Pool = None, mode: str | None = None, **options: Unpack[StreamOptions]) -> Run:
    """Start a run and iterate its events.

    >>> with stream("How many times does the letter r occur in the word strawberry?", pool="demo") as run:
    ...     kinds = {type(event).__name__ for event in run}
    >>> "VerdictReached" in kinds, run.result.status
    (True, 'ok')
    """
    begun = begin("stream", prompt, ask_address=None, pool=pool, mode=mode, **options)
    assert isinstance(begun, Run)  # noqa: S101  a stream takes no `replay`
    return begun


def _replayed(settings: Settings, spec: RunSpec) -> FusionResult | None:
    """The journal's run of the very same request, where `replay` asks for it and there is one."""
    same = run_index.find_same(run_started(spec, "", "")) if settings.get("replay") else None
    if same is None:
        return None
    result = run_reader.load(same, FusionResult())
    when = result.when[:16].replace("T", " ")
    note = f"From the journal: run {result.run} of {when} UTC. Nothing was asked, nothing paid."
    return replace(result, notes=(*result.notes, note))


def models(words: str = "", *, aliases: Mapping[str, str] | None = None, services: Any = None) -> pd.DataFrame:
    """The models a pool can name, one row each; first the aliases, with what they stand for now.

    Args:
        words: all of them must be true of a row: a part of its name, alias or modalities (`image`), `<2` for less than
            2 USD a million prompt tokens, `>100k` for more tokens of context. What a model takes is told by a service's
            own list alone: where none can be read, `attrs["note"]` says so.

    Columns: `ref`, `name`, `context` (tokens), `modalities`, `prompt_usd_per_mtok`, `completion_usd_per_mtok`,
    `source` (where the row is from), `created`, `alias`.

    >>> models("demo swift")["ref"].tolist()
    ['demo:swift']
    """
    from fusion_nb.views.dataframes import models_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    resolver = _names(aliases, services)
    listed = engine_thread.run_on_engine(resolver.reach.models())
    asked_for = check.text("words")(words) or ""
    frame = models_frame(search_models([*resolver.alias_models(listed), *listed], asked_for))
    frame.attrs["note"] = modality_note(listed, asked_for)
    return frame


def complete_members(typed: str, aliases: Mapping[str, str] | None, services: Any) -> Iterable[str]:
    """What a pool entry that begins with `typed` could be, without asking any network."""
    yield from model_names.completions(typed, aliases, services)
    yield from (name for name in pools.pool_names() if name.startswith(typed) and name not in reserved_names(aliases))
    packaged = (*plugin_names("members"), *(f"{name}:" for name in plugin_names("services")))
    yield from (name for name in (*packaged, *map(str, DEMO_MODELS)) if name.startswith(typed))


def _names(aliases: Mapping[str, str] | None, services: Any) -> Resolver:
    """Models and services by the names of a call and of the defaults; nobody is asked anything."""
    return Resolver(settle("fuse", {"aliases": aliases, "services": services}))


def load_pandas() -> None:
    """Load what `frame()` needs, ahead of need."""
    import fusion_nb.views.dataframes  # noqa: F401, PLC0415


def spending(
    since: str | date = "",
    *,
    by: str | Sequence[str] | None = None,
    max_cost_per_session: float | str | None = None,
    max_cost_per_day: float | str | None = None,
    services: Mapping[str, Mapping[str, str]] | None = None,
) -> Spending | pd.DataFrame:
    """What the journal's runs cost since a day, `2026-11-01` (UTC) or a date; today where none is given.

    Args:
        by: sum by one or more of `tag`, `month`, `day`, `service`, `model`, `run` instead: a DataFrame, the dearest
            first, since ever where no day is given. The demo's play money is in none of its rows.

    The caps that are set, and keys whose service tells, are said with what they have left; and what the accounts behind
    the caps count of runs that are in no journal, and so in no row. Raises `UserError` where `since` is no day.

    >>> print(spending())
    Today (UTC): $0.0000 in 0 calls. This kernel: $0.0000...
    """
    if by is not None:
        return _spending_by(by, _day_text(since))
    day = _day(_day_text(since))
    credit = engine_thread.run_on_engine(_names(None, services).reach.credits())
    given = {"max_cost_per_session": max_cost_per_session, "max_cost_per_day": max_cost_per_day}
    settings = settle("fuse", given)
    caps = (
        (spending_caps.SESSION, settings["max_cost_per_session"]),
        (spending_caps.day_account(), settings["max_cost_per_day"]),
    )
    caps_left = (_cap_left(account, cap) for account, cap in caps if cap is not None)
    left = (*_unjournalled(), *_unsettled(), *caps_left, *_keys_left(credit))
    return Spending(day, by_model(run_index.calls(day.isoformat()), begun), left)


def _spending_by(by: str | Sequence[str], since: str) -> pd.DataFrame:
    from fusion_nb.views.spreadsheet_files import sums_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    names = [name.strip() for name in by.split(",")] if isinstance(by, str) else list(by)
    for name in names:
        if name not in BY:
            raise UnknownName("sum", str(name), BY, f"Sums are by one or more of {', '.join(BY)}.")
    if not names or len(set(names)) < len(names):
        raise UserError(f"by names each of {', '.join(BY)} once at most, and one at least.")
    return sums_frame(by_names(run_index.calls(_day(since).isoformat() if since else ""), names), names)


def _day_text(since: str | date) -> str:
    """A date, or a moment (pandas' too), as the day in UTC that it is in; a text as it stands."""
    if isinstance(since, datetime) and since.tzinfo is not None:
        since = since.astimezone(UTC)
    return since.isoformat()[:10] if isinstance(since, date) else check.text("since")(since) or ""


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since.strip()) if since.strip() else today()
    except ValueError:
        raise UserError(f"{since.strip()[:40]!r} is no day: write it as 2026-11-01, or nothing for today.") from None


def _unjournalled() -> Iterable[str]:
    """What the accounts count of runs that were not journalled, or were deleted: the caps know of them all the same."""
    today_spent, kernel_spent = spending_caps.day_account().spent, spending_caps.SESSION.spent
    if not today_spent and not kernel_spent:
        return
    midnight = datetime.combine(today(), time(), UTC)
    of_today = {row.run for row in run_index.runs() if may_have_spent_since(midnight, row.when, row.seconds)}
    paid = [call for call in run_index.calls() if call.cost and not call.ref.startswith(f"{DEMO_SERVICE}:")]
    for whose, spent, runs in (("Today's", today_spent, of_today), ("This kernel's", kernel_spent, begun)):
        rest = spent - sum(
            (call.cost or Decimal(0) for call in paid if {call.run, table_of(call.run)} & runs), Decimal(0)
        )
        if rest > 0:
            yield (
                f"{whose} account counts {usd(spent)} in all: {usd(rest)} of it stands in no journalled run (the "
                "journal was off, or it was deleted)."
            )


def _unsettled() -> Iterable[str]:
    amount = spending_caps.day_account().unsettled
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
