import type { Model } from "../src/store.ts";

/** The front end's side of a comm, without a kernel. */
export class MockModel implements Model {
  readonly sent: { kind: string }[] = [];
  readonly listeners = new Map<string, Set<(...given: never[]) => void>>();
  constructor(readonly values: Record<string, unknown>) {}
  get = (name: string) => this.values[name];
  set = (name: string, value: unknown) => {
    this.values[name] = value;
  };
  save_changes = () => undefined;
  send = (content: unknown) => {
    this.sent.push(content as { kind: string });
  };
  on = (name: string, callback: (...given: never[]) => void) => {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name)?.add(callback);
  };
  off = (name: string, callback: (...given: never[]) => void) => {
    this.listeners.get(name)?.delete(callback);
  };
  fire(name: string, ...given: unknown[]): void {
    for (const listener of this.listeners.get(name) ?? []) listener(...(given as never[]));
  }
  get count(): number {
    return [...this.listeners.values()].reduce((all, set) => all + set.size, 0);
  }
}

export const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

export const shadow = (el: HTMLElement) => el.firstElementChild?.shadowRoot as ShadowRoot;
