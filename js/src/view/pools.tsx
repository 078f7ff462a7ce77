import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../store.ts";

interface Named {
  name: string;
  pool: string[];
}

const same = (a: string[], b: string[]): boolean => a.length === b.length && a.every((entry, i) => entry === b[i]);

/** Pools by name: those for a purpose, and the person's own, which can be kept and forgotten. */
export function Pools({ store, pool, set }: { store: Store; pool: string[]; set: (pool: string[]) => void }) {
  const { presets = [], pools } = store.get<{ presets?: Named[]; pools?: Named[] }>("offers") ?? {};
  const [error, setError] = useState("");
  const row = useRef<HTMLDivElement>(null);
  const tell = async (kind: string, more: Record<string, unknown>) => {
    setError("");
    const answer = await store.ask(kind, more);
    setError(answer.error ?? "");
    return !answer.error;
  };
  const forget = async (name: string) => {
    // The button goes with its pool: the focus must not fall back on the notebook.
    if (await tell("forget_pool", { name })) row.current?.querySelector("button")?.focus();
  };
  return (
    <div class="fnb-presets" ref={row}>
      {presets.map((one) => (
        <Choice key={one.name} one={one} pool={pool} set={set} />
      ))}
      {pools?.map((one) => (
        <span key={`own ${one.name}`} class="fnb-own">
          <Choice one={one} pool={pool} set={set} />
          <button type="button" class="fnb-forget" aria-label={`Forget ${one.name}`} onClick={() => forget(one.name)}>
            ✕
          </button>
        </span>
      ))}
      {/* Where the kernel keeps no pools, there is nothing to offer. */}
      {pools && pool.length > 0 && <Save save={(name) => tell("save_pool", { name, pool })} />}
      {error && (
        <p class="fnb-bad" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function Choice({ one, pool, set }: { one: Named; pool: string[]; set: (pool: string[]) => void }) {
  return (
    <button
      type="button"
      class="fnb-choice"
      title={one.pool.join(", ")}
      aria-pressed={same(one.pool, pool)}
      onClick={() => set(one.pool)}
    >
      {one.name}
    </button>
  );
}

/** A button that turns into a line to write the name on. */
function Save({ save }: { save: (name: string) => Promise<boolean> }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const was = useRef(false);
  // Before the next key can be typed.
  useLayoutEffect(() => {
    if (open) input.current?.focus();
    else if (was.current) opener.current?.focus();
    was.current = open;
  }, [open]);
  const done = () => {
    setOpen(false);
    setName("");
  };
  const keep = async () => {
    if (!name.trim() || busy) return;
    setBusy(true);
    if (await save(name.trim())) done();
    setBusy(false);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") done();
    if (event.key !== "Enter") return;
    // Enter in a form would send the form, and run.
    event.preventDefault();
    keep();
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
        maxLength={60}
        value={name}
        ref={input}
        onInput={(event) => setName(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      <button type="button" class="fnb-button" disabled={busy || !name.trim()} onClick={keep}>
        Save
      </button>
      <button type="button" class="fnb-button" onClick={done}>
        Cancel
      </button>
    </span>
  );
}
