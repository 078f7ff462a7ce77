import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../store.ts";
import { CutText } from "./model-name.tsx";

interface NamedPool {
  name: string;
  pool: string[];
  /** Saved with its judges, by comma; presets have none. */
  judge?: string;
}

const samePool = (a: string[], b: string[]): boolean => a.length === b.length && a.every((entry, i) => entry === b[i]);

/** Buttons for named pools: presets and the person's saved pools, which can be added and removed. */
export function NamedPools({ store }: { store: Store }) {
  const pool = store.get<string[]>("pool");
  const judge = store.get<string>("judge");
  const { presets = [], pools } = store.get<{ presets?: NamedPool[]; pools?: NamedPool[] }>("offers") ?? {};
  const [error, setError] = useState("");
  const row = useRef<HTMLDivElement>(null);
  const request = async (kind: string, more: Record<string, unknown>) => {
    setError("");
    const result = await store.request(kind, more);
    setError(result.error ?? "");
    return !result.error;
  };
  const forget = async (name: string) => {
    // The focused button disappears with its pool: move the focus to another button.
    if (await request("forget_pool", { name })) row.current?.querySelector("button")?.focus();
  };
  return (
    <div class="fnb-presets" ref={row}>
      {presets.map((one) => (
        <PoolButton key={one.name} named={one} store={store} />
      ))}
      {pools?.map((one) => (
        <span key={`own ${one.name}`} class="fnb-own">
          <PoolButton named={one} store={store} />
          <button type="button" class="fnb-forget" aria-label={`Forget ${one.name}`} onClick={() => forget(one.name)}>
            ✕
          </button>
        </span>
      ))}
      {/* A kernel that stores no pools sends no `pools`. */}
      {pools && pool.length > 0 && <SavePool save={(name) => request("save_pool", { name, pool, judge })} />}
      {error && (
        <p class="fnb-bad" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function PoolButton({ named, store }: { named: NamedPool; store: Store }) {
  const { name, pool, judge } = named;
  return (
    <button
      type="button"
      class="fnb-choice fnb-cut"
      dir="auto"
      title={`${name}: ${pool.join(", ")}${judge ? `; judge ${judge}` : ""}`}
      aria-pressed={samePool(pool, store.get("pool")) && (!judge || judge === store.get("judge"))}
      onClick={() => store.commit(judge ? { pool, judge } : { pool })}
    >
      <CutText text={name} />
    </button>
  );
}

/** A button that turns into a text field for the name. */
function SavePool({ save }: { save: (name: string) => Promise<boolean> }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const wasOpen = useRef(false);
  // Move the focus before the next key event.
  useLayoutEffect(() => {
    if (open) input.current?.focus();
    else if (wasOpen.current) opener.current?.focus();
    wasOpen.current = open;
  }, [open]);
  const close = () => {
    setOpen(false);
    setName("");
  };
  const submit = async () => {
    if (!name.trim() || busy) return;
    setBusy(true);
    if (await save(name.trim())) close();
    setBusy(false);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") close();
    if (event.key !== "Enter") return;
    // Enter would submit the form and start a run.
    event.preventDefault();
    submit();
  };
  if (!open)
    return (
      <button type="button" class="fnb-choice" ref={opener} onClick={() => setOpen(true)}>
        Save pool…
      </button>
    );
  return (
    <span class="fnb-saving">
      <input
        type="text"
        aria-label="Name of the pool"
        placeholder="Name"
        dir="auto"
        maxLength={60}
        value={name}
        ref={input}
        onInput={(event) => setName(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      <button type="button" class="fnb-button" aria-disabled={busy || !name.trim()} onClick={submit}>
        Save
      </button>
      <button type="button" class="fnb-button" onClick={close}>
        Cancel
      </button>
    </span>
  );
}
