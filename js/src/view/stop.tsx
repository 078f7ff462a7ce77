import { useEffect, useState } from "preact/hooks";
import { running } from "../run.ts";
import type { Store } from "../store.ts";

/** Seconds a kernel has to answer before the view names the way that always works. */
export const PATIENCE = 1;

export function Stop({ store }: { store: Store }) {
  const [asked, ask] = useState(false);
  const [late, setLate] = useState(false);
  const on = running(store.state);
  useEffect(() => {
    if (!asked || !on) return;
    const timer = setTimeout(() => setLate(true), PATIENCE * 1000);
    return () => clearTimeout(timer);
  }, [asked, on]);
  useEffect(() => {
    if (on) return;
    ask(false);
    setLate(false);
  }, [on]);
  if (!on) return null;
  const stop = () => {
    ask(true);
    store.send("stop");
  };
  return (
    <>
      <button type="button" class="fnb-stop" onClick={stop} aria-disabled={asked}>
        <i aria-hidden="true" />
        {asked ? "Stopping" : "Stop"}
      </button>
      {late && (
        <p class="fnb-warn fnb-hint" role="alert">
          This front end does not pass Stop on while a cell runs. Use the notebook’s interrupt button (■): it always
          works, and what was received is kept.
        </p>
      )}
    </>
  );
}
