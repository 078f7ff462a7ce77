"""The options of each call for editors and type checkers. Written by `python -m tests.option_types`: do not edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict


class FuseOptions(TypedDict, total=False):
    """What `fuse()` takes beside its own parameters; the table says what each does."""

    judge: str | Callable[..., Any] | None
    then: str
    criteria: str | Sequence[str]
    orders: int
    system: str | None
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
    max_tokens: int
    timeout: float
    ttft: float
    idle: float
    quorum: int | None
    grace: float
    concurrency: int
    allow_unpriced: bool
    base_url: str | None
    key_env: str | None
    aliases: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, Any]] | None
    journal: bool
    replay: bool
    progress: Callable[[Any], None] | None


class AfuseOptions(TypedDict, total=False):
    """What `afuse()` takes beside its own parameters; the table says what each does."""

    judge: str | Callable[..., Any] | None
    then: str
    criteria: str | Sequence[str]
    orders: int
    system: str | None
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
    max_tokens: int
    timeout: float
    ttft: float
    idle: float
    quorum: int | None
    grace: float
    concurrency: int
    allow_unpriced: bool
    base_url: str | None
    key_env: str | None
    aliases: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, Any]] | None
    journal: bool
    replay: bool


class StreamOptions(TypedDict, total=False):
    """What `stream()` takes beside its own parameters; the table says what each does."""

    judge: str | Callable[..., Any] | None
    then: str
    criteria: str | Sequence[str]
    orders: int
    system: str | None
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
    max_tokens: int
    timeout: float
    ttft: float
    idle: float
    quorum: int | None
    grace: float
    concurrency: int
    allow_unpriced: bool
    base_url: str | None
    key_env: str | None
    aliases: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, Any]] | None
    journal: bool


class EstimateOptions(TypedDict, total=False):
    """What `estimate()` takes beside its own parameters; the table says what each does."""

    judge: str | Callable[..., Any] | None
    then: str
    criteria: str | Sequence[str]
    orders: int
    system: str | None
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    max_tokens: int
    timeout: float
    ttft: float
    idle: float
    quorum: int | None
    grace: float
    concurrency: int
    allow_unpriced: bool
    base_url: str | None
    key_env: str | None
    aliases: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, Any]] | None
    journal: bool
    replay: bool


class PanelOptions(TypedDict, total=False):
    """What `panel()` takes beside its own parameters; the table says what each does."""

    judge: str | Callable[..., Any] | None
    then: str
    criteria: str | Sequence[str]
    orders: int
    system: str | None
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    max_tokens: int
    timeout: float
    ttft: float
    idle: float
    quorum: int | None
    grace: float
    concurrency: int
    allow_unpriced: bool
    base_url: str | None
    key_env: str | None
    aliases: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, Any]] | None
    functions: Sequence[Callable[..., Any]]
    journal: bool
    replay: bool


class RejudgeOptions(TypedDict, total=False):
    """What `rejudge()` takes beside its own parameters; the table says what each does."""

    mode: str
    judge: str | Callable[..., Any] | None
    criteria: str | Sequence[str]
    orders: int
    seed: int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
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
    functions: Sequence[Callable[..., Any]]
    journal: bool
    progress: Callable[[Any], None] | None


class AddOptions(TypedDict, total=False):
    """What `add()` takes beside its own parameters; the table says what each does."""

    mode: str
    judge: str | Callable[..., Any] | None
    criteria: str | Sequence[str]
    orders: int
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
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
    functions: Sequence[Callable[..., Any]]
    journal: bool
    progress: Callable[[Any], None] | None


class RetryOptions(TypedDict, total=False):
    """What `retry()` takes beside its own parameters; the table says what each does."""

    judge: str | Callable[..., Any] | None
    criteria: str | Sequence[str]
    orders: int
    temperature: float | None
    seed: int | None
    reasoning: str | int | None
    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
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
    functions: Sequence[Callable[..., Any]]
    journal: bool
    progress: Callable[[Any], None] | None


class ResumeOptions(TypedDict, total=False):
    """What `resume()` takes beside its own parameters; the table says what each does."""

    max_cost: float | str | Decimal | None
    max_cost_per_session: float | str | Decimal | None
    max_cost_per_day: float | str | Decimal | None
    confirm_over: float | str | Decimal | None
    confirm: Callable[[Any], bool] | None
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
    functions: Sequence[Callable[..., Any]]
    journal: bool
    progress: Callable[[Any], None] | None
