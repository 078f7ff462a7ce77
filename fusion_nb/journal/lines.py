"""An event as a line of a file, and a file's lines as events: what can be read is kept, whatever stands around it."""

from __future__ import annotations

import itertools
import json
import os
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fusion_nb._events import SCHEMA, Event, TextDelta, from_json, to_json
from fusion_nb.journal import lock
from fusion_nb.journal.home import NO_LINKS


@dataclass(frozen=True, slots=True)
class Past:
    """What a run's file says."""

    events: tuple[Event, ...] = ()
    """In order. Deltas were joined on their way here, so `seq` has gaps."""
    under_way: bool = False
    """Whether some process is writing it."""
    damaged: bool = False
    """Lines were lost: garbage, or a file cut in the middle. A last line that was never finished is no damage."""
    newer: bool = False
    """A newer fusion_nb wrote it, as its first line tells; `events` has what this one understands."""


def line(event: Event) -> bytes:
    """The event as one line. ASCII: a model's lone surrogate or line separator cannot break the file."""
    return json.dumps(to_json(event), separators=(",", ":"), default=str).encode("ascii") + b"\n"


def joined(deltas: Iterable[TextDelta]) -> list[TextDelta]:
    """As few deltas as say the same: neighbours of one call and channel become one, with the `seq` of the last."""
    open_: dict[int, tuple[TextDelta, list[str]]] = {}
    done: list[TextDelta] = []
    for delta in deltas:
        held = open_.get(delta.call)
        if held is not None and held[0].channel == delta.channel:
            held[1].append(delta.text)
            open_[delta.call] = (delta, held[1])
            continue
        if held is not None:
            done.append(_closed(*held))
        open_[delta.call] = (delta, [delta.text])
    done += [_closed(*held) for held in open_.values()]
    return sorted(done, key=lambda delta: delta.seq)


def _closed(last: TextDelta, texts: list[str]) -> TextDelta:
    return last if len(texts) == 1 else replace(last, text="".join(texts))


def read(path: Path) -> Past:
    """Everything readable of a run's file. Raises `OSError` where it cannot be opened; a link is not followed."""
    fd = os.open(path, os.O_RDONLY | NO_LINKS)
    with os.fdopen(fd, "rb") as file:
        # First: a run that ends between the two must not look as if its kernel had died.
        under_way = lock.held(fd)
        written = file.read()
    return parse(written, under_way=under_way)


def parse(written: bytes, *, under_way: bool = False) -> Past:
    """The events in a file's bytes."""
    *lines, torn = written.split(b"\n")
    found = [understood(each) for each in lines]
    newer = any(is_newer for _, is_newer in found)
    damaged = any(event is None and not is_newer for event, is_newer in found)
    events = tuple(event for event, _ in (*found, understood(torn)) if event is not None)
    return Past(events, under_way, damaged, newer)


def gathered(events: Iterable[Event]) -> Iterator[Event]:
    """The same in fewer events: the text between two others as few deltas as can be."""
    for is_text, some in itertools.groupby(events, lambda event: isinstance(event, TextDelta)):
        if is_text:
            yield from joined(typing.cast(Iterable[TextDelta], some))
        else:
            yield from some


def understood(written: bytes) -> tuple[Event | None, bool]:
    """(the event on a line, where there is one; whether a newer fusion_nb wrote it)."""
    newer = False
    try:
        data = json.loads(written)
        if not isinstance(data, dict):
            return None, False
        newer = isinstance(data.get("v"), int) and data["v"] > SCHEMA
        return from_json({**data, "v": SCHEMA} if newer else data), newer
    except (ValueError, RecursionError):
        return None, newer


def is_under_way(path: Path) -> bool:
    """Whether some process is writing this file."""
    try:
        fd = os.open(path, os.O_RDONLY | NO_LINKS)
    except OSError:
        return False
    try:
        return lock.held(fd)
    finally:
        os.close(fd)
