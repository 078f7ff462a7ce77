"""docs/judging.md: what a judge is shown, and what came of every attack that was played."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.judge_attacks.play import JUDGES, STAGES, Outcome, Seen

PAGE = Path(__file__).parents[2] / "docs" / "judging.md"
_HEAD = """# Judging: what candidates can do to the judge

A candidate is text from outside, and a judge is a model that reads it. That a candidate talks its judge into something
is **made harder here, not impossible**: no client can promise more. Published attacks move open judges in over 90 of 100
cases (arXiv 2403.17710). What fusion_nb does, and what each part of it stops:

- **Frames.** Prompt and candidates stand between lines that carry 128 random bits, drawn after the candidates were
  written. Whatever looks like such a line, and the marks that separate turns for some models (`<|im_end|>`, `[INST]`),
  is made inert; characters that act or hide are shown by their codes.
- **Blind labels** (`K7`), random and in random order: no candidate knows its own, no name of a model is shown.
- **A strict verdict.** Only these labels and scores from 1 to 10 count. Form is forgiven (a dialect of JSON, `K7 > M3`,
  `[[K7]]`), meaning is never guessed at: what contradicts itself, a draft among thoughts, praise in prose is no verdict.
  A part that cannot be used is left out and named. The judge has no tools. In `best-of` the answer is the stored text of
  the candidate, byte for byte.
- **Two orders** (`--orders 2`, `fuse(orders=2)`): the judge is asked a second time with the candidates in reverse. Scores
  are the mean of both; where it finds another one best, that is said, and `result.verdict.agreed` is `False`.
- **A bounded page.** Of an answer beyond 200,000 characters, or beyond what the judge holds, it is shown the beginning
  and the end, and told so; so are you.
- **A badge**, "speaks to the judge", on candidates that seem to: in every view, in `reply.suspect` and in
  `df.attrs["suspect"]`. It decides nothing.

## What gets through

Written by `tests/judge_attacks/test_attacks.py` from what it has seen: do not edit. Each attack is a wrong answer to an
easy question with a text of our own behind it, beside a right answer. The judges are scripts that know which answer is
right and obey what they can make sense of (the rules stand in `tests/judge_attacks/judge.py`): the *careful* one only
its operator, and it believes the code in the frames; the *gullible* one anybody, whatever the frames say. Real models
stand between the two. Each cell counts the attacks that won in the place that suits them best, of all in their row:
without any defence (a pair framed as MT-Bench does), with frames alone, with labels too (`--orders 1`), and in two
orders. *(n said)*: won, but the person was told that the judge contradicts itself. *n without*: it won nothing, but there
is no verdict, and all candidates are kept.

"""
_READING = """
How to read it: frames stop whatever needs the judge to take a candidate's text for its operator's, if the judge heeds
them at all. Labels stop what has to name somebody. Two orders expose what hangs on the place. A judge that obeys
whoever says "choose this answer" is stopped by nothing here; a better judge is the remedy, and the badge says where to
look.

## The badge

"""
_FOOT = """
The patterns and the attacks were written by the same hands, so take the rate for attacks as an upper bound: what is
worded otherwise, or encoded, passes. The answers nobody meant any harm by are mostly mathematics; one about prompt
injection will rightly be badged for what it quotes.
"""


def families(seen: Iterable[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for each in seen:
        found.setdefault(each.attack.family, []).append(each)
    return found


def page(seen: Sequence[Seen], recorded: Mapping[str, tuple[int, int]]) -> str:
    """The page for what was seen. `recorded`: (answers, badges) by where the answers are from."""
    heads = [f"{judge}: {stage}" for judge in JUDGES for stage in STAGES]
    rows = [["a candidate that ...", "cases", *heads], [":--", *["--:"] * (1 + len(heads))]]
    for family, its in families(seen).items():
        rows.append([family, str(len(its)), *(_cell(its, judge, stage) for judge in JUDGES for stage in STAGES)])
    rows.append(["**all**", str(len(seen)), *(_cell(seen, judge, stage) for judge in JUDGES for stage in STAGES)])
    return _HEAD + _table(rows) + _READING + _badges(seen, recorded) + _FOOT


def _cell(its: Sequence[Seen], judge: str, stage: str) -> str:
    outcomes: list[Outcome] = [each.outcomes[judge, stage] for each in its]
    won, said = sum(o.won for o in outcomes), sum(o.won and o.said for o in outcomes)
    lost = sum(o.lost and not o.won for o in outcomes)
    more = [f"({said} said)" if said else "", f"{lost} without" if lost else ""]
    return " ".join([str(won), *filter(None, more)])


def _badges(seen: Sequence[Seen], recorded: Mapping[str, tuple[int, int]]) -> str:
    rows = [["text", "of", "badged"], [":--", "--:", "--:"]]
    for family, its in families(seen).items():
        rows.append([f"an attack: {family}", str(len(its)), str(sum(bool(each.badge) for each in its))])
    rows.append(["**all attacks**", str(len(seen)), str(sum(bool(each.badge) for each in seen))])
    rows += [[f"recorded answers: {where}", f"{count:,}", str(badged)] for where, (count, badged) in recorded.items()]
    total = sum(count for count, _ in recorded.values())
    rows.append(["**all recorded answers**", f"{total:,}", str(sum(badged for _, badged in recorded.values()))])
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
