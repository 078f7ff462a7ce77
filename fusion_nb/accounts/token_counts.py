"""Token counts as ranges: of a text without a tokenizer, and of the next call by what past calls took.

Each kind of character run has a least and a most per vocabulary. Fitted to five public vocabularies (o200k, Gemma 3,
Qwen 3; Claude 2, Llama 2) on 566 texts: prose, code, data, 14 languages. Large vocabularies of today make fewer tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from fusion_nb.core import Ref, Reply

PER_MESSAGE = 16
"""Tokens a service adds around each message (role, separators) at most: a cap holds for them, so a chat template with
names and turn marks must fit in. Public templates take 3 to 10; some services count none."""
_RUN = re.compile(
    r"(?P<word>[A-Za-z\xc0-\u024f\u1e00-\u1eff]+)|(?P<digits>[ \t]?[0-9]+)|(?P<marks>[!-/:-@\[-`{-~]+)"
    r"|(?P<lines>[\r\n]+[ \t]*)|(?P<blanks>[ \t]{2,})|(?P<blank>[ \t])|(?P<other>[^\x00-\x7f]+)|(?P<control>.)",
    re.DOTALL,
)
_HUMP = re.compile(r"(?<=[a-z])[A-Z]")
_REPEATED = re.compile(r"(.)\1*", re.DOTALL)
_LARGE = re.compile(r"gpt-|/o\d|^o\d|chatgpt|gemini|gemma|qwen|deepseek|llama-?[34]|grok|kimi|glm|minimax|nemotron")
_CLAUDE = re.compile(r"claude")
_SAMPLE = 200_000
"""Characters from which on a text is counted by samples."""


class _Band(NamedTuple):
    """Tokens: the least, the most in a large vocabulary of today, the most in any other."""

    low: float
    large: float
    small: float


# The end of each block of code points, and what a character in it takes.
_BLOCKS = (
    (0x250, _Band(0.1, 1.0, 2.3)),  # Latin
    (0x370, _Band(0.4, 2.0, 2.0)),  # combining marks
    (0x400, _Band(0.3, 1.0, 1.25)),  # Greek
    (0x530, _Band(0.2, 0.65, 1.2)),  # Cyrillic
    (0x800, _Band(0.3, 1.0, 1.3)),  # Hebrew, Arabic
    (0x1E00, _Band(0.2, 1.15, 1.9)),  # Indic, Thai and others
    (0x2000, _Band(0.1, 1.0, 2.3)),  # more Latin and Greek
    (0x2E80, _Band(0.4, 2.0, 3.0)),  # signs
    (0xAC00, _Band(0.45, 1.05, 1.4)),  # Chinese, Japanese
    (0xD7B0, _Band(0.45, 1.1, 1.8)),  # Korean
    (0x10000, _Band(0.4, 1.6, 3.0)),
    (0x110000, _Band(0.5, 3.0, 4.0)),  # emoji
)
_ENDS = [end for end, _ in _BLOCKS]


def token_range(text: str, ref: Ref) -> Range[int]:
    """Tokens of `text` for a model: from the least to the most a vocabulary like its own makes of it."""
    sampled, scale = text, 1.0
    if len(text) > _SAMPLE:
        step = len(text) // 10
        sampled = "".join(text[at : at + _SAMPLE // 10] for at in range(0, step * 10, step))
        scale = len(text) / len(sampled)
    low = large = small = 0.0
    for run in _RUN.finditer(sampled):
        band = _band(run.lastgroup or "", run[0])
        low, large, small = low + band.low, large + band.large, small + band.small
    # The vocabularies of newer Claude models are not public, and are said to make up to a third more tokens.
    name = f"{ref.service}/{ref.model}".lower() if ref.service == "openrouter" else ref.model.lower()
    high = large if _LARGE.search(name) else small * (1.3 if _CLAUDE.search(name) else 1.0)
    margin = 1.15 if scale == 1.0 else 1.25
    size = len(text.encode("utf-8", "replace"))
    return Range(int(low * scale * 0.95 * (1.15 / margin)), min(size, int(high * scale * margin) + 3) if text else 0)


_CUT = 0.8
_LEAST_CONTEXT = 200
"""Tokens: a server that cuts a prompt leaves more; a smaller count is one nobody made."""


def prompt_cut(texts: Sequence[str], ref: Ref, counted: int | None) -> bool:
    """Whether a service that counted so many prompt tokens cannot have read all of the prompt.

    Some servers cut what exceeds their context and answer all the same (Ollama's compatible endpoint).
    """
    if counted is None or counted < _LEAST_CONTEXT or sum(map(len, texts)) < 4 * counted:
        return False
    return counted < _CUT * sum(token_range(text, ref).low for text in texts)


def _band(kind: str, run: str) -> _Band:
    """Tokens of one run of characters."""
    n = len(run)
    match kind:
        case "blank":
            return _Band(0.0, 0.0, 0.0)  # it belongs to the word behind it
        case "word" if n > 24:
            return _Band(n / 6, n / 1.4, n / 1.2)  # no word of a language: keys, encoded data
        case "word":
            humps, caps, rest = len(_HUMP.findall(run)), n if n > 1 and run.isupper() else 0, max(0, n - 5)
            accents = 0 if run.isascii() else sum(c > "\x7f" for c in run)
            far = 0.3 * max(0, n - 10)
            most = 1.08 + 0.1 * rest + far + humps + 0.15 * caps + 0.9 * accents
            return _Band(0.93 + 0.2 * humps, most, 1.18 + 0.15 * rest + far + 1.3 * humps + 0.25 * caps + 2.1 * accents)
        case "digits":
            return _Band(-(-(n - (run[0] < "0")) // 3), n, n)  # a blank before a number is often a token of its own
        case "marks":
            kinds = len(_REPEATED.findall(run))
            return _Band(0.5 * kinds, kinds + (n - kinds) / 4, kinds + (n - kinds) / 4)
        case "lines":
            more = n > 1
            return _Band(0.7, 1.25 + 1.5 * more, 1.6 + 2 * more)
        case "blanks":
            return _Band(0.4, 1.6, 2.2)
        case "other":
            bands = [_BLOCKS[bisect_right(_ENDS, ord(c))][1] for c in run]
            return _Band(*(sum(column) for column in zip(*bands, strict=True)))
        case _:
            return _Band(0.3, 1.0, 2.0)


N = TypeVar("N", int, float, Decimal)
TAIL = 0.05
"""The part of the past that is left out on either side: a range covers nine calls in ten."""


class Range(NamedTuple, Generic[N]):
    """From `low` to `high`, both of them likely enough to be met."""

    low: N
    high: N


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """One call of the past, as far as a forecast cares. What nobody reported is `None`."""

    prompt_tokens: int | None
    chars: int
    """Characters of its prompt: all messages together."""
    completion_tokens: int | None
    ttft: float | None = None
    latency: float | None = None
    reply_chars: int | None = None
    """Characters of its reply; they are fewer than its tokens tell where a model thinks before it writes."""

    @classmethod
    def of(cls, reply: Reply, chars: int) -> CallStatistics:
        """A past reply. `chars`: characters of all messages it was asked with."""
        usage = reply.usage
        return cls(usage.prompt, chars, usage.completion, reply.ttft, reply.latency, len(reply.text))


def usual_range(values: Sequence[float]) -> Range[float] | None:
    """Where the next value is likely to be: between the 5th and the 95th percentile of the past ones.

    By order statistics: of n values, the k-th from below and from above hold the next one between them with probability
    (n + 1 - 2k) / (n + 1), whatever they are drawn from (Wilks 1941). A short past is widened: it has seen little.
    """
    if not values:
        return None
    ordered, n = sorted(values), len(values)
    k = max(1, int(TAIL * (n + 1)))
    stretch = 1 + (0 if n >= 1 / TAIL - 1 else 2 / n)
    return Range(ordered[k - 1] / stretch, ordered[-k] * stretch)


def whole_numbers(numbers: Range[float] | None) -> Range[int] | None:
    """The range widened to whole numbers."""
    return Range(int(numbers.low), -int(-numbers.high // 1)) if numbers else None
