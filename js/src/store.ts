// What every view of one widget shares: the folded run, the rendered pieces, and the line to the kernel.
import { fold } from "./fold.ts";
import { type RunEvent, type RunState, running } from "./run.ts";
import type { Typesetter } from "./typeset.ts";

/** The part of anywidget's model that is used. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, callback: (...given: never[]) => void): void;
  off(name: string, callback: (...given: never[]) => void): void;
  widget_manager?: unknown;
}

export interface Fragments {
  draft?: string;
  answer?: string;
  shares?: string;
  judge?: string;
  rounds?: string;
  ledger?: string;
  title?: string;
  none?: string;
  caption?: string;
  total?: string;
  calls?: Record<string, string>;
}

interface Snapshot {
  state?: RunState;
  html?: Fragments;
  now?: number;
  seq?: number;
}

export interface Answer {
  error?: string;
  [name: string]: unknown;
}

type Message =
  | { kind: "news"; from: number; to: number; now: number; events: RunEvent[]; html?: Fragments }
  | ({ kind: "reply"; id: number } & Answer);

const FORM = ["pool", "prompt", "mode", "judge", "max_cost", "busy", "advice", "offers", "hears"] as const;
const PATIENCE = 30_000;
/** Milliseconds between two drawings of what arrives: no eye reads faster. */
const PACE = 100;
/** Milliseconds between two drawings of all there is while only texts grow: clocks and counts. */
export const TICK = 250;

export class Store {
  state: RunState = {};
  html: Fragments = {};
  /** Call -> seconds from its start to its first text, as far as this view saw it. */
  readonly first = new Map<number, number>();
  /** Call -> when its latest sign of life came, in seconds since the run's start. */
  readonly heard = new Map<number, number>();
  /** What was picked from a search, by entry: its prices. */
  readonly picked = new Map<string, { entry: string; name: string; in?: string; out?: string }>();
  private seq = -1;
  private zero = 0;
  private asked = 0;
  private waiting = new Map<number, (answer: Answer) => void>();
  private listeners = new Set<() => void>();
  private followers = new Set<() => void>();
  private drawn = Number.NEGATIVE_INFINITY;
  /** When all there is was drawn, not the texts under way alone. */
  whole = Number.NEGATIVE_INFINITY;
  private due: ReturnType<typeof setTimeout> | undefined;
  /** Whether more than the texts under way has changed since the latest drawing. */
  private more = false;

  constructor(private readonly model: Model) {
    model.on("change:snapshot", this.take);
    model.on("msg:custom", this.hear as (...given: never[]) => void);
    for (const name of FORM) model.on(`change:${name}`, this.changed);
    this.take();
  }

  close(): void {
    this.model.off("change:snapshot", this.take);
    this.model.off("msg:custom", this.hear as (...given: never[]) => void);
    for (const name of FORM) this.model.off(`change:${name}`, this.changed);
    clearTimeout(this.due);
    this.listeners.clear();
    this.followers.clear();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** To hear of every change, also where nothing but a text under way has grown. */
  follow(follower: () => void): () => void {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }

  /** The front end's MathJax, where it gives one to its widgets. */
  get typesetter(): Typesetter | undefined {
    const manager = this.model.widget_manager as { rendermime?: { latexTypesetter?: Typesetter } } | undefined;
    return manager?.rendermime?.latexTypesetter ?? undefined;
  }

  /** Whether the kernel's side takes messages of that kind; an older one may not. */
  hears(kind: string): boolean {
    return (this.get<string[]>("hears") ?? []).includes(kind);
  }

  /** Seconds since the run's start. */
  now(): number {
    return running(this.state) ? Math.max(0, performance.now() / 1000 - this.zero) : (this.state.seconds ?? 0);
  }

  get<T>(name: string): T {
    return this.model.get(name) as T;
  }

  /** Changes a trait on this side only, until the next `set`. */
  put(name: string, value: unknown): void {
    this.model.set(name, value);
    this.changed();
  }

  set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
    this.changed();
  }

  send(kind: string, more: Record<string, unknown> = {}): void {
    this.model.send({ kind, ...more });
  }

  /** What the kernel answers; an answer with `error` where it does not. */
  ask(kind: string, more: Record<string, unknown> = {}, patience = PATIENCE): Promise<Answer> {
    const id = ++this.asked;
    this.send(kind, { ...more, id });
    return new Promise((resolve) => {
      const late = setTimeout(() => this.answered(id, { error: "The kernel does not answer: is it busy?" }), patience);
      this.waiting.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
    });
  }

  private answered(id: number, answer: Answer): void {
    this.waiting.get(id)?.(answer);
    this.waiting.delete(id);
  }

  private changed = (): void => {
    this.more = true;
    this.draw();
  };

  private draw = (): void => {
    clearTimeout(this.due);
    this.due = undefined;
    this.drawn = performance.now();
    if (this.more || this.drawn - this.whole >= TICK) {
      this.whole = this.drawn;
      this.more = false;
      for (const listener of [...this.listeners]) listener();
    }
    for (const follower of [...this.followers]) follower();
  };

  /** At once, or when the latest drawing has stood for a moment. */
  private soon(): void {
    const rest = this.drawn + PACE - performance.now();
    if (rest <= 0) this.draw();
    else this.due ??= setTimeout(this.draw, rest);
  }

  private take = (): void => {
    const held = (this.model.get("snapshot") ?? {}) as Snapshot;
    if (held.state?.run !== this.state.run) for (const known of [this.first, this.heard]) known.clear();
    this.state = held.state ?? {};
    this.html = held.html ?? {};
    this.seq = held.seq ?? -1;
    this.sync(held.now ?? 0);
    this.changed();
  };

  private hear = (message: Message): void => {
    if (message.kind === "reply") {
      this.answered(message.id, message);
      return;
    }
    if (message.kind !== "news" || message.to <= this.seq) return;
    // A view that was opened late or whose line broke knows less than the news take for granted.
    if (message.from !== this.seq + 1) {
      this.send("again");
      return;
    }
    for (const event of message.events) this.takeIn(event);
    this.seq = message.to;
    this.more ||= Boolean(message.html);
    this.html = { ...this.html, ...message.html };
    this.sync(message.now);
    this.soon();
  };

  private takeIn(event: RunEvent): void {
    if (event.event === "TextDelta") {
      const reply = this.state.replies?.[event.call - 1];
      if (!this.first.has(event.call)) this.first.set(event.call, event.at - (reply?.started ?? event.at));
      const begun = event.channel === "reasoning" ? reply?.reasoning : reply?.text;
      this.more ||= !begun || (event.channel === "answer" && !this.state.draft);
    } else this.more = true;
    if ("call" in event) this.heard.set(event.call, event.at);
    this.state = fold(this.state, event);
  }

  private sync(now: number): void {
    this.zero = performance.now() / 1000 - now;
  }
}
