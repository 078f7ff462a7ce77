"""Calls that a service's batch carried out: put on record as any other, and paid for by the batch, not by the run."""

from __future__ import annotations

from fusion_nb.accounts.token_counts import prompt_cut
from fusion_nb.core import Message, Ref, RunState
from fusion_nb.core.events import CallStarted, TextDelta, ThoughtEnded
from fusion_nb.core.values import FetchedReply
from fusion_nb.run.call_progress import CallProgress, call_ended
from fusion_nb.run.event_recorder import EventRecorder


def record_fetched(
    record: EventRecorder[RunState], ref: Ref, messages: tuple[Message, ...], fetched: FetchedReply
) -> None:
    """The call of a member from its start to its end. It has no clock: the hours a batch took are not the model's."""
    call = len(record.state.replies) + 1
    record.emit(CallStarted(call=call, ref=ref, role="candidate", round=0, messages=messages))
    progress = CallProgress(attempts=1, free=fetched.at_most is None)
    for chunk in fetched.chunks:
        progress.take(chunk)
        if chunk.text:
            record.emit(TextDelta(call=call, text=chunk.text, channel=chunk.channel))
        if chunk.thought_ended:
            record.emit(ThoughtEnded(call=call))
    if prompt_cut([message.content for message in messages], ref, progress.usage.prompt):
        progress.warnings.append("prompt_cut")
    cost = (fetched.cost, fetched.source, fetched.at_most, fetched.rates)
    record.emit(call_ended(record.state.reply(call), progress, fetched.fault, *cost))
