import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isRunning } from "../run.ts";
import type { Store } from "../store.ts";

/** Seconds without an answer from the kernel before the view points to the interrupt button. */
export const HINT_AFTER = 1;

/** The Stop button's attributes and label, and a hint that appears if the kernel does not answer. */
export function useStop(store: Store): { button: object; label: ComponentChildren; hint: ComponentChildren } {
  const [asked, setAsked] = useState(false);
  const [late, setLate] = useState(false);
  const isOn = isRunning(store.state);
  useEffect(() => {
    if (!asked || !isOn) return;
    const timer = setTimeout(() => setLate(true), HINT_AFTER * 1000);
    return () => clearTimeout(timer);
  }, [asked, isOn]);
  useEffect(() => {
    if (isOn) return;
    setAsked(false);
    setLate(false);
  }, [isOn]);
  const onClick = (event: MouseEvent) => {
    // Ignore the second click of a double click on Run: Stop takes its place.
    if (event.detail > 1) return;
    setAsked(true);
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
    hint: late && isOn && (
      <p class="fnb-warn fnb-hint" role="alert">
        This front end does not pass Stop on while a cell runs. Use the notebook’s interrupt button (■): it always
        works, and what was received is kept.
      </p>
    ),
  };
}

export function Stop({ store }: { store: Store }) {
  const { button, label, hint } = useStop(store);
  if (!isRunning(store.state)) return null;
  return (
    <>
      <button type="button" {...button}>
        {label}
      </button>
      {hint}
    </>
  );
}
