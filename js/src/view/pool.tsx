import { useLayoutEffect, useRef } from "preact/hooks";
import { revealHidden } from "../reveal-hidden.ts";
import type { Store } from "../store.ts";
import { Name } from "./model-name.tsx";
import { focusQuietly, formatPrice, ModelPicker, type ModelRow } from "./model-picker.tsx";
import { NamedPools } from "./named-pools.tsx";

/** Maximum number of times that one model is asked. */
const MAX_TIMES = 9;
/** With more members than this, the presets are placed below the members. */
const MANY_MEMBERS = 4;
const ENTRY = /^(.*?)\s*(?:\*\s*(\d+))?$/s;
const parseEntry = (entry: string): [string, number] => {
  const match = ENTRY.exec(entry);
  return [match?.[1] ?? entry, Number(match?.[2] ?? 1)];
};

export function Pool({ store, resolved }: { store: Store; resolved: string[] }) {
  const pool = store.get<string[]>("pool");
  const offers = store.get<{ rows?: ModelRow[] }>("offers") ?? {};
  const rows = new Map((offers.rows ?? []).map((row) => [row.entry, row]));
  for (const row of store.pickedRows.values()) rows.set(row.entry, row);
  const list = useRef<HTMLUListElement>(null);
  const removedAt = useRef<number | undefined>(undefined);
  // The focused button disappears with its member: focus the next member, or the input.
  useLayoutEffect(() => {
    if (removedAt.current === undefined) return;
    const remove = list.current?.querySelectorAll<HTMLElement>(".fnb-remove") ?? [];
    focusQuietly(remove[Math.min(removedAt.current, remove.length - 1)] ?? list.current?.querySelector("input"));
    removedAt.current = undefined;
  }, [pool]);
  const setPool = (entries: string[]) => store.commit({ pool: entries });
  const remove = (at: number) => {
    removedAt.current = at;
    setPool(pool.filter((_, i) => i !== at));
  };
  const setTimes = (at: number, name: string, count: number) => {
    if (count > MAX_TIMES) return;
    if (count < 1) remove(at);
    else setPool(pool.map((entry, i) => (i === at ? (count > 1 ? `${name}*${count}` : name) : entry)));
  };
  const add = (row: ModelRow) => {
    store.pickedRows.set(row.entry, row);
    const at = pool.findIndex((entry) => parseEntry(entry)[0] === row.entry);
    if (at < 0) setPool([...pool, row.entry]);
    else setTimes(at, row.entry, Math.min(MAX_TIMES, parseEntry(pool[at] ?? "")[1] + 1));
  };
  const seen = new Map<string, number>();
  return (
    <div class="fnb-pool" data-many={pool.length > MANY_MEMBERS}>
      <ul class="fnb-chips" aria-label="Pool" ref={list}>
        {pool.map((entry, at) => {
          const [name, count] = parseEntry(entry);
          const occurrence = (seen.get(name) ?? 0) + 1;
          seen.set(name, occurrence);
          const row = rows.get(name);
          const price = row && formatPrice(row);
          return (
            // The key leaves out the count: the buttons keep the focus when it changes.
            <li key={`${name} ${occurrence}`} class={`fnb-chip fnb-m${at % 8}`}>
              <Name name={name} />
              {price && <span title="USD per million tokens, in and out">{price}</span>}
              <button type="button" aria-label={`One ${name} fewer`} onClick={() => setTimes(at, name, count - 1)}>
                −
              </button>
              <span class="fnb-times">×{count}</span>
              <button
                type="button"
                aria-label={`One more ${name}`}
                aria-disabled={count >= MAX_TIMES}
                onClick={() => setTimes(at, name, count + 1)}
              >
                +
              </button>
              <button type="button" class="fnb-remove" aria-label={`Remove ${name}`} onClick={() => remove(at)}>
                ✕
              </button>
            </li>
          );
        })}
        {!pool.length && (
          <li class="fnb-chip fnb-auto">{resolved.length ? `auto: ${revealHidden(resolved.join(", "))}` : "auto"}</li>
        )}
        <li class="fnb-adder">
          <ModelPicker store={store} label="Add a model to the pool" placeholder="Add a model" pick={add} />
        </li>
      </ul>
      <NamedPools store={store} pool={pool} setPool={setPool} />
    </div>
  );
}
