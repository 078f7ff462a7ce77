// The state of a run is the fold of its events. Mirrors `fusion_nb/core/fold.py`; both pass the same fixtures.
import { nameOf, type Reply, type RunEvent, type RunState, type Verdict } from "./run.ts";

const RUN_STARTED_FIELDS = [
  "run",
  "when",
  "prompt",
  "mode",
  "then",
  "pool",
  "judge",
  "jury",
  "seed",
  "params",
  "limits",
  "notes",
  "criteria",
  "max_rounds",
  "orders",
  "selection",
  "of",
] as const;
const CALL_ENDED_FIELDS = [
  "usage",
  "cost",
  "cost_source",
  "ttft",
  "latency",
  "finish",
  "status",
  "error",
  "detail",
  "generation_id",
  "model",
  "attempts",
  "maybe_billed",
  "warnings",
  "kept_cost",
  "at_most",
  "provider",
  "quantization",
  "rates",
  "remarks",
] as const;

/** Returns `state` after `event`; neither argument is changed. */
export function fold(state: RunState, event: RunEvent): RunState {
  switch (event.event) {
    case "TextDelta": {
      const reply = replyOf(state, event.call);
      if (event.channel === "reasoning")
        return withReply(state, event.call, { reasoning: (reply.reasoning ?? "") + event.text || undefined });
      const grown = withReply(state, event.call, { text: (reply.text ?? "") + event.text || undefined });
      if (event.channel !== "answer") return grown;
      // The repair call writes the answer again; until its text begins, the first draft stays on the screen.
      const before = state.draft_call === event.call ? (state.draft ?? "") : "";
      return withoutUndefined({ ...grown, draft: before + event.text || undefined, draft_call: event.call });
    }
    case "ThoughtEnded": {
      const reply = replyOf(state, event.call);
      const thought = (reply.reasoning ?? "") + (reply.text ?? "");
      const moved = withReply(state, event.call, { reasoning: thought || undefined, text: undefined });
      return state.draft_call === event.call
        ? withoutUndefined({ ...moved, draft: undefined, draft_call: undefined })
        : moved;
    }
    case "CallStarted": {
      const { call, ref, role, round, kept_from, at_most } = event;
      const reply: Reply = withoutUndefined({
        call,
        ref,
        role,
        round,
        started: event.at || undefined,
        kept_from,
        at_most,
      });
      return withoutUndefined({
        ...state,
        replies: [...(state.replies ?? []), reply],
        labels: state.labels ?? event.labels,
      });
    }
    case "CallAccepted":
      return withReply(state, event.call, { generation_id: event.generation_id });
    case "CallRetried":
      return withReply(state, event.call, { attempts: event.attempt, at_most: event.at_most });
    case "CallEnded":
      return withReply(state, event.call, pickFields(event, CALL_ENDED_FIELDS));
    case "ChecksEnded":
      return withReply(state, event.call, { checks: orUndefined(event.checks) });
    case "AgreementFound":
      return { ...state, agreement: event.agreement };
    case "Escalated": {
      const pool = orUndefined([...(state.pool ?? []), ...(event.escalation.to ?? [])]);
      return withoutUndefined({ ...state, escalation: event.escalation, pool });
    }
    case "RoundEnded":
      return { ...state, rounds: [...(state.rounds ?? []), event.ended] };
    case "VerdictReached":
      return { ...state, verdict: event.verdict };
    case "ChoiceMade":
      return withChoice(state, event.call);
    case "RunStarted":
      return withoutUndefined({ ...state, ...pickFields(event, RUN_STARTED_FIELDS) });
    case "RunEnded": {
      const notes = [...(state.notes ?? []), ...(event.notes ?? [])];
      const { status, error, seconds = event.at, resumed_by = state.resumed_by } = event;
      const end = { status, error, seconds: seconds || undefined, resumed_by };
      return withoutUndefined({ ...state, ...end, notes: orUndefined(notes) });
    }
    default:
      return unknownEvent(event);
  }
}

export const foldAll = (events: Iterable<RunEvent>, state: RunState = {}): RunState => {
  for (const event of events) state = fold(state, event);
  return state;
};

/** The candidate a person chose becomes the answer. The judge's own verdict is kept in `judged`. */
function withChoice(state: RunState, call: number): RunState {
  const reply = replyOf(state, call);
  const judged = state.judged ?? state.verdict;
  const before: Verdict = judged ?? { state: "by-hand" };
  const note = `Chosen by hand: ${nameOf(reply.ref)}.`;
  const answer = { answer: reply.text ?? "", chosen: [call], citations: undefined };
  return withoutUndefined({ ...state, verdict: withoutUndefined({ ...before, ...answer, note }), judged });
}

function unknownEvent(event: never): never {
  throw new Error(
    `Unknown event ${(event as { event?: string }).event}: the panel is older than the kernel's fusion_nb`,
  );
}

function replyOf(state: RunState, call: number): Reply {
  const reply = state.replies?.[call - 1];
  if (!reply) throw new Error(`Call ${call} never started`);
  return reply;
}

function withReply(state: RunState, call: number, changes: Partial<Reply>): RunState {
  const replies = [...(state.replies ?? [])];
  replies[call - 1] = withoutUndefined({ ...replyOf(state, call), ...changes });
  return { ...state, replies };
}

/** All fields in `names`; a missing field becomes `undefined` and resets the field of the state. */
function pickFields<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;
}

/** A list; none where it is empty: fields at rest are left out. */
const orUndefined = <T>(list: T[]): T[] | undefined => (list.length ? list : undefined);

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
