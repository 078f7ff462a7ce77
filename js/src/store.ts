// What all views of one widget share: the folded run, the rendered HTML, and the connection to the kernel.
import { fold } from "./fold.ts";
import { isRunning, type RunEvent, type RunState } from "./run.ts";

/** The part of anywidget's model that this package uses. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, callback: (...given: never[]) => void): void;
  off(name: string, callback: (...given: never[]) => void): void;
  widget_manager?: unknown;
}

/** What the kernel words and renders, see `fusion_nb/views/panel_messages.py`. */
export interface Fragments {
  agreement?: string;
  /** Words: `judges opus and gpt`, `escalated to gpt4o`, and a sentence on what came of the cascade. */
  judges?: string;
  escalation?: string;
  cascade?: string;
  draft?: string;
  answer?: string;
  shares?: string;
  judge?: string;
  rounds?: string;
  ledger?: string;
  /** How many models answered: `3 models`, `2 of 3 models`. */
  pool?: string;
  status?: string;
  title?: string;
  /** Title of the verdict, and whose it is. */
  verdict?: [string, string];
  none?: string;
  caption?: string;
  total?: string;
  calls?: Record<string, string>;
  /** What is known of each candidate in a few words, by call. */
  facts?: Record<string, string[]>;
}

interface Snapshot {
  state?: RunState;
  html?: Fragments;
  now?: number;
  seq?: number;
}

export interface RpcResult {
  error?: string;
  [name: string]: unknown;
}

type Message =
  | { kind: "news"; from: number; to: number; now: number; events: RunEvent[]; html?: Fragments; waiting_on?: number[] }
  | ({ kind: "reply"; id: string } & RpcResult);

/** What a run is asked to do, as the form shows it. */
export const FORM_TRAITS = [
  "prompt",
  "pool",
  "mode",
  "judge",
  "max_cost",
  "check",
  "extract",
  "escalate",
  "agree",
] as const;
const WATCHED_TRAITS = [...FORM_TRAITS, "busy", "advice", "offers", "hears"] as const;
const REQUEST_TIMEOUT = 30_000;
const NO_REPLY: RpcResult = { error: "The kernel does not answer: is it busy?" };
const CLOSED: RpcResult = { error: "The panel was closed." };
/** Minimum milliseconds between two redraws of growing texts. */
const DRAW_INTERVAL = 100;
/** Minimum milliseconds between two full redraws (clocks, counts) while only texts grow. */
export const FULL_DRAW_INTERVAL = 250;

export class Store {
  readonly #model: Model;
  state: RunState = {};
  html: Fragments = {};
  /** Call -> seconds from its start to its first text, if this view saw that text arrive. */
  readonly firstText = new Map<number, number>();
  /** Call -> time of its latest event, in seconds since the run's start. */
  readonly lastSignOfLife = new Map<number, number>();
  /** Rows picked from a search, by entry. They carry the prices. */
  readonly pickedRows = new Map<string, { entry: string; name: string; in?: string; out?: string }>();
  #seq = -1;
  #startedAt = 0;
  /** Traits that changed in this front end only. The kernel's echo of an older value must not take their place. */
  readonly #uncommitted = new Map<string, unknown>();
  /** The text that screen readers announce. */
  spoken = "";
  /** Kernel messages reach every browser on the kernel: a random prefix tells the replies of two browsers apart. */
  readonly #idPrefix = randomPrefix();
  #requestCount = 0;
  #pending = new Map<string, { timer: ReturnType<typeof setTimeout>; resolve: (result: RpcResult) => void }>();
  #listeners = new Set<() => void>();
  #textListeners = new Set<() => void>();
  #lastDraw = Number.NEGATIVE_INFINITY;
  /** Time of the latest full redraw. */
  lastFullDraw = Number.NEGATIVE_INFINITY;
  #drawTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether anything but growing texts has changed since the latest redraw. */
  #needsFullDraw = false;

  constructor(model: Model) {
    this.#model = model;
    model.on("change:snapshot", this.#applySnapshot);
    model.on("msg:custom", this.#onMessage as (...given: never[]) => void);
    for (const name of WATCHED_TRAITS) model.on(`change:${name}`, this.#redrawAll);
    this.#applySnapshot();
  }

  close(): void {
    this.#model.off("change:snapshot", this.#applySnapshot);
    this.#model.off("msg:custom", this.#onMessage as (...given: never[]) => void);
    for (const name of WATCHED_TRAITS) this.#model.off(`change:${name}`, this.#redrawAll);
    clearTimeout(this.#drawTimer);
    this.#listeners.clear();
    this.#textListeners.clear();
    for (const id of [...this.#pending.keys()]) this.#settle(id, CLOSED);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Like `subscribe`, but also called when nothing but a text has grown. */
  subscribeTexts(listener: () => void): () => void {
    this.#textListeners.add(listener);
    return () => this.#textListeners.delete(listener);
  }

  /** Whether the kernel answers messages of this kind; an older version may not. */
  supports(kind: string): boolean {
    return (this.get<string[]>("hears") ?? []).includes(kind);
  }

  /** Seconds since the run's start. */
  now(): number {
    return isRunning(this.state) ? Math.max(0, performance.now() / 1000 - this.#startedAt) : (this.state.seconds ?? 0);
  }

  get<T>(name: string): T {
    return (this.#uncommitted.has(name) ? this.#uncommitted.get(name) : this.#model.get(name)) as T;
  }

  /** Changes a trait in this front end only. The next `commit` sends it. */
  setLocal(name: string, value: unknown): void {
    this.#uncommitted.set(name, value);
    this.#redrawAll();
  }

  commit(values: Record<string, unknown>): void {
    for (const [name, value] of this.#uncommitted) this.#model.set(name, value);
    this.#uncommitted.clear();
    for (const [name, value] of Object.entries(values)) this.#model.set(name, value);
    this.#model.save_changes();
    this.#redrawAll();
  }

  send(kind: string, more: Record<string, unknown> = {}): void {
    this.#model.send({ kind, ...more });
  }

  /** Resolves to the kernel's reply, or to a result with `error` if there is none in time. */
  request(kind: string, more: Record<string, unknown> = {}, timeout = REQUEST_TIMEOUT): Promise<RpcResult> {
    const id = `${this.#idPrefix}-${++this.#requestCount}`;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, NO_REPLY), timeout);
      this.#pending.set(id, { timer, resolve });
      this.send(kind, { ...more, id });
    });
  }

  /** Lets screen readers announce `text`, also when it is the same text as before. */
  announce(text: string): void {
    this.spoken = text && text === this.spoken ? `${text}\u00a0` : text;
    this.#redrawAll();
  }

  #settle(id: string, result: RpcResult): void {
    const request = this.#pending.get(id);
    if (!request) return;
    this.#pending.delete(id);
    clearTimeout(request.timer);
    request.resolve(result);
  }

  #redrawAll = (): void => {
    this.#needsFullDraw = true;
    this.#draw();
  };

  #draw = (): void => {
    clearTimeout(this.#drawTimer);
    this.#drawTimer = undefined;
    this.#lastDraw = performance.now();
    if (this.#needsFullDraw || this.#lastDraw - this.lastFullDraw >= FULL_DRAW_INTERVAL) {
      this.lastFullDraw = this.#lastDraw;
      this.#needsFullDraw = false;
      for (const listener of [...this.#listeners]) listener();
    }
    for (const listener of [...this.#textListeners]) listener();
  };

  /** Redraws now, or when `DRAW_INTERVAL` has passed since the latest redraw. */
  #scheduleDraw(): void {
    const remaining = this.#lastDraw + DRAW_INTERVAL - performance.now();
    if (remaining <= 0) this.#draw();
    else this.#drawTimer ??= setTimeout(this.#draw, remaining);
  }

  #applySnapshot = (): void => {
    const snapshot = (this.#model.get("snapshot") ?? {}) as Snapshot;
    if (snapshot.state?.run !== this.state.run)
      for (const times of [this.firstText, this.lastSignOfLife]) times.clear();
    this.state = snapshot.state ?? {};
    this.html = snapshot.html ?? {};
    this.#seq = snapshot.seq ?? -1;
    this.#syncClock(snapshot.now ?? 0);
    this.#redrawAll();
  };

  #onMessage = (message: Message): void => {
    if (message.kind === "reply") {
      this.#settle(message.id, message);
      return;
    }
    if (message.kind !== "news" || message.to <= this.#seq) return;
    // Events are missing (the view opened late or the connection broke): ask for a snapshot.
    if (message.from !== this.#seq + 1) {
      this.send("again");
      return;
    }
    for (const event of message.events) this.#applyEvent(event);
    this.#seq = message.to;
    this.#needsFullDraw ||= Boolean(message.html);
    this.html = { ...this.html, ...message.html };
    if (message.waiting_on) {
      this.state = { ...this.state, waiting_on: message.waiting_on };
      this.#needsFullDraw = true;
    }
    this.#syncClock(message.now);
    this.#scheduleDraw();
  };

  #applyEvent(event: RunEvent): void {
    if (event.event === "TextDelta") {
      const reply = this.state.replies?.[event.call - 1];
      if (!this.firstText.has(event.call)) this.firstText.set(event.call, event.at - (reply?.started ?? event.at));
      const before = event.channel === "reasoning" ? reply?.reasoning : reply?.text;
      this.#needsFullDraw ||= !before || (event.channel === "answer" && !this.state.draft);
    } else this.#needsFullDraw = true;
    if ("call" in event) this.lastSignOfLife.set(event.call, event.at);
    this.state = fold(this.state, event);
    // Whatever a call sends, nobody waits for its first word any more.
    const { waiting_on } = this.state;
    if (waiting_on && "call" in event && waiting_on.includes(event.call)) {
      this.state = { ...this.state, waiting_on: waiting_on.filter((call) => call !== event.call) };
      this.#needsFullDraw = true;
    }
  }

  #syncClock(now: number): void {
    this.#startedAt = performance.now() / 1000 - now;
  }
}

function randomPrefix(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
