"""The options of each call for editors and type checkers. Written by `python -m tests.option_types`: do not edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict


class EveryCallOptions(TypedDict, total=False):
    """What every call takes; the table says what each does."""

    check: Callable[..., Any] | Sequence[Any] | None
    check_timeout: float
    extract: str | Callable[[str], Any] | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    max_tokens: int
    timeout: float
    ttft: float
    idle: float
    concurrency: int
    allow_unpriced: bool
    base_url: str | None
    key_env: str | None
    aliases: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, Any]] | None
    journal: bool


class AskingOptions(EveryCallOptions, total=False):
    """What every call takes that asks a prompt."""

    judge: str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None
    then: str
    criteria: str | Sequence[str]
    orders: int
    deeper: int
    weights: Mapping[str, float] | Sequence[float] | None
    escalate: str | Sequence[str | Callable[..., Any]] | None
    agree: float | str
    escalate_shadow: bool
    system: str | None
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    quorum: int | None
    grace: float


class FuseOptions(AskingOptions, total=False):
    """What `fuse()` takes beside its own parameters."""

    confirm: Callable[[Any], bool] | None
    tag: str | None
    replay: bool
    progress: Callable[[Any], None] | None


class AfuseOptions(AskingOptions, total=False):
    """What `afuse()` takes beside its own parameters."""

    confirm: Callable[[Any], bool] | None
    tag: str | None
    replay: bool


class StreamOptions(AskingOptions, total=False):
    """What `stream()` takes beside its own parameters."""

    confirm: Callable[[Any], bool] | None
    tag: str | None


class EstimateOptions(AskingOptions, total=False):
    """What `estimate()` takes beside its own parameters."""

    replay: bool


class PanelOptions(AskingOptions, total=False):
    """What `panel()` takes beside its own parameters."""

    functions: Sequence[Callable[..., Any]]
    tag: str | None
    replay: bool


class FuseFrameOptions(AskingOptions, total=False):
    """What `fuse_frame()` takes beside its own parameters."""

    confirm: Callable[[Any], bool] | None
    batch: bool
    tag: str | None


class RejudgeOptions(EveryCallOptions, total=False):
    """What `rejudge()` takes beside its own parameters."""

    mode: str
    judge: str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None
    criteria: str | Sequence[str]
    orders: int
    weights: Mapping[str, float] | Sequence[float] | None
    seed: int | None
    confirm: Callable[[Any], bool] | None
    functions: Sequence[Callable[..., Any]]
    tag: str | None
    progress: Callable[[Any], None] | None


class AddOptions(EveryCallOptions, total=False):
    """What `add()` takes beside its own parameters."""

    mode: str
    judge: str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None
    criteria: str | Sequence[str]
    orders: int
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    confirm: Callable[[Any], bool] | None
    functions: Sequence[Callable[..., Any]]
    tag: str | None
    progress: Callable[[Any], None] | None


class RetryOptions(EveryCallOptions, total=False):
    """What `retry()` takes beside its own parameters."""

    judge: str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None
    criteria: str | Sequence[str]
    orders: int
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    confirm: Callable[[Any], bool] | None
    functions: Sequence[Callable[..., Any]]
    tag: str | None
    progress: Callable[[Any], None] | None


class ResumeOptions(EveryCallOptions, total=False):
    """What `resume()` takes beside its own parameters."""

    confirm: Callable[[Any], bool] | None
    functions: Sequence[Callable[..., Any]]
    tag: str | None
    progress: Callable[[Any], None] | None
