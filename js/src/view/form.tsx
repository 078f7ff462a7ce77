import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { revealHidden } from "../reveal-hidden.ts";
import { isRunning } from "../run.ts";
import type { Store } from "../store.ts";
import { Name } from "./model-name.tsx";
import { focusQuietly, ModelPicker } from "./model-picker.tsx";
import { Pool } from "./pool.tsx";
import { useStop } from "./stop.tsx";

interface Advice {
  pool?: string[];
  judge?: string;
  notes?: string[];
  error?: string;
}

const MODES = [
  ["merge", "merge: one answer from all"],
  ["best-of", "best-of: the best candidate"],
  ["debate", "debate: they challenge each other"],
  ["debate:2", "debate, two rounds"],
] as const;
const COMMIT_DELAY = 300;
const FORECAST_DELAY = 800;

/** The form: prompt, pool, mode, judge, cost cap. */
export function Form({ store, run }: { store: Store; run: () => void }) {
  const busy = store.get<boolean>("busy");
  const advice = store.get<Advice>("advice") ?? {};
  const mode = store.get<string>("mode");
  const forecast = useForecast(store);
  const modes = MODES.some(([name]) => name === mode) ? MODES : ([...MODES, [mode, mode]] as const);
  return (
    <form
      class="fnb-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy && !advice.error) run();
      }}
    >
      <Prompt store={store} run={run} />
      <Pool store={store} resolved={advice.pool ?? []} />
      <div class="fnb-fields">
        <label>
          <span>Mode</span>
          <select value={mode} onChange={(event) => store.commit({ mode: event.currentTarget.value })}>
            {modes.map(([name, label]) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <Judge store={store} resolved={advice.judge ?? ""} />
        <CostCap store={store} />
        <div class="fnb-go">
          {!busy && forecast && (
            <span class="fnb-forecast" title="A forecast: nothing has been sent">
              {forecast}
            </span>
          )}
          <RunStopButton store={store} refused={Boolean(advice.error)} />
        </div>
      </div>
      {Boolean(advice.error || advice.notes?.length) && (
        <p class={advice.error ? "fnb-bad" : "fnb-warn"} role={advice.error ? "alert" : undefined}>
          {revealHidden(advice.error ?? advice.notes?.join(" ") ?? "")}
        </p>
      )}
    </form>
  );
}

/** Run or, during a run, Stop. It is one button element, so that it keeps the focus. */
function RunStopButton({ store, refused }: { store: Store; refused: boolean }) {
  const busy = store.get<boolean>("busy");
  const { button, label, hint } = useStop(store);
  const isOn = busy && isRunning(store.state);
  const runProps = { type: "submit", class: "fnb-run", "aria-disabled": busy || refused, title: "Ctrl+Enter" };
  return (
    <>
      <button type="submit" {...(isOn ? button : runProps)}>
        {isOn ? label : "Run"}
      </button>
      {isOn && hint}
    </>
  );
}

/** A short forecast of cost and time, requested when the form has not changed for a moment. */
function useForecast(store: Store): string {
  const [text, setText] = useState("");
  const form = ["prompt", "pool", "mode", "judge", "max_cost"].map((name) => store.get(name));
  const key = JSON.stringify([...form, store.get<boolean>("busy")]);
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(async () => {
      const result = await store.request("estimate");
      if (!stale) setText(result.error ? "" : [result.text, ...((result.problems as string[]) ?? [])].join(" "));
    }, FORECAST_DELAY);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [key, store]);
  return text;
}

function Prompt({ store, run }: { store: Store; run: () => void }) {
  const commitTimer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const prompt = store.get<string>("prompt");
  return (
    <textarea
      class="fnb-prompt"
      aria-label="Prompt"
      dir="auto"
      placeholder="Ask all of them at once"
      rows={Math.min(12, Math.max(3, prompt.split("\n").length))}
      value={prompt}
      onInput={(event) => {
        // Do not send every letter to the kernel.
        store.setLocal("prompt", event.currentTarget.value);
        clearTimeout(commitTimer.current);
        commitTimer.current = setTimeout(() => store.commit({}), COMMIT_DELAY);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
          event.preventDefault();
          if (!store.get("busy") && !store.get<Advice>("advice")?.error) run();
        }
      }}
    />
  );
}

function Judge({ store, resolved }: { store: Store; resolved: string }) {
  const judge = store.get<string>("judge");
  const field = useRef<HTMLDivElement>(null);
  const moveFocus = useRef(false);
  // The button to remove a judge and the input to pick one take each other's place.
  useLayoutEffect(() => {
    if (!moveFocus.current) return;
    moveFocus.current = false;
    focusQuietly(field.current?.querySelector<HTMLElement>("input, button"));
  }, [judge]);
  const setJudge = (entry: string) => {
    moveFocus.current = true;
    store.commit({ judge: entry });
  };
  return (
    <div class="fnb-field" ref={field}>
      <span>Judge</span>
      {judge ? (
        <span class="fnb-chip fnb-m8">
          <Name name={judge} />
          <button type="button" aria-label={`Do not fix the judge to ${judge}`} onClick={() => setJudge("")}>
            ✕
          </button>
        </span>
      ) : (
        <ModelPicker
          store={store}
          label="Judge"
          placeholder={resolved ? `auto: ${resolved}` : "auto"}
          pick={(row) => setJudge(row.entry)}
        />
      )}
    </div>
  );
}

function CostCap({ store }: { store: Store }) {
  const cap = store.get<number | null>("max_cost");
  return (
    <label>
      <span>At most, USD</span>
      <input
        type="number"
        min="0"
        step="any"
        inputMode="decimal"
        placeholder="no cap"
        value={cap ?? ""}
        onChange={(event) => {
          const amount = event.currentTarget.valueAsNumber;
          store.commit({ max_cost: amount > 0 ? amount : null });
        }}
      />
    </label>
  );
}
