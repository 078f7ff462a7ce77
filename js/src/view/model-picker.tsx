import { useEffect, useId, useRef, useState } from "preact/hooks";
import { DASH, formatCost } from "../format.ts";
import type { Store } from "../store.ts";

export interface ModelRow {
  entry: string;
  name: string;
  kin?: string;
  in?: string;
  out?: string;
  context?: number;
  takes?: string;
}

interface Props {
  store: Store;
  label: string;
  placeholder: string;
  pick: (row: ModelRow) => void;
}

const SEARCH_DELAY = 150;

/** An ARIA combobox. It lists the offered models at once; the kernel searches the whole catalogue during typing. */
export function ModelPicker({ store, label, placeholder, pick }: Props) {
  const id = useId();
  const [query, setQuery] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [results, setResults] = useState<{ rows: ModelRow[]; count: number } | undefined>();
  const list = useRef<HTMLDivElement>(null);
  const offers = store.get<{ rows?: ModelRow[] }>("offers")?.rows ?? [];
  const rows = query.trim() ? (results?.rows ?? filterRows(offers, query)) : offers;

  useEffect(() => {
    setResults(undefined);
    if (!query.trim()) return;
    let stale = false;
    const timer = setTimeout(async () => {
      const result = await store.request("search", { words: query });
      if (!stale && !result.error) setResults(result as unknown as { rows: ModelRow[]; count: number });
    }, SEARCH_DELAY);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [query, store]);
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView?.({ block: "nearest" });
  }, [active, open]);

  const choose = (row: ModelRow | undefined) => {
    if (!row && !query.trim()) return;
    // An unlisted name may still be valid: the kernel decides.
    pick(row ?? { entry: query.trim(), name: query.trim() });
    setQuery("");
    setOpen(false);
    setActive(0);
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setOpen(true);
      setActive(open ? (active + step + rows.length) % Math.max(1, rows.length) : 0);
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(open || query ? rows[active] : undefined);
    } else if (event.key === "Escape") setOpen(false);
  };
  return (
    <div class="fnb-picker">
      <input
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={open && rows[active] ? `${id}-${active}` : undefined}
        placeholder={placeholder}
        value={query}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          setOpen(true);
          setActive(0);
        }}
        onFocus={() => setOpen(true)}
        onClick={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKey}
      />
      <div id={`${id}-list`} role="listbox" aria-label={label} hidden={!open} ref={list}>
        {rows.map((row, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input has the keys, as the combobox pattern asks
          // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus
          <div
            key={row.entry}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === active}
            onMouseDown={(event) => event.preventDefault()}
            onMouseMove={() => setActive(i)}
            onClick={() => choose(row)}
          >
            <b>{row.entry}</b>
            <span class="fnb-optname">{row.name === row.entry ? "" : row.name}</span>
            <span class="fnb-optfacts">
              {[row.takes, formatContext(row.context), formatPrice(row)].filter(Boolean).join(" · ")}
            </span>
          </div>
        ))}
        {!query.trim() && (
          <div class="fnb-none">Type a name, a vendor, image, &lt;2 (USD a million), &gt;100k (context)</div>
        )}
        {!rows.length && <div class="fnb-none">No such model is listed. Enter adds “{query.trim()}” as it is.</div>}
        {results && results.count > rows.length && (
          <div class="fnb-none">{results.count - rows.length} more: type on</div>
        )}
      </div>
    </div>
  );
}

function filterRows(rows: ModelRow[], query: string): ModelRow[] {
  // Only the kernel compares prices and context sizes; its results replace these rows.
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => !/^[<>]/.test(word));
  return rows.filter((row) =>
    words.every((word) => `${row.entry} ${row.name} ${row.kin} ${row.takes}`.toLowerCase().includes(word)),
  );
}

const formatContext = (tokens: number | undefined): string =>
  tokens === undefined ? "" : tokens >= 1e6 ? `${+(tokens / 1e6).toFixed(1)}M` : `${Math.round(tokens / 1000)}k`;

/** USD per million tokens, in and out. */
export const formatPrice = (row: ModelRow | undefined): string =>
  row?.in === undefined && row?.out === undefined ? DASH : `${formatCost(row.in)} / ${formatCost(row.out)}`;
