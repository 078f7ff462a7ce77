import { useEffect, useRef, useState } from "preact/hooks";
import { revealHidden } from "../reveal-hidden.ts";
import { isRunning } from "../run.ts";
import { FORM_TRAITS, type Store } from "../store.ts";
import { Form } from "./form.tsx";
import { useClock, useStore } from "./hooks.ts";
import { LiveRegion, RunPending, RunProgress } from "./live-run.tsx";
import { RunResult } from "./result.tsx";

/** The whole workbench: the form above, the run or its result below. */
export function Workbench({ store }: { store: Store }) {
  useStore(store);
  const now = useClock(store);
  const [refusal, setRefusal] = useState({ error: "", form: "" });
  const [asking, setAsking] = useState(false);
  const { state } = store;
  const isOn = isRunning(state);
  useEffect(() => setAsking(false), [isOn, state.run]);
  const written = () => JSON.stringify(FORM_TRAITS.map((name) => store.get(name)));
  // What was wrong is said of the form as it was then: not any more once a person has changed it.
  const error = refusal.form === written() ? refusal.error : "";
  const run = async () => {
    setRefusal({ error: "", form: "" });
    setAsking(true);
    // The message carries the form, so that a change that has not been synchronized yet is part of the run.
    const result = await store.request("run", {
      form: Object.fromEntries(FORM_TRAITS.map((name) => [name, store.get(name)])),
    });
    if (result.error) setAsking(false);
    setRefusal({ error: result.error ?? "", form: written() });
  };
  const outcome = useRef<HTMLElement>(null);
  useEffect(() => {
    // A new run replaces a longer result: keep the new content in view.
    if (asking || isOn) outcome.current?.scrollIntoView?.({ block: "nearest" });
  }, [asking, isOn, state.run]);
  return (
    <>
      <Form store={store} run={run} />
      {error && (
        <p class="fnb-bad" role="alert">
          {revealHidden(error)}
        </p>
      )}
      {(asking || state.run) && (
        <section class="fnb-outcome" aria-label="Run" tabIndex={-1} ref={outcome}>
          {asking ? (
            <RunPending store={store} />
          ) : isOn ? (
            <RunProgress store={store} now={now} />
          ) : (
            <RunResult store={store} />
          )}
        </section>
      )}
      <LiveRegion store={store} />
    </>
  );
}
