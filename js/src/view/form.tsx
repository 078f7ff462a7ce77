import { useEffect, useRef, useState } from "preact/hooks";
import { running } from "../run.ts";
import type { Store } from "../store.ts";
import { Picker } from "./picker.tsx";
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
const PAUSE = 300;
const CALM = 800;

/** What will be asked, of whom, and how it is judged. */
export function Form({ store, run }: { store: Store; run: () => void }) {
  const busy = store.get<boolean>("busy");
  const advice = store.get<Advice>("advice") ?? {};
  const mode = store.get<string>("mode");
  const ahead = useForecast(store);
  const modes = MODES.some(([name]) => name === mode) ? MODES : ([...MODES, [mode, mode]] as const);
  return (
    <form
      class="fnb-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) run();
      }}
    >
      <Prompt store={store} run={run} />
      <Pool store={store} resolved={advice.pool ?? []} />
      <div class="fnb-fields">
        <label>
          <span>Mode</span>
          <select value={mode} onChange={(event) => store.set({ mode: event.currentTarget.value })}>
            {modes.map(([name, said]) => (
              <option key={name} value={name}>
                {said}
              </option>
            ))}
          </select>
        </label>
        <Judge store={store} resolved={advice.judge ?? ""} />
        <Cap store={store} />
        <div class="fnb-go">
          {!busy && ahead && (
            <span class="fnb-forecast" title="A forecast: nothing has been sent">
              {ahead}
            </span>
          )}
          <Go store={store} refused={Boolean(advice.error)} />
        </div>
      </div>
      {Boolean(advice.error || advice.notes?.length) && (
        <p class={advice.error ? "fnb-bad" : "fnb-warn"} role={advice.error ? "alert" : undefined}>
          {advice.error ?? advice.notes?.join(" ")}
        </p>
      )}
    </form>
  );
}

/** Run, and while it goes on Stop: one button, so that the focus stays where it is. */
function Go({ store, refused }: { store: Store; refused: boolean }) {
  const busy = store.get<boolean>("busy");
  const { button, label, hint } = useStop(store);
  const on = busy && running(store.state);
  const run = { type: "submit", class: "fnb-run", disabled: refused, "aria-disabled": busy, title: "Ctrl+Enter" };
  return (
    <>
      <button type="submit" {...(on ? button : run)}>
        {on ? label : "Run"}
      </button>
      {on && hint}
    </>
  );
}

/** What a run would take, in a few words, once the form has stood still for a moment. */
function useForecast(store: Store): string {
  const [text, set] = useState("");
  const form = ["prompt", "pool", "mode", "judge", "max_cost"].map((name) => store.get(name));
  const key = JSON.stringify([...form, store.get<boolean>("busy")]);
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(async () => {
      const answer = await store.ask("estimate");
      if (!stale) set(answer.error ? "" : [answer.text, ...((answer.problems as string[]) ?? [])].join(" "));
    }, CALM);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [key, store]);
  return text;
}

function Prompt({ store, run }: { store: Store; run: () => void }) {
  const later = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const prompt = store.get<string>("prompt");
  return (
    <textarea
      class="fnb-prompt"
      aria-label="Prompt"
      placeholder="Ask all of them at once"
      rows={Math.min(12, Math.max(3, prompt.split("\n").length))}
      value={prompt}
      onInput={(event) => {
        // The kernel need not hear of every letter.
        store.put("prompt", event.currentTarget.value);
        clearTimeout(later.current);
        later.current = setTimeout(() => store.set({}), PAUSE);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
          event.preventDefault();
          if (!store.get("busy")) run();
        }
      }}
    />
  );
}

function Judge({ store, resolved }: { store: Store; resolved: string }) {
  const judge = store.get<string>("judge");
  return (
    <div class="fnb-field">
      <span>Judge</span>
      {judge ? (
        <span class="fnb-chip fnb-m8">
          <b class="fnb-name">{judge}</b>
          <button
            type="button"
            aria-label={`Do not fix the judge to ${judge}`}
            onClick={() => store.set({ judge: "" })}
          >
            ✕
          </button>
        </span>
      ) : (
        <Picker
          store={store}
          label="Judge"
          placeholder={resolved ? `auto: ${resolved}` : "auto"}
          pick={(row) => store.set({ judge: row.entry })}
        />
      )}
    </div>
  );
}

function Cap({ store }: { store: Store }) {
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
          const given = event.currentTarget.valueAsNumber;
          store.set({ max_cost: given > 0 ? given : null });
        }}
      />
    </label>
  );
}
