// How figures and states are said: as `fusion_nb/views/words.py` says them.
import { type Reply, type RunState, running } from "./run.ts";

export const DASH = "—";

const STATUS: Record<string, string> = {
  ok: "done",
  incomplete: "cut off",
  filtered: "filtered",
  refused: "refused",
  empty: "empty",
  error: "failed",
  timeout: "timed out",
  cancelled: "cancelled",
};
const RUN: Record<string, string> = {
  running: "running",
  ok: "done",
  unjudged: "no verdict",
  cancelled: "cancelled",
  error: "failed",
};

/** USD with three significant figures, at least two decimals; money is text on the wire and exact there. */
export function money(cost: string | number | null | undefined): string {
  if (cost === undefined || cost === null || cost === "") return DASH;
  const amount = Number(cost);
  const places = amount ? Math.min(8, Math.max(2, 2 - Math.floor(Math.log10(Math.abs(amount))))) : 2;
  const [whole, part = ""] = amount.toFixed(places).split(".");
  return `$${whole}.${part.replace(/0+$/, "").padEnd(2, "0")}`;
}

export function seconds(value: number | undefined): string {
  if (value === undefined) return DASH;
  if (value >= 100) return `${Math.floor(value / 60)} min ${String(Math.floor(value) % 60).padStart(2, "0")} s`;
  return value >= 0.095 ? `${value.toFixed(1)} s` : `${Math.round(value * 1000)} ms`;
}

// Made once: making it takes longer than all else that a lane says.
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const number = (value: number | undefined): string => (value === undefined ? DASH : WHOLE.format(value));

export const plural = (count: number, noun: string): string => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

export const runStatus = (state: RunState): string => RUN[state.status ?? "running"] ?? "";

/** How it ended; while it is under way what it does. */
export function replyStatus(reply: Reply, draft = ""): string {
  if (reply.status) return STATUS[reply.status] ?? reply.status;
  if (reply.role === "judge") return draft ? "writing the answer" : reply.text ? "writing the verdict" : "reading";
  return reply.text ? "writing" : reply.reasoning ? "thinking" : "waiting";
}

/** Completion tokens per second after the first text. */
export function speed(reply: Reply): number | undefined {
  const tokens = reply.usage?.completion;
  if (tokens === undefined || reply.ttft === undefined || reply.latency === undefined) return undefined;
  return reply.latency > reply.ttft ? tokens / (reply.latency - reply.ttft) : undefined;
}

/** The sum of what is known so far. */
export function total(state: RunState): string {
  const known = (state.replies ?? []).map((reply) => reply.cost).filter((cost) => cost !== undefined);
  if (!known.length) return "";
  const sum = money(known.reduce((all, cost) => all + Number(cost), 0));
  return running(state) ? `${sum} so far` : sum;
}

/** For people who listen: changes with the phase, not with every word. */
export function phase(state: RunState): string {
  const pool = state.pool?.length ?? 0;
  if (!pool) return "";
  if (!running(state)) return `The run has ended: ${runStatus(state)}.`;
  const replies = state.replies ?? [];
  if (replies.some((reply) => reply.role === "judge")) return "The judge compares the candidates.";
  const ended = replies.filter((reply) => reply.status).length;
  return `${ended} of ${plural(pool, "member")} answered.`;
}

// What acts on a screen or hides on it is shown by its number, as `views/clean.py` does.
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e01ef}]/gu;

export const visible = (text: string): string =>
  text.replace(HIDDEN, (one) => `[U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`);
