import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { running } from "../run.ts";
import type { Store } from "../store.ts";

/** Seconds a kernel has to answer before the view names the way that always works. */
export const PATIENCE = 1;

/** Stop as the attributes of a button, what the button says, and a hint where nobody answers. */
export function useStop(store: Store): { button: object; label: ComponentChildren; hint: ComponentChildren } {
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
  const onClick = (event: MouseEvent) => {
    // The second click of a double click on Run, whose place this is.
    if (event.detail > 1) return;
    ask(true);
    store.send("stop");
  };
  return {
    button: { type: "button", class: "fnb-stop", onClick, "aria-disabled": asked },
    label: (
      <>
        <i aria-hidden="true" />
        {asked ? "Stopping" : "Stop"}
      </>
    ),
    hint: late && on && (
      <p class="fnb-warn fnb-hint" role="alert">
        This front end does not pass Stop on while a cell runs. Use the notebook’s interrupt button (■): it always
        works, and what was received is kept.
      </p>
    ),
  };
}

export function Stop({ store }: { store: Store }) {
  const { button, label, hint } = useStop(store);
  if (!running(store.state)) return null;
  return (
    <>
      <button type="button" {...button}>
        {label}
      </button>
      {hint}
    </>
  );
}
