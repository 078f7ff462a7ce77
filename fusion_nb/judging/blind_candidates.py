"""How candidates reach a judge: blind, shuffled, each inside a frame that no text can close.

Labels and order come from the run's seed, so the same seed shows the judge the same page. The nonce in the frames does
not: it is drawn after every candidate has been written, so no candidate can know it (spotlighting by random delimiter,
arXiv 2403.14720).

How much of the candidates a judge is shown is worked out here as well, from the context length of its model.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fusion_nb.accounts.token_counts import token_range
from fusion_nb.core import ModeInput, Ref, Reply
from fusion_nb.core.default_ignorable import character_class
from fusion_nb.core.run_spec import MOST, RunSpec, excerpt

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without I and O, which look like 1 and 0."""

_EQUALS = "=\uff1d\u2550\ufe66\u207c"
"""The sign of our frames and those that look like it."""
_RUN = re.compile(rf"([{_EQUALS}](?:[^\S\n]*+[{_EQUALS}])++)([^\S\n]*+(?:BEGIN|END)\b)?", re.IGNORECASE)
"""A run is taken whole whether or not BEGIN or END follows: that keeps the search linear in the text."""
_TOKEN = re.compile(
    r"<(?=[|\uff5c][^\s|\uff5c<>]{1,40}[|\uff5c]>|/?(?:start|end)_of_turn>|<?/?SYS>>)|\[(?=/?INST\])", re.IGNORECASE
)
"""Begins what separates the turns of a conversation for some model: a few servers take it so in any text."""
_NEWLINES = re.compile("\r\n|[\r\x85\u2028\u2029]")
_NEEDED = ((0x200C, 0x200F), (0x061C, 0x061C), (0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
"""Joiners, direction marks and variation selectors: scripts and emoji need them, one at a time."""
_HIDDEN = re.compile(
    rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{character_class(*_NEEDED)}]|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{{2,}}"
)
"""Control characters, what reorders a line, and what is invisible."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNKNOWN_ROOM = 2 * MOST
"""Characters of all candidates together that a judge is shown of whom nobody knows how much it holds."""


@dataclass(frozen=True, slots=True)
class BlindCandidate:
    """One candidate as a judge sees it."""

    label: str
    reply: Reply
    limit: int = MOST
    """Characters of its text that are shown; of a longer one, its beginning and its end."""

    @property
    def text(self) -> str:
        return excerpt(self.reply.text, self.limit)

    @property
    def left_out(self) -> int:
        """Characters that are not shown."""
        return max(0, len(self.reply.text) - self.limit)


@dataclass(frozen=True, slots=True)
class BlindCandidates:
    """The candidates of a task in the order shown, under their blind labels."""

    shown: tuple[BlindCandidate, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(s.label for s in self.shown)

    @property
    def calls(self) -> Mapping[str, int]:
        """Blind label -> call."""
        return {s.label: s.reply.call for s in self.shown}

    @property
    def names(self) -> Mapping[str, str]:
        """Blind label -> the name people know the member by."""
        return {s.label: s.reply.ref.name for s in self.shown}

    @property
    def reversed(self) -> BlindCandidates:
        """The same candidates under the same labels, the last one first."""
        return BlindCandidates(self.shown[::-1])

    @property
    def note(self) -> str:
        """For people: whose text the judge did not see whole; empty where it saw all."""
        parts = [
            f"{s.limit:,} of the {len(s.reply.text):,} characters of {s.reply.ref.name}'s answer"
            for s in self.shown
            if s.left_out
        ]
        return f"The judge was shown {' and '.join(parts)}: their beginning and their end." if parts else ""


def blind_candidates(task: ModeInput) -> BlindCandidates:
    """The candidates of `task`, shuffled and labelled by its seed."""
    rng = random.Random(task.seed)
    labels = blind_labels(rng, len(task.candidates), texts_of(task))
    shuffled = list(task.candidates)
    rng.shuffle(shuffled)
    limit = fair_share([len(reply.text) for reply in shuffled], task.room)
    return BlindCandidates(
        tuple(BlindCandidate(label, reply, limit) for label, reply in zip(labels, shuffled, strict=True))
    )


def fair_share(sizes: Sequence[int], room: int | None = None) -> int:
    """Characters of each text, so that all fit into `room`: what a short one leaves free goes to the longer."""
    free = _UNKNOWN_ROOM if room is None else room
    for place, size in enumerate(sorted(sizes)):
        share = free // (len(sizes) - place)
        if size > share:
            return min(share, MOST)
        free -= size
    return MOST


def blind_labels(rng: random.Random, count: int, texts: Iterable[str] = ()) -> tuple[str, ...]:
    """`count` labels such as `K7`. First letters are distinct while they last.

    A label that stands as a word in one of `texts` (F1 score, A4 paper) is passed over, so that what a judge writes can
    be read without doubt.
    """
    taken = {word for text in texts for word in re.findall(r"(?<![A-Za-z0-9_])[A-Z][1-9](?![A-Za-z0-9_])", text)}
    columns = rng.sample(LETTERS, len(LETTERS))
    digits = {letter: rng.sample("123456789", 9) for letter in columns}
    labels = [letter + digits[letter][row] for row in range(9) for letter in columns]
    free = [label for label in labels if label not in taken]
    return tuple((free + [label for label in labels if label in taken])[:count])


def nonce(texts: Iterable[str] = ()) -> str:
    """128 random bits as hex, found in none of `texts`."""
    texts = tuple(texts)
    while True:
        code = secrets.token_hex(16)
        if not any(code in text for text in texts):
            return code


def frame(title: str, text: str, nonce: str) -> str:
    """`text` between the two lines only we can write. `title`: `PROMPT`, `CANDIDATE K7` ..."""
    return f"===== BEGIN {title} {nonce} =====\n{neutralize(text)}\n===== END {title} {nonce} ====="


def frames(shown: Sequence[BlindCandidate], nonce: str) -> str:
    """Every candidate in its frame, and which of them were cut off."""
    parts = [frame(f"CANDIDATE {s.label}", s.text, nonce) for s in shown]
    cut = [s.label for s in shown if s.reply.status == "incomplete"]
    if cut:
        parts.append(f"Candidate {', '.join(cut)}: cut off before the end, by a limit of length or of the connection.")
    parts += [
        f"Candidate {s.label}: too long to be shown whole; {s.left_out:,} characters in its middle are left out here. "
        "Judge what is there."
        for s in shown
        if s.left_out
    ]
    return "\n\n".join(parts)


def neutralize(text: str) -> str:
    """`text` as it may stand in a frame: readable as before, but what hides or imitates a frame is made visible."""
    clean = _SURROGATE.sub("\ufffd", _NEWLINES.sub("\n", text))
    return _TOKEN.sub(r"\g<0> ", _RUN.sub(_spaced, _HIDDEN.sub(_picture, clean)))


def _spaced(match: re.Match[str]) -> str:
    if not match[2]:
        return match[0]
    return " ".join("=" for char in match[1] if char in _EQUALS) + match[2]


def _picture(match: re.Match[str]) -> str:
    """The control character's own picture (`\u241b` for escape), else its code in brackets."""
    code = ord(match[0][0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "".join(f"<U+{ord(char):04X}>" for char in match[0])


def texts_of(task: ModeInput) -> tuple[str, ...]:
    """Everything the members were given and wrote, of very long answers as much as a judge may be shown."""
    return (task.prompt, task.system or "", *(excerpt(c.text) for c in task.candidates))


_FRAME = 2_500
"""Tokens of what a judge is told around the candidates, at most."""
LEAST = 4_000
"""Characters that are shown even where there seems to be no room: the service will say so."""


def judge_context_budget(
    spec: RunSpec, candidates: Sequence[Reply], judge: Ref, context: Callable[[Ref], int | None]
) -> int | None:
    """Characters of all candidates together that fit `judge`, beside the prompt and its own answer; `None`: unknown."""
    texts = [excerpt(reply.text) for reply in candidates]
    size = sum(map(len, texts))
    # A model on this machine may hold so little that any candidate matters.
    window = context(judge)
    if window is None:
        return None
    question = token_range(spec.prompt, judge).high + token_range(spec.params.system or "", judge).high
    # A model may be given less for its answer than it is asked for, but never less than it needs for a verdict.
    answer = min(2 * spec.limits.max_tokens, window // 4)
    free = window - question - answer - _FRAME
    per_token = size / max(1, sum(token_range(text, judge).high for text in texts))
    return max(LEAST, int(free * per_token))
