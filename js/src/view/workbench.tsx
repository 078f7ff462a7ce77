import { useEffect, useRef, useState } from "preact/hooks";
import { running } from "../run.ts";
import type { Store } from "../store.ts";
import { Finished } from "./finished.tsx";
import { Form } from "./form.tsx";
import { useClock, useStore } from "./hooks.ts";
import { Running } from "./live.tsx";

const FORM = ["prompt", "pool", "mode", "judge", "max_cost"];

/** Everything: what to ask above, what came of it below. */
export function Workbench({ store }: { store: Store }) {
  useStore(store);
  const now = useClock(store);
  const [error, setError] = useState("");
  const run = async () => {
    setError("");
    // The form goes along: a change that is still on its way must not miss the run.
    const answer = await store.ask("run", { form: Object.fromEntries(FORM.map((name) => [name, store.get(name)])) });
    setError(answer.error ?? "");
  };
  const { state } = store;
  const outcome = useRef<HTMLDivElement>(null);
  const on = running(state);
  useEffect(() => {
    // A run that begins takes the place of a longer result: what is new must not be out of sight above.
    if (on) outcome.current?.scrollIntoView?.({ block: "nearest" });
  }, [on, state.run]);
  return (
    <>
      <Form store={store} run={run} />
      {error && (
        <p class="fnb-bad" role="alert">
          {error}
        </p>
      )}
      {state.run && (
        <div class="fnb-outcome" ref={outcome}>
          {running(state) ? <Running store={store} now={now} /> : <Finished store={store} />}
        </div>
      )}
    </>
  );
}
