"""What a run is likely to take, before anything is sent: tokens, USD and seconds from below and from above. Pure.

Prompts are known, so their tokens are judged by their characters; answers are not, so theirs are judged by the model's
own past calls, or else by other models' past, or else by the limit it is given. A judge reads what the others write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fusion_nb.accounts.forecast_types import Forecast, Known, Line, Outline, Problem
from fusion_nb.accounts.token_counts import PER_MESSAGE, CallStatistics, Range, tokens, usual_range, whole_numbers
from fusion_nb.core import Message, Ref, Usage

# Characters a judge is told around what is judged, and a debater around the others' answers: kept in step with the
# prompts by a test.
JUDGE_FRAME, JUDGE_EACH, JUDGE_CRITERION, JUDGE_SCORE = 2019, 136, 2, 12
"""Once; for each candidate; for each criterion beside its name; for each score of a candidate beside that name."""
MERGE_FRAME, SYSTEM_FRAME = 690, 167
DEBATE_FRAME, DEBATE_EACH = 751, 128
CRITERIA = ("correctness", "completeness", "clarity")
"""Those where the person names none."""
LEAST = 20
"""Completion tokens of the shortest answer a model without a past is given credit for."""
_STRANGER = 2.0
"""How much further the range of other models' past reaches when it stands for a model that has none."""
_CHARS_PER_TOKEN = Range(1.0, 5.5)
"""Characters of an answer per completion token: few where a model thinks before it writes."""
_PER_CHAR = Range(0.17, 0.55)
"""Tokens per character of texts nobody has seen yet."""


def forecast(order: Outline, known: Known) -> Forecast:
    """What `order` is likely to take.

    A debate's range begins at no round at all, for its members may agree at once; its end is all its rounds.
    """
    members = [_member(order, known, ref) for ref in order.pool]
    rounds = order.rounds if order.mode == "debate" and len(order.pool) > 1 else 0
    debaters = [_debating(order, known, members, n) for n in range(len(members))] if rounds else []
    lines, problems = [], []
    for n, call in enumerate(members):
        later = [debaters[n]] * rounds if rounds else []
        lines.append(_line(known, call, later))
        problems += _problems(known, [call, *later[:1]])
    if order.judge is not None and len(members) > 1:
        judge = _judge(order, known, order.judge, members)
        lines.append(_line(known, judge, [judge] * (order.orders - 1), surely=True))
        problems += _problems(known, [judge])
    return Forecast(tuple(lines), tuple(problems))


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as far as it can be foreseen."""

    ref: Ref
    is_judge: bool
    prompt: Range[int]
    completion: Range[int]
    said: Range[float]
    """Characters of its answer."""
    seconds: Range[float] | None
    limit: int
    basis: str


def _member(order: Outline, known: Known, ref: Ref) -> Call:
    """A member's first call."""
    past, limit = known.history(ref, "candidate"), order.limits.max_tokens
    texts = [*([order.params.system] if order.params.system else []), order.prompt]
    prompt = _read(texts, ref, past)
    completion, basis = _written(past, known.others("candidate"), limit, LEAST)
    return _call(order, known, ref, past, prompt, completion, limit, basis)


def _debating(order: Outline, known: Known, members: Sequence[Call], place: int) -> Call:
    """A member's call in one round: what it was asked and said, and what the others said."""
    mine, others = members[place], [m for n, m in enumerate(members) if n != place]
    past = known.history(mine.ref, "candidate")
    frame = DEBATE_FRAME + DEBATE_EACH * len(others)
    seen = _unseen(past, frame, [mine.said, *(other.said for other in others)])
    prompt = Range(mine.prompt.low + seen.low, mine.prompt.high + seen.high + 2 * PER_MESSAGE)
    return _call(order, known, mine.ref, past, prompt, mine.completion, mine.limit, mine.basis)


def _judge(order: Outline, known: Known, ref: Ref, members: Sequence[Call]) -> Call:
    """The judge's call. `members`: whose answers it reads; a debate's last answers are as long as its first."""
    past, limit = known.history(ref, "judge"), 2 * order.limits.max_tokens
    merge = order.mode == "merge" or (order.mode == "debate" and order.then == "merge")
    names = [len(name) for name in order.criteria or CRITERIA]
    system = len(order.params.system) + SYSTEM_FRAME if order.params.system else 0
    once = JUDGE_FRAME + sum(size + JUDGE_CRITERION for size in names) + system + (MERGE_FRAME if merge else 0)
    each = JUDGE_EACH + sum(size + JUDGE_SCORE for size in names)
    frame = once + each * len(members)
    seen = _unseen(past, frame + len(order.prompt), [member.said for member in members])
    prompt = Range(seen.low, seen.high + PER_MESSAGE)
    verdict = 60 + 15 * len(members)
    completion, basis = _written(past, known.others("judge"), limit, verdict)
    return _call(order, known, ref, past, prompt, completion, limit, basis, is_judge=True)


def _call(
    order: Outline,
    known: Known,
    ref: Ref,
    past: Sequence[CallStatistics],
    prompt: Range[int],
    completion: Range[int],
    limit: int,
    basis: str,
    *,
    is_judge: bool = False,
) -> Call:
    chars = usual_range([p.reply_chars for p in past if p.reply_chars is not None])
    said = chars or Range(completion.low * _CHARS_PER_TOKEN.low, completion.high * _CHARS_PER_TOKEN.high)
    seconds = _took(known, ref, past, completion)
    if seconds is not None:
        seconds = Range(min(seconds.low, order.limits.timeout), min(seconds.high, order.limits.timeout))
    return Call(ref, is_judge, prompt, completion, said, seconds, limit, basis)


def _read(texts: Sequence[str], ref: Ref, past: Sequence[CallStatistics]) -> Range[int]:
    """Tokens of texts that are known: by their characters, and narrower by what the model counted in the past."""
    each = [tokens(text, ref) for text in texts]
    rough = Range(sum(r.low for r in each), sum(r.high for r in each) + PER_MESSAGE * len(texts))
    ratio = _ratio(past)
    if ratio is None:
        return rough
    chars = sum(map(len, texts))
    own = Range(int(chars * ratio.low * 0.9), int(chars * ratio.high * 1.1) + PER_MESSAGE * len(texts))
    both = Range(max(rough.low, own.low), min(rough.high, own.high))
    # Where the two contradict each other, this text is of another kind than the past ones: both may be wrong.
    return both if both.low <= both.high else Range(min(rough.low, own.low), max(rough.high, own.high))


def _unseen(past: Sequence[CallStatistics], frame: int, said: Iterable[Range[float]]) -> Range[int]:
    """Tokens of a frame of so many characters, and of answers nobody has seen yet."""
    answers = list(said)
    chars = Range(frame + sum(r.low for r in answers), frame + sum(r.high for r in answers))
    ratio = _ratio(past) or _PER_CHAR
    return Range(int(chars.low * ratio.low), int(chars.high * ratio.high) + 1)


def _ratio(past: Sequence[CallStatistics]) -> Range[float] | None:
    """Prompt tokens per character as the model counted them; two calls are no pattern."""
    found = [p.prompt_tokens / p.chars for p in past if p.prompt_tokens is not None and p.chars > 0]
    return usual_range(found) if len(found) > 2 else None


def _written(
    past: Sequence[CallStatistics], others: Sequence[CallStatistics], limit: int, least: int
) -> tuple[Range[int], str]:
    """Completion tokens, and what they are judged by."""
    own = [p.completion_tokens for p in past if p.completion_tokens is not None]
    if own:
        found, basis = usual_range(own), f"{len(own)} past call{'' if len(own) == 1 else 's'}"
    else:
        strangers = usual_range([p.completion_tokens for p in others if p.completion_tokens is not None])
        found = Range(strangers.low / _STRANGER, strangers.high * _STRANGER) if strangers else None
        basis = "other models' past calls" if found else f"no past calls: up to {limit:,} tokens"
    tokens_ = whole_numbers(found) or Range(least, limit)
    return Range(min(tokens_.low, limit), min(tokens_.high, limit)), basis


def _took(known: Known, ref: Ref, past: Sequence[CallStatistics], completion: Range[int]) -> Range[float] | None:
    """Seconds of one call: by the past ones, else by what its service says of its speed."""
    own = usual_range([p.latency for p in past if p.latency is not None])
    speed = known.speed(ref) if own is None else None
    if speed is None or speed.per_second.low <= 0:
        return own
    slowest = speed.ttft.high + completion.high / speed.per_second.low
    return Range(speed.ttft.low + completion.low / speed.per_second.high, slowest)


def _line(known: Known, first: Call, later: Sequence[Call], *, surely: bool = False) -> Line:
    """`surely`: the later calls are made in any case, and beside the first one."""
    every = [first, *later]
    least = len(every) if surely else 1
    rates = known.rates(first.ref)
    costs = [rates.bounds(_usage(c, 0), _usage(c, 1), known.at) if rates else None for c in every]
    priced = [cost for cost in costs if cost is not None]
    usd = Range(priced[0][0] * least, sum((c[1] for c in priced), Decimal(0))) if len(priced) == len(every) else None
    timed = first.seconds
    return Line(
        first.ref.name,
        "judge" if first.is_judge else "candidate",
        first.ref,
        Range(least, len(every)),
        Range(first.prompt.low * least, sum(c.prompt.high for c in every)),
        Range(first.completion.low * least, sum(c.completion.high for c in every)),
        usd,
        Range(timed.low, timed.high * (1 if surely else len(every))) if timed else None,
        first.basis,
        rates.source if rates and usd else "",
    )


def _usage(call: Call, end: int) -> Usage:
    return Usage(call.prompt[end], call.completion[end])


def _problems(known: Known, calls: Sequence[Call]) -> list[Problem]:
    """The first of these calls that does not fit its model, or may not."""
    for call in calls:
        holds = known.context(call.ref)
        if holds is None:
            continue
        certain = call.prompt.low >= holds
        if certain or call.prompt.high + call.limit > holds:
            who = f"the judge, {call.ref.name}" if call.is_judge else call.ref.name
            verb = "will not fit" if certain else "may not fit"
            size = f"{call.prompt.low:,} to {call.prompt.high:,} tokens"
            room = "" if certain else f", and up to {call.limit:,} for its answer"
            said = f"The prompt {verb} {who}: it has {size}{room}, and {call.ref.model} holds {holds:,}."
            return [Problem(call.ref.name, certain, said)]
    return []


def characters(messages: Iterable[Message]) -> int:
    """Characters of a call's prompt, as `Past.chars` counts them."""
    return sum(len(message.content) for message in messages)
