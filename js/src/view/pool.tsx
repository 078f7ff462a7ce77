import type { Store } from "../store.ts";
import { Picker, price, type Row } from "./picker.tsx";
import { Pools } from "./pools.tsx";

/** How many times one model may be asked. */
const MOST = 9;
/** With more members than this the presets stand below them, not beside. */
const MANY = 4;
const TIMES = /^(.*?)\s*(?:\*\s*(\d+))?$/s;
const parts = (entry: string): [string, number] => {
  const found = TIMES.exec(entry);
  return [found?.[1] ?? entry, Number(found?.[2] ?? 1)];
};

export function Pool({ store, resolved }: { store: Store; resolved: string[] }) {
  const pool = store.get<string[]>("pool");
  const offers = store.get<{ rows?: Row[] }>("offers") ?? {};
  const rows = new Map((offers.rows ?? []).map((row) => [row.entry, row]));
  for (const row of store.picked.values()) rows.set(row.entry, row);
  const set = (entries: string[]) => store.set({ pool: entries });
  const times = (at: number, name: string, count: number) =>
    set(
      count < 1
        ? pool.filter((_, i) => i !== at)
        : pool.map((e, i) => (i === at ? (count > 1 ? `${name}*${count}` : name) : e)),
    );
  const add = (row: Row) => {
    store.picked.set(row.entry, row);
    const at = pool.findIndex((entry) => parts(entry)[0] === row.entry);
    if (at < 0) set([...pool, row.entry]);
    else times(at, row.entry, Math.min(MOST, parts(pool[at] ?? "")[1] + 1));
  };
  return (
    <div class="fnb-pool" data-many={pool.length > MANY}>
      <ul class="fnb-chips" aria-label="Pool">
        {pool.map((entry, at) => {
          const [name, count] = parts(entry);
          return (
            <li key={entry} class={`fnb-chip fnb-m${at % 8}`}>
              <b class="fnb-name">{name}</b>
              {rows.has(name) && <span title="USD per million tokens, in and out">{price(rows.get(name))}</span>}
              <button type="button" aria-label={`One ${name} fewer`} onClick={() => times(at, name, count - 1)}>
                −
              </button>
              <span class="fnb-times">×{count}</span>
              <button
                type="button"
                aria-label={`One more ${name}`}
                disabled={count >= MOST}
                onClick={() => times(at, name, count + 1)}
              >
                +
              </button>
              <button type="button" aria-label={`Remove ${name}`} onClick={() => set(pool.filter((_, i) => i !== at))}>
                ✕
              </button>
            </li>
          );
        })}
        {!pool.length && <li class="fnb-chip fnb-auto">{resolved.length ? `auto: ${resolved.join(", ")}` : "auto"}</li>}
        <li>
          <Picker store={store} label="Add a model to the pool" placeholder="Add a model" pick={add} />
        </li>
      </ul>
      <Pools store={store} pool={pool} set={set} />
    </div>
  );
}
