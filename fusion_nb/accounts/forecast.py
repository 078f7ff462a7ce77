"""What a run is likely to take, before anything is sent: tokens, USD and seconds from below and from above. Pure.

Prompts are inputs, so their tokens are judged by their characters; answers are not, so theirs are judged by the model's
own past calls, or else by other models' past, or else by the limit it is given. A judge reads what the others write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fusion_nb.accounts.forecast_types import ContextProblem, Forecast, ForecastInputs, ForecastLine
from fusion_nb.accounts.token_counts import PER_MESSAGE, CallStatistics, Range, token_range, usual_range, whole_numbers
from fusion_nb.core import Message, Ref, Usage
from fusion_nb.core.run_spec import RunSpec, first_messages, token_limit

_SHORTEST_ANSWER = 20
"""Completion tokens of the shortest answer a model without a past is given credit for."""
_STRANGER = 2.0
"""How much further the range of other models' past reaches when it stands for a model that has none."""
_CHARS_PER_TOKEN = Range(1.0, 5.5)
"""Characters of an answer per completion token: few where a model thinks before it writes."""
_PER_CHAR = Range(0.17, 0.55)
"""Tokens per character of texts nobody has seen yet."""


def forecast(spec: RunSpec, inputs: ForecastInputs) -> Forecast:
    """What `spec` is likely to take.

    A debate's range begins at no round at all, for its members may agree at once; its end is all its rounds. A
    cascade's begins at the vote of its first members. Where checks, a vote or a cascade may find the answer, a judge
    may not be asked.
    """
    selection = spec.selection
    members = [_member(spec, inputs, ref) for ref in spec.pool]
    rounds = spec.rounds if spec.mode == "debate" and len(spec.pool) > 1 else 0
    debaters = [_debating(spec, inputs, members, n) for n in range(len(members))] if rounds else []
    lines, problems = [], []
    for n, call in enumerate(members):
        later = [debaters[n]] * rounds if rounds else [call] * selection.deeper
        lines.append(_line(inputs, call, later))
        problems += _problems(inputs, [call, *later[:1]])
    more = [_member(spec, inputs, ref) for ref in selection.escalate]
    for call in more:
        lines.append(_line(inputs, call, [], least=1 if selection.escalate_shadow else 0))
        problems += _problems(inputs, [call])
    members = [*members, *more]
    spared = bool(selection.checks or selection.escalate or spec.mode == "vote")
    for ref in spec.judges if len(members) > 1 else ():
        judge = _judge(spec, inputs, ref, members)
        lines.append(_line(inputs, judge, [judge] * (spec.orders - 1), least=0 if spared else spec.orders))
        problems += _problems(inputs, [judge])
    return Forecast(tuple(lines), tuple(problems))


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as far as it can be foreseen."""

    ref: Ref
    is_judge: bool
    prompt: Range[int]
    completion: Range[int]
    reply_chars: Range[float]
    seconds: Range[float] | None
    limit: int
    basis: str


def _member(spec: RunSpec, inputs: ForecastInputs, ref: Ref) -> Call:
    """A member's first call."""
    past, limit = inputs.history(ref, "candidate"), token_limit(spec.limits.max_tokens, ref, "candidate")
    texts = [message.content for message in first_messages(spec.prompt, spec.params.system, ref)]
    prompt = _prompt_tokens(texts, ref, past)
    completion, basis = _written(past, inputs.others("candidate"), limit, _SHORTEST_ANSWER)
    return _call(spec, inputs, ref, past, prompt, completion, limit, basis)


def _debating(spec: RunSpec, inputs: ForecastInputs, members: Sequence[Call], place: int) -> Call:
    """A member's call in one round: what it was asked and said, and what the others said."""
    own, others = members[place], [m for n, m in enumerate(members) if n != place]
    past = inputs.history(own.ref, "candidate")
    answers = [own.reply_chars, *(other.reply_chars for other in others)]
    unseen = _unseen(past, inputs.debate_frame(len(others)), answers)
    prompt = Range(own.prompt.low + unseen.low, own.prompt.high + unseen.high + 2 * PER_MESSAGE)
    return _call(spec, inputs, own.ref, past, prompt, own.completion, own.limit, own.basis)


def _judge(spec: RunSpec, inputs: ForecastInputs, ref: Ref, members: Sequence[Call]) -> Call:
    """The judge's call. `members`: whose answers it reads; a debate's last answers are as long as its first."""
    past, limit = inputs.history(ref, "judge"), token_limit(spec.limits.max_tokens, ref, "judge")
    frame = inputs.judge_frame(spec) + len(spec.prompt) + len(spec.params.system or "")
    unseen = _unseen(past, frame, [member.reply_chars for member in members])
    prompt = Range(unseen.low, unseen.high + PER_MESSAGE)
    verdict = 60 + 15 * len(members)
    completion, basis = _written(past, inputs.others("judge"), limit, verdict)
    return _call(spec, inputs, ref, past, prompt, completion, limit, basis, is_judge=True)


def _call(
    spec: RunSpec,
    inputs: ForecastInputs,
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
    reply_chars = chars or Range(completion.low * _CHARS_PER_TOKEN.low, completion.high * _CHARS_PER_TOKEN.high)
    seconds = _seconds(inputs, ref, past, completion)
    if seconds is not None:
        seconds = Range(min(seconds.low, spec.limits.timeout), min(seconds.high, spec.limits.timeout))
    return Call(ref, is_judge, prompt, completion, reply_chars, seconds, limit, basis)


def _prompt_tokens(texts: Sequence[str], ref: Ref, past: Sequence[CallStatistics]) -> Range[int]:
    """Tokens of texts at hand: by their characters, and narrower by what the model counted in the past."""
    each = [token_range(text, ref) for text in texts]
    rough = Range(sum(r.low for r in each), sum(r.high for r in each) + PER_MESSAGE * len(texts))
    ratio = _ratio(past)
    if ratio is None:
        return rough
    chars = sum(map(len, texts))
    own = Range(int(chars * ratio.low * 0.9), int(chars * ratio.high * 1.1) + PER_MESSAGE * len(texts))
    both = Range(max(rough.low, own.low), min(rough.high, own.high))
    # Where the two contradict each other, this text is of another kind than the past ones: both may be wrong.
    return both if both.low <= both.high else Range(min(rough.low, own.low), max(rough.high, own.high))


def _unseen(past: Sequence[CallStatistics], frame: int, reply_chars: Iterable[Range[float]]) -> Range[int]:
    """Tokens of a frame of so many characters, and of answers nobody has seen yet."""
    answers = list(reply_chars)
    chars = Range(frame + sum(r.low for r in answers), frame + sum(r.high for r in answers))
    ratio = _ratio(past) or _PER_CHAR
    return Range(int(chars.low * ratio.low), int(chars.high * ratio.high) + 1)


def _ratio(past: Sequence[CallStatistics]) -> Range[float] | None:
    """Prompt tokens per character as the model counted them; two calls are no pattern."""
    ratios = [p.prompt_tokens / p.chars for p in past if p.prompt_tokens is not None and p.chars > 0]
    return usual_range(ratios) if len(ratios) > 2 else None


def _written(
    past: Sequence[CallStatistics], others: Sequence[CallStatistics], limit: int, least: int
) -> tuple[Range[int], str]:
    """Completion tokens, and what they are judged by."""
    own = [p.completion_tokens for p in past if p.completion_tokens is not None]
    if own:
        usual, basis = usual_range(own), f"{len(own)} past call{'' if len(own) == 1 else 's'}"
    else:
        strangers = usual_range([p.completion_tokens for p in others if p.completion_tokens is not None])
        usual = Range(strangers.low / _STRANGER, strangers.high * _STRANGER) if strangers else None
        basis = "other models' past calls" if usual else f"no past calls: up to {limit:,} tokens"
    completion = whole_numbers(usual) or Range(least, limit)
    return Range(min(completion.low, limit), min(completion.high, limit)), basis


def _seconds(
    inputs: ForecastInputs, ref: Ref, past: Sequence[CallStatistics], completion: Range[int]
) -> Range[float] | None:
    """Seconds of one call: by the past ones, else by what its service says of its speed."""
    own = usual_range([p.latency for p in past if p.latency is not None])
    speed = inputs.speed(ref) if own is None else None
    if speed is None or speed.per_second.low <= 0:
        return own
    slowest = speed.ttft.high + completion.high / speed.per_second.low
    return Range(speed.ttft.low + completion.low / speed.per_second.high, slowest)


def _line(inputs: ForecastInputs, first: Call, later: Sequence[Call], *, least: int = 1) -> ForecastLine:
    """`least`: how many of these calls are made in any case, side by side where they are several."""
    every = [first, *later]
    surely = least == len(every)
    rates = inputs.rates(first.ref)
    costs = [rates.bounds(_usage(c, 0), _usage(c, 1), inputs.at) if rates else None for c in every]
    priced = [cost for cost in costs if cost is not None]
    usd = Range(priced[0][0] * least, sum((c[1] for c in priced), Decimal(0))) if len(priced) == len(every) else None
    timed = first.seconds
    return ForecastLine(
        first.ref.name,
        "judge" if first.is_judge else "candidate",
        first.ref,
        Range(least, len(every)),
        Range(first.prompt.low * least, sum(c.prompt.high for c in every)),
        Range(first.completion.low * least, sum(c.completion.high for c in every)),
        usd,
        Range(timed.low * bool(least), timed.high * (1 if surely else len(every))) if timed else None,
        first.basis,
        rates.source if rates and usd else "",
    )


def _usage(call: Call, end: int) -> Usage:
    return Usage(call.prompt[end], call.completion[end])


def _problems(inputs: ForecastInputs, calls: Sequence[Call]) -> list[ContextProblem]:
    """The first of these calls that does not fit its model, or may not."""
    for call in calls:
        context = inputs.context(call.ref)
        if context is None:
            continue
        certain = call.prompt.low >= context
        if certain or call.prompt.high + call.limit > context:
            who = f"the judge, {call.ref.name}" if call.is_judge else call.ref.name
            verb = "will not fit" if certain else "may not fit"
            size = f"{call.prompt.low:,} to {call.prompt.high:,} tokens"
            room = "" if certain else f", and up to {call.limit:,} for its answer"
            sentence = f"The prompt {verb} {who}: it has {size}{room}, and {call.ref.model} holds {context:,}."
            return [ContextProblem(call.ref.name, certain, sentence)]
    return []


def characters(messages: Iterable[Message]) -> int:
    """Characters of a call's prompt, as `CallStatistics.chars` counts them."""
    return sum(len(message.content) for message in messages)
