// Text for figures and states. Gives the same text as `fusion_nb/views/formatting.py`.
import { type CheckOutcome, isRunning, nameOf, type Reply, type RunState } from "./run.ts";

export const DASH = "—";

const REPLY_STATUS: Record<string, string> = {
  ok: "done",
  incomplete: "cut off",
  filtered: "filtered",
  refused: "refused",
  empty: "empty",
  error: "failed",
  timeout: "timed out",
  cancelled: "cancelled",
};
/** USD with three significant figures and at least two decimals. The exact amount travels as text. */
export function formatCost(cost: string | number | null | undefined): string {
  if (cost === undefined || cost === null || cost === "") return DASH;
  const amount = Number(cost);
  const places = amount ? Math.min(8, Math.max(2, 2 - Math.floor(Math.log10(Math.abs(amount))))) : 2;
  const [whole, part = ""] = amount.toFixed(places).split(".");
  return `$${whole}.${part.replace(/0+$/, "").padEnd(2, "0")}`;
}

export function formatSeconds(value: number | undefined): string {
  if (value === undefined) return DASH;
  if (value >= 100) return `${Math.floor(value / 60)} min ${String(Math.floor(value) % 60).padStart(2, "0")} s`;
  return value >= 0.095 ? `${value.toFixed(1)} s` : `${Math.round(value * 1000)} ms`;
}

// Created once: creating a formatter is slower than all other work of a lane.
const INTEGER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const formatNumber = (value: number | undefined): string => (value === undefined ? DASH : INTEGER.format(value));

export const plural = (count: number, noun: string): string =>
  `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;

/** How the call ended or, while it is open, what it is doing. */
export function replyStatusText(reply: Reply, state: RunState): string {
  if (reply.status) return REPLY_STATUS[reply.status] ?? reply.status;
  if (reply.role === "judge")
    return state.draft && state.draft_call === reply.call
      ? "writing the answer"
      : reply.text
        ? "writing the verdict"
        : "reading";
  return reply.text ? "writing" : reply.reasoning ? "thinking" : "waiting";
}

/** Which of a candidate's rounds a reply is of, or which try after checks it failed. Empty for the first. */
export function turnText({ selection, rounds }: RunState, { role, round }: Reply): string {
  if (!round || role === "judge") return "";
  return selection?.deeper && !rounds ? `try ${round + 1}` : `round ${round}`;
}

/** `✓ passed`, `✓ passed (0.83)`, `✗ failed`, or nothing where the person's checks have not looked at it. */
export function checkMark({ checks = [] }: Reply): string {
  if (!checks.length) return "";
  if (checks.some(bars)) return "✗ failed";
  const scored = checks.filter((check) => check.score !== undefined);
  const weigh = ({ weight }: CheckOutcome) => weight || 1;
  const total = scored.reduce((sum, check) => sum + weigh(check), 0);
  const score = scored.reduce((sum, check) => sum + weigh(check) * (check.score ?? 0), 0) / total;
  return total ? `✓ passed (${score.toFixed(2)})` : "✓ passed";
}

/** Whether a check keeps its text from the judge. One with a weight only ranks. */
const bars = ({ passed, weight }: CheckOutcome): boolean => !passed && weight === undefined;

/** Why a reply did not pass, a sentence for each check. */
export const failedChecks = ({ checks = [] }: Reply): string[] =>
  checks.filter(bars).map(({ name, error = "" }) => {
    const reason = error.startsWith(name) ? error : `${name}: ${error}`;
    return `✗ ${error ? reason : `${name} said no`}`;
  });

/** Completion tokens per second after the first text. */
export function tokensPerSecond(reply: Reply): number | undefined {
  const tokens = reply.usage?.completion;
  if (tokens === undefined || reply.ttft === undefined || reply.latency === undefined) return undefined;
  return reply.latency > reply.ttft ? tokens / (reply.latency - reply.ttft) : undefined;
}

/** The sum of the costs known so far. */
export function totalCost(state: RunState): string {
  const known = (state.replies ?? []).map((reply) => reply.cost).filter((cost) => cost !== undefined);
  if (!known.length) return "";
  const text = formatCost(known.reduce((sum, cost) => sum + Number(cost), 0));
  return isRunning(state) ? `${text} so far` : text;
}

/** Text for screen readers. It changes with the phase of the run, not with every word. */
export function announcement(state: RunState, status: string | undefined): string {
  const pool = state.pool?.length ?? 0;
  if (!pool) return "";
  if (!isRunning(state)) return `The run has ended: ${status}.`;
  const replies = state.replies ?? [];
  if (replies.some((reply) => reply.role === "judge"))
    return state.jury ? "The judges compare the candidates." : "The judge compares the candidates.";
  const waiting = (state.waiting_on ?? []).map((call) => replies[call - 1]).filter((reply) => reply !== undefined);
  if (waiting.length)
    return `All others are done; nothing has come from ${waiting.map((reply) => nameOf(reply.ref)).join(", ")}.`;
  const ended = replies.filter((reply) => reply.status).length;
  const later = (state.escalation?.to ?? []).map(nameOf).join(", ");
  return `${later && `Asked now: ${later}. `}${ended} of ${plural(pool, "member")} answered.`;
}
