import { useEffect, useRef, useState } from "preact/hooks";
import { splitEntries } from "../entries.ts";
import { revealHidden } from "../reveal-hidden.ts";
import { isRunning } from "../run.ts";
import { FORM_TRAITS, type Store } from "../store.ts";
import { DraftInput } from "./draft-input.tsx";
import { EntryList } from "./entry-list.tsx";
import { KeyField } from "./key-field.tsx";
import { Pool } from "./pool.tsx";
import { Checks, More } from "./selection.tsx";
import { useStop } from "./stop.tsx";

interface Advice {
  pool?: string[];
  judge?: string;
  notes?: string[];
  error?: string;
  /** The service whose key is missing. */
  key?: string;
}

const MODES = [
  ["merge", "merge: one answer from all"],
  ["best-of", "best-of: the best candidate"],
  ["debate", "debate: they challenge each other"],
  ["debate:2", "debate, two rounds"],
  ["vote", "vote: the answer that most share"],
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
        <Judges store={store} resolved={advice.judge ?? ""} />
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
      <Checks store={store} />
      <More store={store} members={advice.pool?.length} />
      {Boolean(advice.error || advice.notes?.length) && (
        <p class={advice.error ? "fnb-bad" : "fnb-warn"} role={advice.error ? "alert" : undefined}>
          {revealHidden(advice.error ?? advice.notes?.join(" ") ?? "")}
        </p>
      )}
      {advice.key && store.supports("set_key") && <KeyField key={advice.key} store={store} service={advice.key} />}
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
  const form = FORM_TRAITS.map((name) => store.get(name));
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

/** Several judges are a jury. */
function Judges({ store, resolved }: { store: Store; resolved: string }) {
  const judges = splitEntries(store.get<string>("judge"));
  const votes = store.get<string>("mode") === "vote";
  return (
    <div class="fnb-field fnb-judges" data-many={judges.length > 1}>
      <span>
        {judges.length > 1 ? "Jury" : "Judge"}
        {votes && (judges.length ? ": only breaks ties" : " · nobody: the members vote; a judge only breaks ties")}
      </span>
      <EntryList
        store={store}
        entries={judges}
        setEntries={(entries) => store.commit({ judge: entries.join(", ") })}
        label="Judges"
        adder="Judge"
        placeholder={judges.length ? "Another" : votes ? "nobody" : resolved ? `auto: ${resolved}` : "auto"}
      />
    </div>
  );
}

function CostCap({ store }: { store: Store }) {
  const cap = store.get<number | null>("max_cost");
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is in it
    <label>
      <span>At most, USD</span>
      <DraftInput
        type="number"
        min="0"
        step="any"
        inputMode="decimal"
        placeholder="no cap"
        value={cap ?? ""}
        commit={(typed) => store.commit({ max_cost: Number(typed) > 0 ? Number(typed) : null })}
      />
    </label>
  );
}
