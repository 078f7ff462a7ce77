import type { Store } from "../store.ts";
import { formatPrice, ModelPicker, type ModelRow } from "./model-picker.tsx";
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
  const setPool = (entries: string[]) => store.commit({ pool: entries });
  const setTimes = (at: number, name: string, count: number) =>
    setPool(
      count < 1
        ? pool.filter((_, i) => i !== at)
        : pool.map((e, i) => (i === at ? (count > 1 ? `${name}*${count}` : name) : e)),
    );
  const add = (row: ModelRow) => {
    store.pickedRows.set(row.entry, row);
    const at = pool.findIndex((entry) => parseEntry(entry)[0] === row.entry);
    if (at < 0) setPool([...pool, row.entry]);
    else setTimes(at, row.entry, Math.min(MAX_TIMES, parseEntry(pool[at] ?? "")[1] + 1));
  };
  return (
    <div class="fnb-pool" data-many={pool.length > MANY_MEMBERS}>
      <ul class="fnb-chips" aria-label="Pool">
        {pool.map((entry, at) => {
          const [name, count] = parseEntry(entry);
          return (
            <li key={entry} class={`fnb-chip fnb-m${at % 8}`}>
              <b class="fnb-name">{name}</b>
              {rows.has(name) && <span title="USD per million tokens, in and out">{formatPrice(rows.get(name))}</span>}
              <button type="button" aria-label={`One ${name} fewer`} onClick={() => setTimes(at, name, count - 1)}>
                −
              </button>
              <span class="fnb-times">×{count}</span>
              <button
                type="button"
                aria-label={`One more ${name}`}
                disabled={count >= MAX_TIMES}
                onClick={() => setTimes(at, name, count + 1)}
              >
                +
              </button>
              <button
                type="button"
                aria-label={`Remove ${name}`}
                onClick={() => setPool(pool.filter((_, i) => i !== at))}
              >
                ✕
              </button>
            </li>
          );
        })}
        {!pool.length && <li class="fnb-chip fnb-auto">{resolved.length ? `auto: ${resolved.join(", ")}` : "auto"}</li>}
        <li>
          <ModelPicker store={store} label="Add a model to the pool" placeholder="Add a model" pick={add} />
        </li>
      </ul>
      <NamedPools store={store} pool={pool} setPool={setPool} />
    </div>
  );
}
