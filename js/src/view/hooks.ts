import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";
import { isRunning } from "../run.ts";
import { FULL_DRAW_INTERVAL, type Store } from "../store.ts";

/** Redraws whenever the store changes. */
export function useStore(store: Store): Store {
  const [, redraw] = useReducer((n: number, _: undefined) => n + 1, 0);
  // Subscribe during the first render: a later effect would miss changes in between.
  useLayoutEffect(() => store.subscribe(() => redraw(undefined)), [store]);
  return store;
}

/** Redraws regularly while a run is under way. Returns the seconds since its start. */
export function useClock(store: Store): number {
  const [, redraw] = useReducer((n: number, _: undefined) => n + 1, 0);
  const on = isRunning(store.state) && Boolean(store.state.run);
  useEffect(() => {
    if (!on) return;
    // Arriving texts redraw the clock too.
    const tick = () => performance.now() - store.lastFullDraw >= FULL_DRAW_INTERVAL && redraw(undefined);
    const timer = setInterval(tick, FULL_DRAW_INTERVAL);
    return () => clearInterval(timer);
  }, [on, store]);
  return store.now();
}

/** A text that is cleared after `duration` seconds. */
export function useTransient(duration = 4): [string, (value: string) => void] {
  const [value, set] = useState("");
  useEffect(() => {
    if (!value) return;
    const timer = setTimeout(() => set(""), duration * 1000);
    return () => clearTimeout(timer);
  }, [value, duration]);
  return [value, set];
}
