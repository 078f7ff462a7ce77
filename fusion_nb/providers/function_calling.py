"""How a function of the person's own is called, and how what it returns becomes a reply."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fusion_nb.core import Message, Ref, Request
from fusion_nb.core.values import PYTHON_SERVICE, Judging
from fusion_nb.errors import ProviderError, UserError

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


_MISSING = object()
_TEXT_FIELDS = ("content", "text", "answer", "output_text")


def text_of(value: Any) -> str:
    """The text in what a function gave: itself, or the text of a library's message, reply or chunk.

    Raises `ProviderError` for what is no text: shown by its `str()` it would be taken for an answer.
    """
    text = _text_in(value)
    if text is None:
        raise ProviderError(
            "function",
            f"The function gave a {type(value).__name__}, which is no text: return a str, or an object with the text "
            "in .content or .text.",
        )
    return text


def _text_in(value: Any, depth: int = 0) -> str | None:
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (bool, int, float, Decimal)):
        return str(value)
    if depth > 4 or isinstance(value, type):
        return None
    if isinstance(value, (list, tuple)):  # the content of a message, in parts
        if not depth:
            return None
        parts = [_text_in(part, depth + 1) for part in value if not isinstance(part, (bool, int, float))]
        return None if None in parts or len(parts) != len(value) else "".join(part for part in parts if part)
    choices = _field(value, "choices")
    if isinstance(choices, (list, tuple)) and choices:  # a chat completion, or a chunk of one
        inner = _field(choices[0], "message") or _field(choices[0], "delta") or choices[0]
        return _text_in(inner, depth + 1)
    fields = [_field(value, name, _MISSING) for name in (*_TEXT_FIELDS, "message")]
    present = [field for field in fields if field is not _MISSING and not callable(field)]
    return _text_in(next((field for field in present if field is not None), None), depth + 1) if present else None


def _field(value: Any, name: str, default: Any = None) -> Any:
    try:
        return value.get(name, default) if isinstance(value, Mapping) else getattr(value, name, default)
    except Exception:  # noqa: BLE001  a property of somebody's object
        return default


def verdict_reader(judging: Judging | None) -> Callable[[Any], str]:
    """What a judge of the form `judge(prompt, candidates)` may give, as a verdict: the label of the best, the labels
    best first, or numbers by label, more is better. A text that is no label is read as a verdict a model wrote."""
    labels = tuple(judging.candidates) if judging else ()

    def read(value: Any) -> str:
        if isinstance(value, str) and value in labels:
            value = [value]
        if isinstance(value, Mapping) and value and all(_is_number(number) for number in value.values()):
            _refuse_other(value, labels)
            if set(value) != set(labels):
                raise ProviderError("function", f"The judge gave numbers for {len(value)} of {len(labels)} candidates.")
            value = sorted(value, key=lambda label: -value[label])
        if isinstance(value, (list, tuple)) and value:
            _refuse_other(value, labels)
            return json.dumps({"rationale": "", "ranking": [*value, *(each for each in labels if each not in value)]})
        return text_of(value)

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_other(given: Iterable[Any], labels: Sequence[str]) -> None:
    if unknown := [each for each in given if each not in labels]:
        raise ProviderError("function", f"The judge named {unknown[0]!r}: the candidates are {', '.join(labels)}.")
