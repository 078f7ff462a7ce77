"""The words of a search among models: names, limits of price and context, what a model takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from fusion_nb.core.option_checks import shown
from fusion_nb.errors import UserError
from fusion_nb.providers.model_list import ModelInfo

_PRICE = re.compile(r"<\$?(\d+(?:\.\d+)?)")
_CONTEXT = re.compile(r">(\d+(?:\.\d+)?)([km]?)")
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}


def matches_word(word: str, text: str, prompt_usd_per_mtok: Decimal | None, context: int | None) -> bool:
    """Whether one word of a search is true of a model; the same words search the picker and `%fuse_models`.

    `<2`: its prompt tokens cost less than 2 USD a million; `>100k`: it holds more tokens than that; else a part of
    `text`. What nobody said of a model fits no such word.
    """
    word = word.lower()
    if price := _PRICE.fullmatch(word):
        return prompt_usd_per_mtok is not None and prompt_usd_per_mtok < Decimal(price[1])
    if least := _CONTEXT.fullmatch(word):
        return context is not None and context > Decimal(least[1]) * _TIMES[least[2]]
    return word in text.lower()


def search_models(models: Iterable[ModelInfo], words: str) -> list[ModelInfo]:
    """The models that every word is true of. Raises `UserError` for a limit without its number: none would fit it."""
    for word in words.lower().split():
        if word[0] in "<>" and not (_PRICE.fullmatch(word) or _CONTEXT.fullmatch(word)):
            takes = "USD for a million prompt tokens, like <2" if word[0] == "<" else "tokens of context, like >100k"
            raise UserError(f"{shown(word)}: {word[0]} takes a number of {takes}.")
    return [
        info
        for info in models
        if all(
            matches_word(
                word,
                f"{info.alias} {info.ref} {info.name} {' '.join(kind for kind in info.modalities if kind != 'text')}",
                info.prompt_usd_per_mtok,
                info.context,
            )
            for word in words.split()
        )
    ]


_MODALITIES = frozenset({"image", "images", "audio", "video", "file"})


def modality_note(models: Iterable[ModelInfo], words: str) -> str:
    """A sentence where a search asks what models take, and no list at hand says it; else empty."""
    asked = next((word for word in words.lower().split() if word in _MODALITIES), None)
    if asked is None or any(info.modalities for info in models):
        return ""
    return (
        f"Which models take {asked} is told by a service's own list alone, and none could be read just now: only what "
        f"has {asked} in its name is listed."
    )
