"""`fuse()` and its kin: rooms wired together. Everything the magics and the panel do goes through here."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fusion_nb._errors import KeyMissing, RunFailed
from fusion_nb._events import Event
from fusion_nb._plan import Wish, plan
from fusion_nb._result import FusionResult
from fusion_nb._session import DEMO_JUDGE, DEMO_POOL, Session
from fusion_nb.providers import aliases as builtin
from fusion_nb.providers import catalogue, keys
from fusion_nb.run import loop
from fusion_nb.run.engine import Engine
from fusion_nb.run.record import Record

if TYPE_CHECKING:
    import pandas as pd

Member = str | Callable[..., Any]
Progress = Callable[[FusionResult], None]


def fuse(
    prompt: str,
    pool: str | Sequence[Member] | None = None,
    mode: str = "merge",
    *,
    judge: Member | None = None,
    then: str = "merge",
    criteria: str | Sequence[str] = (),
    system: str | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    reasoning: str | int | None = None,
    max_cost: float | str | None = None,
    max_tokens: int = 4096,
    timeout: float = 600.0,
    quorum: int | None = None,
    grace: float = 5.0,
    concurrency: int = 64,
    allow_unpriced: bool = False,
    base_url: str | None = None,
    key_env: str | None = None,
    aliases: Mapping[str, str] | None = None,
    services: Mapping[str, Mapping[str, str]] | None = None,
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
        system, temperature, seed, reasoning: passed through to every member. `seed` also fixes labels and order
            before the judge. `reasoning`: `minimal`, `low`, `medium`, `high`, or a number of tokens.
        max_cost: USD for the whole run; the worst case of a call is reserved before it is sent.
        max_tokens: completion tokens of each call.
        timeout: seconds each call may take.
        quorum, grace: go on once `quorum` candidates are there and `grace` more seconds have passed.
        concurrency: calls in flight at once.
        allow_unpriced: ask models of unknown price although `max_cost` is set.
        base_url, key_env: a chat-completions service of your own, and the variable that holds its key.
        aliases, services: names of your own; see `%config Fuse`.
        progress: called on this thread with the result so far while the run goes on, and once at its end.

    Returns:
        The run, finished or stopped: an interrupt ends it, and what was received is returned.

    Raises:
        UserError: the request cannot be sent as written; nothing was sent.
        RunFailed: every member failed; `.result` has a row for each.
    """
    wish = {k: v for k, v in locals().items() if k != "progress"}
    with stream(**wish) as run:
        return run.finish(progress)


async def afuse(prompt: str, pool: str | Sequence[Member] | None = None, **options: Any) -> FusionResult:
    """`fuse()` awaited: the caller's loop goes on turning. Takes the same options, without `progress`."""
    run = stream(prompt, pool, **options)
    return await run.wait()


def stream(prompt: str, pool: str | Sequence[Member] | None = None, **options: Any) -> Run:
    """Start a run and iterate its events. Takes the same options as `fuse()`, without `progress`.

    >>> with stream("Why is the sky blue?", pool="demo") as run:
    ...     for event in run:
    ...         print(event)
    >>> run.result
    """
    return Run(Wish(prompt=prompt, pool=pool, **options))


class Run:
    """A run under way: an iterator of its events, with the result so far and a way to stop it."""

    def __init__(self, wish: Wish) -> None:
        session = Session(wish)
        order = plan(wish, session.cast, session.price)
        self._turns = session.needs_callers_loop
        record = Record(FusionResult())
        now = datetime.now(UTC)
        run = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(5)}"
        self._handle = loop.Handle(record, Engine(order, session.tools(order), record).run(run, now.isoformat()))

    def __iter__(self) -> Iterator[Event]:
        if not self._turns:
            return self._handle.events()
        return (event for batch in loop.turning(self._handle) for event in batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._handle.done:
            self.stop()

    @property
    def result(self) -> FusionResult:
        """Everything known so far; the finished result once the run has ended."""
        return self._handle.state

    @property
    def done(self) -> bool:
        return self._handle.done

    def stop(self) -> None:
        """End the run as `cancelled`; what was received is kept."""
        self._handle.stop()

    def finish(self, progress: Progress | None = None, hear: loop.Hear | None = None) -> FusionResult:
        """Wait for the end, showing `progress`; `hear` gets the events in batches. Raises `RunFailed` where every
        member failed."""
        drive = loop.drive_turning if self._turns else loop.drive
        return _checked(drive(self._handle, progress, hear))

    def take(self) -> list[Event]:
        """Events not yet taken; empty where there are none yet. For those who must not wait."""
        return self._handle.take(0)

    async def wait(self) -> FusionResult:
        """Await the end on the caller's loop. Raises `RunFailed` where every member failed."""
        return _checked(await self._handle.wait())


def _checked(result: FusionResult) -> FusionResult:
    global _last  # noqa: PLW0603  a kernel has one newest run
    _last = result
    if result.status == "error":
        raise RunFailed(result.error or "The run failed.", result)
    return result


_last: FusionResult | None = None


def last() -> FusionResult | None:
    """The result of the newest run of this kernel that has ended: `%%fuse`'s own value is its DataFrame."""
    return _last


def models(words: str = "", *, aliases: Mapping[str, str] | None = None, services: Any = None) -> pd.DataFrame:
    """The models a pool can name, one row each; `words` (all of them) filter.

    Columns: `ref`, `name`, `context` (tokens), `modalities`, `prompt_usd_per_mtok`, `completion_usd_per_mtok`,
    `source` (where the row is from), `created`.
    """
    from fusion_nb.views.frame import models_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    found = loop.on_engine(Session(Wish(prompt="", aliases=aliases, services=services)).models())
    asked = words.lower().split()
    return models_frame([m for m in found if all(w in f"{m.ref} {m.name}".lower() for w in asked)])


def known_members(typed: str, aliases: Mapping[str, str] | None, services: Any) -> Iterable[str]:
    """What a pool entry that begins with `typed` could be, without asking any network."""
    yield from catalogue.completions(typed, aliases, services)
    yield from (str(ref) for ref in (*DEMO_POOL, DEMO_JUDGE) if str(ref).startswith(typed))


def alias_names(aliases: Mapping[str, str] | None) -> frozenset[str]:
    return frozenset({*builtin.ALIASES, *(aliases or {}), "demo", "local"})


def refuse_key(text: str) -> None:
    """Refuse text that holds an API key: a notebook keeps its cells, and IPython its history, in the clear."""
    if keys.looks_like_key(text):
        raise KeyMissing(
            "That line holds what looks like an API key; it was not run. Delete it from the cell (and revoke the key "
            "if the notebook is shared), then set it in the environment before Jupyter starts: OPENROUTER_API_KEY=..."
        )


def load_frame() -> None:
    """Load what `frame()` needs, ahead of need."""
    import fusion_nb.views.frame  # noqa: F401, PLC0415
