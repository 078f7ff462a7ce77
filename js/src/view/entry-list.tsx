import { useLayoutEffect, useRef } from "preact/hooks";
import { joinEntry, parseEntry } from "../entries.ts";
import { revealHidden } from "../reveal-hidden.ts";
import type { Store } from "../store.ts";
import { MemberSettings } from "./member-settings.tsx";
import { Name } from "./model-name.tsx";
import { focusQuietly, formatPrice, ModelPicker, type ModelRow } from "./model-picker.tsx";

/** Maximum number of times that one model is asked. */
const MAX_TIMES = 9;

interface Offers {
  rows?: ModelRow[];
  /** What a model can be given of its own, with an example of each. An older kernel knows no such settings. */
  settings?: [string, string][];
}

interface Props {
  store: Store;
  entries: string[];
  setEntries: (entries: string[]) => void;
  label: string;
  /** Name and placeholder of the input that adds one. */
  adder: string;
  placeholder: string;
  /** Shown in the place of the first chip while there is none. */
  auto?: string | undefined;
  /** Members of the pool: they have colours, prices, and can be asked several times. */
  members?: boolean;
}

/** Models as chips: each can be removed and given settings of its own; the last place adds another. */
export function EntryList({ store, entries, setEntries, label, adder, placeholder, auto, members }: Props) {
  const { rows: offered = [], settings: fields } = store.get<Offers>("offers") ?? {};
  const { labels = {} } = store.get<{ labels?: Record<string, string> }>("advice") ?? {};
  const rows = new Map([...offered, ...store.pickedRows.values()].map((row) => [row.entry, row]));
  const list = useRef<HTMLUListElement>(null);
  const removedAt = useRef<number | undefined>(undefined);
  // The focused button disappears with its entry: focus the next one, or the input.
  useLayoutEffect(() => {
    if (removedAt.current === undefined) return;
    const remove = list.current?.querySelectorAll<HTMLElement>(".fnb-remove") ?? [];
    focusQuietly(remove[Math.min(removedAt.current, remove.length - 1)] ?? list.current?.querySelector("input"));
    removedAt.current = undefined;
  }, [entries.join()]);
  const remove = (at: number) => {
    removedAt.current = at;
    setEntries(entries.filter((_, i) => i !== at));
  };
  const change = (at: number, entry: string) => setEntries(entries.map((old, i) => (i === at ? entry : old)));
  const setTimes = (at: number, times: number) => {
    if (times > MAX_TIMES) return;
    if (times < 1) remove(at);
    else change(at, joinEntry({ ...parseEntry(entries[at] ?? ""), times }));
  };
  const add = (row: ModelRow) => {
    store.pickedRows.set(row.entry, row);
    const at = entries.findIndex((entry) => joinEntry({ ...parseEntry(entry), times: 1 }) === row.entry);
    if (at < 0) setEntries([...entries, row.entry]);
    else if (members) setTimes(at, Math.min(MAX_TIMES, parseEntry(entries[at] ?? "").times + 1));
  };
  const seen = new Map<string, number>();
  return (
    <ul class="fnb-chips" aria-label={label} ref={list}>
      {entries.map((entry, at) => {
        const { name, settings, times } = parseEntry(entry);
        const occurrence = (seen.get(name) ?? 0) + 1;
        seen.set(name, occurrence);
        const row = rows.get(name);
        const price = members && row && formatPrice(row);
        const short = settings && (labels[entry] ?? settings);
        return (
          // The key leaves out count and settings: the buttons keep the focus when they change.
          <li key={`${name} ${occurrence}`} class={`fnb-chip fnb-m${members ? at % 8 : 8}`}>
            <Name name={name} />
            {short && (
              <span class="fnb-own-settings" title={revealHidden(settings)} dir="auto">
                {revealHidden(short)}
              </span>
            )}
            {price && <span title="USD per million tokens, in and out">{price}</span>}
            {members && (
              <>
                <button type="button" aria-label={`One ${name} fewer`} onClick={() => setTimes(at, times - 1)}>
                  −
                </button>
                <span class="fnb-times">×{times}</span>
                <button
                  type="button"
                  aria-label={`One more ${name}`}
                  aria-disabled={times >= MAX_TIMES}
                  onClick={() => setTimes(at, times + 1)}
                >
                  +
                </button>
              </>
            )}
            {fields && (
              <MemberSettings
                store={store}
                name={name}
                fields={fields}
                entry={name + settings}
                save={(changed) => change(at, joinEntry({ ...parseEntry(changed), times }))}
              />
            )}
            <button type="button" class="fnb-remove" aria-label={`Remove ${name}`} onClick={() => remove(at)}>
              ✕
            </button>
          </li>
        );
      })}
      {!entries.length && auto && <li class="fnb-chip fnb-auto">{auto}</li>}
      <li class="fnb-adder">
        <ModelPicker store={store} label={adder} placeholder={placeholder} pick={add} />
      </li>
    </ul>
  );
}
