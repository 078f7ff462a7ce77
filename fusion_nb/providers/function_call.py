"""How a function of the person's own is called: with the prompt, the messages, or as a judge with the candidates."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fusion_nb.core import Message, Ref, Request
from fusion_nb.core.values import PYTHON_SERVICE, Judging
from fusion_nb.errors import UserError

_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def prompt_of(request: Request) -> str:
    """The conversation as one text: the prompt itself where it is the only message."""
    if len(request.messages) == 1:
        return request.messages[0].content
    return "\n\n".join(f"{m.role.capitalize()}: {m.content}" for m in request.messages)


def arguments_for(fn: Callable[..., Any], request: Request) -> _Arguments:
    """The prompt as one text, or the messages where it has a parameter of that name; of a judge of two parameters, what
    was asked and what they answered."""
    if request.judging and takes_candidates(fn):
        return _judged(fn, request.judging)
    parameter = _parameters(fn).get("messages")
    if parameter is None:
        return (prompt_of(request),), {}
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    by_place = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    return ((messages,), {}) if by_place else ((), {"messages": messages})


def takes_candidates(fn: Callable[..., Any]) -> bool:
    """Whether it is, as a judge, of the form `judge(prompt, candidates)`: with a second parameter that must be given,
    whatever its name, or that has this name."""
    second = next(iter([*_parameters(fn).values()][1:2]), None)
    if second is None or second.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return False
    needed = second.default is inspect.Parameter.empty and second.kind is not inspect.Parameter.KEYWORD_ONLY
    return second.name == "candidates" or needed


def _judged(fn: Callable[..., Any], judging: Judging) -> _Arguments:
    candidates = dict(judging.candidates)
    if [*_parameters(fn).values()][1].kind is inspect.Parameter.KEYWORD_ONLY:
        return (judging.prompt,), {"candidates": candidates}
    return (judging.prompt, candidates), {}


def refuse_uncallable(name: str, fn: Callable[..., Any] | None, *, judges: bool) -> None:
    """Raise `UserError` for a function that is not at hand, or cannot be called with what a member, or a judge, is
    given: nobody is paid for candidates that no one could then judge."""
    if fn is None:
        raise UserError(f"{name} is a Python function of another kernel: pass it as functions=[...].")
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return  # one that does not tell its parameters, written in C
    judging = Judging("", {}) if judges else None
    args, named = arguments_for(fn, Request(Ref(PYTHON_SERVICE, ""), (Message("user", ""),), 1, judging=judging))
    try:
        signature.bind(*args, **named)
    except TypeError as error:
        takes = "a judge takes (prompt, candidates), or the prompt alone"
        takes = takes if judges else "a member takes the prompt alone"
        raise UserError(f"{name} cannot be called ({error}): {takes}. Give its other parameters a default.") from None


def _parameters(fn: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return {}
