"""One run: ask the pool side by side, give the candidates to the mode, put the end on record."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from fusion_nb.accounts.spending_caps import RunAccounts
from fusion_nb.accounts.token_counts import prompt_cut
from fusion_nb.core import (
    STOPPED,
    UNDECIDED,
    Agreement,
    CheckOutcome,
    Escalation,
    Message,
    ModeInput,
    Ref,
    Reply,
    Request,
    Role,
    Round,
    RunState,
    RunStatus,
    StreamSplitter,
)
from fusion_nb.core.events import (
    AgreementFound,
    CallStarted,
    ChecksEnded,
    Escalated,
    RoundEnded,
    RunEnded,
    TextDelta,
    ThoughtEnded,
    VerdictReached,
)
from fusion_nb.core.fold import changed
from fusion_nb.core.run_spec import RunServices, RunSpec, first_messages, run_started, token_limit
from fusion_nb.core.state import is_play, missing_note
from fusion_nb.core.values import PYTHON_SERVICE, FetchedReply, Judging
from fusion_nb.errors import UserError
from fusion_nb.judging import decide
from fusion_nb.judging.blind_candidates import judge_context_budget
from fusion_nb.run.call import Caller
from fusion_nb.run.call_progress import CallProgress, call_ended
from fusion_nb.run.derived_runs import reused_reply_events
from fusion_nb.run.event_recorder import EventRecorder
from fusion_nb.run.members_under_way import Members


class Engine:
    """Carries out one spec; is also the `ModeCalls` that its mode asks through. Lives on the engine's loop.

    Args:
        accounts: what its calls are paid from.
    """

    def __init__(
        self, spec: RunSpec, services: RunServices, record: EventRecorder[RunState], accounts: RunAccounts
    ) -> None:
        self._spec = spec
        self._services = services
        self._record = record
        play = is_play(spec.everyone)
        self._caller = Caller(record, services, spec.limits, accounts, len(spec.pool), play=play)
        self._members: Members | None = None
        """Of the round that is being asked."""

    async def run(self, run: str, when: str) -> None:
        """From `RunStarted` to `RunEnded`, whatever happens between them."""
        emit = self._record.emit
        emit(run_started(self._spec, run, when))
        try:
            await self._fuse()
        except asyncio.CancelledError:
            # Stopping is a way to end, not a failure: what was received is kept and returned.
            self._caller.billing.close()
            emit(_run_ended(self._record.state, "cancelled"))
        except Exception as error:
            emit(RunEnded(status="error", error=f"fusion_nb failed: {type(error).__name__}: {error}"))
            raise
        finally:
            self._caller.billing.close()

    async def _fuse(self) -> None:
        spec = self._spec
        first = [(ref, first_messages(spec.prompt, spec.params.system, ref)) for ref in spec.pool]
        await self.ask_all(first, round=0)
        case = self._case()
        if case.candidates or spec.selection.escalate:
            if len(case.candidates) > 1:
                # How much a judge can hold is read from the same tables.
                await self._caller.billing.prices_loaded()
            verdict = await decide(case, self, self._services.mode)
            if self._usable:
                self._record.emit(VerdictReached(verdict=verdict))
                return await self._finish("unjudged" if verdict.state in UNDECIDED else "ok")
        # Whoever stopped them all has stopped the run.
        candidates = self._record.state.candidates
        status: RunStatus = "cancelled" if all(r.error == STOPPED for r in candidates) else "error"
        return await self._finish(status, _all_failed(candidates))

    @property
    def _usable(self) -> tuple[Reply, ...]:
        return tuple(reply for reply in self._record.state.candidates if reply.usable)

    async def _finish(self, status: RunStatus, error: str | None = None) -> None:
        """The answer is there: the run's end alone waits for prices, and for bills that did not come with a stream."""
        seconds = self._record.now() if self._caller.billing.late.pending else None
        try:
            await self._caller.billing.prices_loaded()
            await self._caller.billing.late.all_answered()
        except asyncio.CancelledError:
            # Stop ends the wait, and nothing else: all but a price is there.
            self._caller.billing.late.give_up()
        self._caller.billing.close()
        self._record.emit(_run_ended(self._record.state, status, error, seconds))

    def _case(self) -> ModeInput:
        spec, candidates = self._spec, self._record.state.candidates
        return ModeInput(
            prompt=spec.prompt,
            candidates=tuple(reply for reply in candidates if reply.usable),
            judge=spec.judge,
            seed=spec.seed,
            mode=spec.mode,
            failed=tuple(reply for reply in candidates if not reply.usable),
            jury=spec.jury,
            selection=spec.selection,
            kin=self._services.kin,
            extract=self._services.extract,
            system=spec.params.system,
            criteria=spec.criteria,
            rounds=spec.rounds,
            then=spec.then,
            orders=spec.orders,
            measure_room=lambda candidates, judge: judge_context_budget(spec, candidates, judge, self._context),
        )

    def _context(self, ref: Ref) -> int | None:
        try:
            return self._services.context(ref)
        except Exception:  # noqa: BLE001  a table that cannot be read is a size that nobody knows
            return None

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        role: Role = "judge",
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        params, limits = self._spec.params, self._spec.limits
        member = role == "candidate"
        request = Request(
            ref,
            messages,
            token_limit(limits.max_tokens, ref, role),
            # A judge keeps its service's own sampling: what is asked of the members is not asked of it.
            ref.setting("temperature", params.temperature if member else None),
            ref.setting("seed", params.seed),
            ref.setting("reasoning", params.reasoning if member else None),
            schema,
            self._judging(labels) if labels and ref.service == PYTHON_SERVICE else None,
        )
        return await self._caller.ask(request, role=role, round=round, splitter=splitter, labels=labels)

    def _judging(self, labels: Mapping[str, int]) -> Judging:
        texts = {label: self._reply_of(call).text for label, call in labels.items()}
        return Judging(self._spec.prompt, texts)

    async def ask_all(self, asks: Sequence[tuple[Ref, tuple[Message, ...]]], *, round: int) -> tuple[Reply, ...]:
        for ref, messages in asks:
            self._reuse(ref, round)
            fetched = self._services.fetched.get(ref.name) if round == 0 else None
            if fetched is not None and not any(reply.ref.name == ref.name for reply in self._record.state.replies):
                _record_fetched(self._record, ref, messages, fetched)

        def ask(ref: Ref, messages: tuple[Message, ...]) -> Coroutine[Any, Any, Reply]:
            return self.ask(ref, messages, role="candidate", round=round)

        self._members = Members(asks, round, ask, self._record, self._spec.limits)
        try:
            return await self._members.replies()
        finally:
            self._members = None

    def stop_call(self, call: int) -> None:
        """End one call as `cancelled`; the run goes on with the others. On the engine's loop.

        Raises `UserError` where there is no such call, or it has ended.
        """
        reply = self._reply_of(call)
        if reply.status is not None:
            raise UserError(f"Call {call} ({reply.ref.name}) has ended: there is nothing to stop.")
        self._caller.stop(call)

    def retry_call(self, call: int) -> None:
        """Ask the member of that call once more; what was under way is stopped and stays on record. On the engine's
        loop.

        Raises `UserError` where there is no such call, it has answered, or the judge reads already.
        """
        reply = self._reply_of(call)
        if reply.role == "judge":
            raise UserError(f"Call {call} is the judge's: the candidates can be judged again when the run is over.")
        if self._members is None or reply.round != self._members.round:
            raise UserError(f"Its round is over: {reply.ref.name} can be asked anew when the run is over.")
        self._caller.forgive(reply.ref.service)
        self._members.retry(reply, self._caller.stop)

    def _reply_of(self, call: int) -> Reply:
        replies = self._record.state.replies
        if not isinstance(call, int) or not 1 <= call <= len(replies):
            raise UserError(f"There is no call {call!r} in this run: it has {len(replies) or 'none yet'}.")
        return replies[call - 1]

    def _reuse(self, ref: Ref, round: int) -> None:
        """Put the reply an earlier run has for this call, if it has one, on record in this run's own file."""
        reply = next((r for r in self._spec.reused if (r.ref.name, r.round) == (ref.name, round)), None)
        if reply is not None:
            for event in reused_reply_events(len(self._record.state.replies) + 1, reply, self._spec.of):
                self._record.emit(event)

    async def check(self, text: str, call: int) -> tuple[CheckOutcome, ...]:
        if self._services.check is None:
            return ()
        outcomes = await self._services.check(self._record.state, text)
        self._record.emit(ChecksEnded(call=call, checks=outcomes))
        return outcomes

    def agreement_found(self, agreement: Agreement) -> None:
        self._record.emit(AgreementFound(agreement=agreement))

    def escalated(self, escalation: Escalation) -> None:
        self._record.emit(Escalated(escalation=escalation))

    def round_ended(self, ended: Round) -> None:
        self._record.emit(RoundEnded(ended=ended))


def _run_ended(state: RunState, status: RunStatus, error: str | None = None, seconds: float | None = None) -> RunEnded:
    """The last event; its notes name the members that the answer does without, and why the call of a judge failed:
    whoever reads a run from a program looks there before they look at the verdict."""
    verdict = state.verdict
    lost = verdict.note if verdict is not None and verdict.state == "failed" else ""
    notes = (missing_note(changed(state, {"status": status})), lost)
    return RunEnded(status=status, error=error, notes=tuple(note for note in notes if note), seconds=seconds)


def _reasons(replies: Sequence[Reply]) -> str:
    return "; ".join(f"{r.ref.name}: {(r.detail or r.status or '').rstrip('.')}" for r in replies)


def _all_failed(candidates: Sequence[Reply]) -> str:
    if len(candidates) == 1:
        return f"No answer. {_reasons(candidates)}."
    return f"None of the {len(candidates)} members answered. {_reasons(candidates)}."


def _record_fetched(
    record: EventRecorder[RunState], ref: Ref, messages: tuple[Message, ...], fetched: FetchedReply
) -> None:
    """A call that a service's batch carried out, on record from its start to its end; the batch paid for it. It has no
    clock: the hours a batch took are not the model's."""
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
