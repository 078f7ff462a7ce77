// State is the fold of the events, and nothing else. Mirrors `fusion_nb/core/fold.py`; both pass the same fixtures.
import { nameOf, type Reply, type RunEvent, type RunState, type Verdict } from "./run.ts";

const STARTED = [
  "run",
  "when",
  "prompt",
  "mode",
  "then",
  "pool",
  "judge",
  "seed",
  "params",
  "limits",
  "notes",
  "criteria",
  "max_rounds",
  "of",
] as const;
const ENDED = [
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
  "suspect",
] as const;

/** `state` after `event`; neither is changed. */
export function fold(state: RunState, event: RunEvent): RunState {
  switch (event.event) {
    case "TextDelta": {
      const reply = at(state, event.call);
      if (event.channel === "reasoning")
        return withReply(state, event.call, { reasoning: (reply.reasoning ?? "") + event.text });
      const grown = withReply(state, event.call, { text: (reply.text ?? "") + event.text });
      if (event.channel !== "answer") return grown;
      // A repaired answer is written anew; until it begins, what the first try left stays on the screen.
      const before = state.draft_call === event.call ? (state.draft ?? "") : "";
      return { ...grown, draft: before + event.text, draft_call: event.call };
    }
    case "ThoughtEnded": {
      const reply = at(state, event.call);
      const thought = (reply.reasoning ?? "") + (reply.text ?? "");
      const moved = withReply(state, event.call, { reasoning: thought, text: undefined });
      return state.draft_call === event.call ? given({ ...moved, draft: undefined, draft_call: undefined }) : moved;
    }
    case "CallStarted": {
      const { call, ref, role, round, kept_from, at_most } = event;
      const reply: Reply = given({ call, ref, role, round, started: event.at, kept_from, at_most });
      return given({ ...state, replies: [...(state.replies ?? []), reply], labels: event.labels ?? state.labels });
    }
    case "CallAccepted":
      return withReply(state, event.call, { generation_id: event.generation_id });
    case "CallRetried":
      return withReply(state, event.call, { attempts: event.attempt, at_most: event.at_most });
    case "CallEnded":
      return withReply(state, event.call, picked(event, ENDED));
    case "RoundEnded":
      return { ...state, rounds: [...(state.rounds ?? []), event.ended] };
    case "VerdictReached":
      return { ...state, verdict: event.verdict };
    case "ChoiceMade":
      return chosen(state, event.call);
    case "RunStarted":
      return given({ ...state, ...picked(event, STARTED) });
    case "RunEnded": {
      const notes = [...(state.notes ?? []), ...(event.notes ?? [])];
      const { status, error, seconds = event.at, resumed_by = state.resumed_by } = event;
      const end = { status, error, seconds, resumed_by };
      return given({ ...state, ...end, notes: notes.length ? notes : undefined });
    }
    default:
      return unknownEvent(event);
  }
}

export const foldAll = (events: Iterable<RunEvent>, state: RunState = {}): RunState => {
  for (const event of events) state = fold(state, event);
  return state;
};

/** A person's choice takes the answer's place; the judge's words stay, and its verdict as it was beside them. */
function chosen(state: RunState, call: number): RunState {
  const reply = at(state, call);
  const judged = state.judged ?? state.verdict;
  const before: Verdict = judged ?? { state: "by-hand" };
  const note = `Chosen by hand: ${nameOf(reply.ref)}.`;
  const answer = { answer: reply.text ?? "", chosen: [call], citations: undefined };
  return given({ ...state, verdict: given({ ...before, ...answer, note }), judged });
}

function unknownEvent(event: never): never {
  throw new Error(
    `Unknown event ${(event as { event?: string }).event}: the panel is older than the kernel's fusion_nb`,
  );
}

function at(state: RunState, call: number): Reply {
  const reply = state.replies?.[call - 1];
  if (!reply) throw new Error(`Call ${call} never started`);
  return reply;
}

function withReply(state: RunState, call: number, changes: Partial<Reply>): RunState {
  const replies = [...(state.replies ?? [])];
  replies[call - 1] = given({ ...at(state, call), ...changes });
  return { ...state, replies };
}

/** Every one of `names`, those at rest as `undefined`: they take back what stood there. */
function picked<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;
}

function given<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, held]) => held !== undefined)) as T;
}
