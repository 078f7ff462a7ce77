"""A bounded, coverage-guided fuzz of what reads hostile text: the wire's decoder, the reader of verdicts, the views.

`python -m tests.faults.fuzz --seconds 60 [--seed N] [--target decoder|verdict|views]`. The standard library alone: inputs that
reach lines nobody reached before are kept and mutated further. Ends with 1, and the input, where something breaks.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from tests.faults.fuzz_targets import ROOMS, SEEDS, TARGETS, TOKENS
from tests.faults.fuzz_views import MARKUP

Target = Callable[[bytes, random.Random], None]
LONGEST = 4096


@dataclass
class Found:
    """What a fuzz came to."""

    runs: int = 0
    lines: int = 0
    kept: int = 0
    broke: bytes | None = None
    error: str = ""


@dataclass
class Fuzz:
    """Mutates inputs of one target, keeping those that reach new lines."""

    target: Target
    seeds: Sequence[bytes]
    seed: int
    rooms: Sequence[str] = ROOMS
    """Whose lines count."""
    tokens: Sequence[bytes] = tuple(TOKENS)
    """What is put in."""
    corpus: list[bytes] = field(default_factory=list)
    reached: set[tuple[int, int]] = field(default_factory=set)
    _known: dict[CodeType, bool] = field(default_factory=dict)

    def run(self, *, seconds: float = 1e9, runs: int = 10**9) -> Found:
        found, rng = Found(), random.Random(self.seed)
        until = time.monotonic() + seconds
        pending = list(self.seeds)
        while found.runs < runs and time.monotonic() < until:
            data = (
                pending.pop()
                if pending
                else mutated(rng.choice(self.corpus or list(self.seeds)), self.corpus, rng, self.tokens)
            )
            found.runs += 1
            try:
                new = self._lines(data, random.Random(found.runs))
            except Exception as error:
                found.broke, found.error = data, f"{type(error).__name__}: {error}"
                break
            if new - self.reached:
                self.reached |= new
                self.corpus.append(data)
        found.lines, found.kept = len(self.reached), len(self.corpus)
        return found

    def _lines(self, data: bytes, rng: random.Random) -> set[tuple[int, int]]:
        """The lines of our own code one input reaches."""
        lines: set[tuple[int, int]] = set()

        def local(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                lines.add((id(frame.f_code), frame.f_lineno))
            return local

        def called(frame: FrameType, event: str, _: Any) -> Any:
            return local if self._counts(frame) else None

        before = sys.gettrace()
        sys.settrace(called)
        try:
            self.target(data, rng)
        finally:
            sys.settrace(before)
        return lines

    def _counts(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code not in self._known:
            self._known[code] = any(room in code.co_filename for room in self.rooms)
        return self._known[code]


def mutated(data: bytes, corpus: Sequence[bytes], rng: random.Random, tokens: Sequence[bytes] = TOKENS) -> bytes:
    """`data` with one to eight changes."""
    changed = bytearray(data)
    for _ in range(1 << rng.randrange(4)):
        at = rng.randrange(len(changed) + 1)
        size = rng.choice((1, 1, 2, 4, 16, 64))
        match rng.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = changed[at : at + size] * rng.randrange(1, 5)
            case 3:
                changed[at:at] = rng.choice(tokens)
            case 4:
                other = rng.choice(corpus) if corpus else data
                start = rng.randrange(len(other) + 1)
                changed[at : at + size] = other[start : start + 4 * size]
            case 5:
                changed[at : at + size] = rng.randbytes(size)
            case 6:
                del changed[at:]
        del changed[LONGEST:]
    return bytes(changed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    given = parser.parse_args()
    broken = 0
    for name in given.target or sorted(TARGETS):
        tokens = MARKUP if name == "views" else TOKENS
        found = Fuzz(TARGETS[name], SEEDS[name], given.seed, tokens=tokens).run(seconds=given.seconds)
        print(f"{name}: {found.runs} inputs, {found.lines} lines reached, {found.kept} inputs kept", flush=True)
        if found.broke is not None:
            broken += 1
            print(f"BROKE with {found.error}\n{found.broke!r}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
