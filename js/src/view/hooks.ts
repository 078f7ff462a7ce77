import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";
import { running } from "../run.ts";
import { type Store, TICK } from "../store.ts";

/** Draws anew whenever the store changes. */
export function useStore(store: Store): Store {
  const [, again] = useReducer((n: number, _: undefined) => n + 1, 0);
  // With the first drawing, not after it: what changes in between would be missed.
  useLayoutEffect(() => store.subscribe(() => again(undefined)), [store]);
  return store;
}

/** Draws anew as time goes on, while the run does. */
export function useClock(store: Store): number {
  const [, again] = useReducer((n: number, _: undefined) => n + 1, 0);
  const on = running(store.state) && Boolean(store.state.run);
  useEffect(() => {
    if (!on) return;
    // Where texts arrive, time is drawn along with them.
    const tick = () => performance.now() - store.whole >= TICK && again(undefined);
    const timer = setInterval(tick, TICK);
    return () => clearInterval(timer);
  }, [on, store]);
  return store.now();
}

/** A value that is what it was set to for some seconds, then empty. */
export function useBrief(forSeconds = 4): [string, (value: string) => void] {
  const [value, set] = useState("");
  useEffect(() => {
    if (!value) return;
    const timer = setTimeout(() => set(""), forSeconds * 1000);
    return () => clearTimeout(timer);
  }, [value, forSeconds]);
  return [value, set];
}
