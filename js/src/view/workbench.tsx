import { useEffect, useRef, useState } from "preact/hooks";
import { running } from "../run.ts";
import type { Store } from "../store.ts";
import { Finished } from "./finished.tsx";
import { Form } from "./form.tsx";
import { useClock, useStore } from "./hooks.ts";
import { Asking, Running } from "./live.tsx";

const FORM = ["prompt", "pool", "mode", "judge", "max_cost"];

/** Everything: what to ask above, what came of it below. */
export function Workbench({ store }: { store: Store }) {
  useStore(store);
  const now = useClock(store);
  const [error, setError] = useState("");
  const [asking, setAsking] = useState(false);
  const { state } = store;
  const on = running(state);
  useEffect(() => setAsking(false), [on, state.run]);
  const run = async () => {
    setError("");
    setAsking(true);
    // The form goes along: a change that is still on its way must not miss the run.
    const answer = await store.ask("run", { form: Object.fromEntries(FORM.map((name) => [name, store.get(name)])) });
    if (answer.error) setAsking(false);
    setError(answer.error ?? "");
  };
  const outcome = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A run that begins takes the place of a longer result: what is new must not be out of sight above.
    if (asking || on) outcome.current?.scrollIntoView?.({ block: "nearest" });
  }, [asking, on, state.run]);
  return (
    <>
      <Form store={store} run={run} />
      {error && (
        <p class="fnb-bad" role="alert">
          {error}
        </p>
      )}
      {(asking || state.run) && (
        <div class="fnb-outcome" ref={outcome}>
          {asking ? <Asking store={store} /> : on ? <Running store={store} now={now} /> : <Finished store={store} />}
        </div>
      )}
    </>
  );
}
