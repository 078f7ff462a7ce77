// The state of a run as the kernel sends it: plain JSON, fields with default values left out, amounts of money as text.

export interface Ref {
  service: string;
  model: string;
  label?: string;
  options?: [string, unknown][];
}

export interface Usage {
  prompt?: number;
  completion?: number;
  cached?: number;
  reasoning?: number;
}

export type Role = "candidate" | "judge";
export type Status = "ok" | "incomplete" | "filtered" | "refused" | "empty" | "error" | "timeout" | "cancelled";

/** What one of the person's own checks said of a text. `weight`: of a weighted one, which bars nobody. */
export interface CheckOutcome {
  name: string;
  passed: boolean;
  score?: number;
  weight?: number;
  seconds?: number;
  error?: string;
}

export interface Reply {
  call: number;
  ref: Ref;
  role?: Role;
  round?: number;
  text?: string;
  reasoning?: string;
  usage?: Usage;
  cost?: string;
  cost_source?: string;
  started?: number;
  ttft?: number;
  latency?: number;
  finish?: string;
  status?: Status;
  error?: string;
  detail?: string;
  generation_id?: string;
  model?: string;
  attempts?: number;
  maybe_billed?: boolean;
  /** Machine words: `seed_ignored`, `no_finish`, `suspect:plea`. */
  warnings?: string[];
  /** The same as sentences for people, in plain text. */
  remarks?: string[];
  kept_from?: string;
  kept_cost?: string;
  at_most?: string;
  checks?: CheckOutcome[];
  /** The upstream that a router says it served the call from, and the form of its weights. */
  provider?: string;
  quantization?: string;
  /** The prices it was billed by. */
  rates?: unknown;
}

export interface Selection {
  deeper?: number;
  escalate?: Ref[];
  [name: string]: unknown;
}

/** Which candidates came to the same short answer; the group that won first. */
export interface Agreement {
  asked: number;
  groups?: number[][];
  answers?: string[];
  unknown?: number[];
  tied?: boolean;
}

/** Whether the members asked first agreed enough. `needed` is left out where it is true. */
export interface Escalation {
  agree: number;
  share?: number;
  needed?: boolean;
  to?: Ref[];
  voted?: number;
}

export interface Verdict {
  answer?: string;
  rationale?: string;
  chosen?: number[];
  ranking?: number[];
  scores?: Record<string, Record<string, number>>;
  state?: string;
  note?: string;
  labels?: Record<string, number>;
  citations?: [number, number, number[]][];
  analysis?: unknown;
  agreed?: boolean;
  jury?: unknown[];
}

export interface Round {
  round: number;
  agreed: boolean;
  changed?: string[];
}

export interface RunState {
  run?: string;
  when?: string;
  prompt?: string;
  mode?: string;
  then?: string;
  pool?: Ref[];
  judge?: Ref;
  /** The judges beside `judge`, where several are asked. */
  jury?: Ref[];
  seed?: number;
  params?: Record<string, unknown>;
  limits?: Record<string, unknown>;
  notes?: string[];
  criteria?: string[];
  max_rounds?: number;
  /** How many times the judge is asked, with the candidates in another order each time. */
  orders?: number;
  selection?: Selection;
  of?: string;
  replies?: Reply[];
  rounds?: Round[];
  labels?: Record<string, number>;
  draft?: string;
  draft_call?: number;
  agreement?: Agreement;
  escalation?: Escalation;
  verdict?: Verdict;
  judged?: Verdict;
  status?: "running" | "ok" | "unjudged" | "cancelled" | "error";
  error?: string;
  seconds?: number;
  resumed_by?: string;
  /** Calls that have been silent since their start while all others are done. */
  waiting_on?: number[];
}

interface Base {
  seq: number;
  at: number;
}

export type RunEvent = Base &
  (
    | ({ event: "RunStarted" } & RunState)
    | {
        event: "CallStarted";
        call: number;
        ref: Ref;
        role?: Role;
        round?: number;
        labels?: Record<string, number>;
        kept_from?: string;
        at_most?: string;
      }
    | { event: "CallAccepted"; call: number; generation_id?: string }
    | {
        event: "CallRetried";
        call: number;
        attempt: number;
        error: string;
        detail?: string;
        wait?: number;
        at_most?: string;
      }
    | { event: "TextDelta"; call: number; text: string; channel?: "content" | "reasoning" | "answer" }
    | { event: "ThoughtEnded"; call: number }
    | ({ event: "CallEnded" } & Omit<Reply, "ref" | "role" | "text">)
    | { event: "ChecksEnded"; call: number; checks: CheckOutcome[] }
    | { event: "AgreementFound"; agreement: Agreement }
    | { event: "Escalated"; escalation: Escalation }
    | { event: "RoundEnded"; ended: Round }
    | { event: "VerdictReached"; verdict: Verdict }
    | { event: "ChoiceMade"; call: number; when?: string }
    | {
        event: "RunEnded";
        status: RunState["status"];
        error?: string;
        notes?: string[];
        seconds?: number;
        resumed_by?: string;
      }
  );

export const nameOf = (ref: Ref): string => ref.label || `${ref.service}:${ref.model}`;

/** Begins a warning about a text that seems to speak to the judge. */
const SUSPECT = "suspect:";
/** What in a reply seems meant for the judge. */
export const suspectSigns = (reply: Reply): string[] =>
  (reply.warnings ?? []).filter((word) => word.startsWith(SUSPECT)).map((word) => word.slice(SUSPECT.length));
/** The other warnings of a call. */
export const otherWarnings = (reply: Reply): string[] =>
  (reply.warnings ?? []).filter((word) => !word.startsWith(SUSPECT));
/** What a person should know of a call, as sentences; the words themselves where the kernel sends no sentences. */
export const remarksOf = (reply: Reply): string[] => (reply.remarks?.length ? reply.remarks : otherWarnings(reply));

const FAILED_STATUSES: ReadonlySet<string> = new Set(["error", "timeout", "refused", "filtered", "empty"]);
export const hasFailed = (reply: Reply): boolean => FAILED_STATUSES.has(reply.status ?? "");
export const isUsable = (reply: Reply): boolean =>
  (reply.status === "ok" || reply.status === "incomplete") && (reply.text ?? "").trim() !== "";
/** Who judges: nobody, one, or a jury. */
export const judges = ({ judge, jury = [] }: RunState): Ref[] => (judge ? [judge, ...jury] : []);
export const isRunning = (state: RunState): boolean => (state.status ?? "running") === "running";

/** One reply per member, in pool order: its latest usable reply, otherwise its latest reply. */
export function candidates(state: RunState): Reply[] {
  const latest = new Map<string, Reply>();
  for (const reply of state.replies ?? []) {
    if ((reply.role ?? "candidate") !== "candidate") continue;
    const current = latest.get(nameOf(reply.ref));
    if (!current || isUsable(reply) || !isUsable(current)) latest.set(nameOf(reply.ref), reply);
  }
  const poolOrder = new Map((state.pool ?? []).map((ref, place) => [nameOf(ref), place]));
  const place = (reply: Reply) => poolOrder.get(nameOf(reply.ref)) ?? poolOrder.size;
  return [...latest.values()].sort((a, b) => place(a) - place(b));
}

/** The CSS class of the member's colour, chosen by its position in the pool. */
export function colorClass(state: RunState, name: string): string {
  const place = (state.pool ?? []).findIndex((ref) => nameOf(ref) === name);
  return place < 0 ? "fnb-m8" : `fnb-m${place % 8}`;
}

/** Whether its short answer is not that of the group that won. Where no two agree, each of them differs. */
export function differs({ agreement }: RunState, call: number): boolean {
  const [first = [], ...others] = agreement?.groups ?? [];
  return others.flat().includes(call) || (first.length === 1 && others.length > 0 && first.includes(call));
}
