import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatCost } from "../format.ts";
import { placeBelow } from "../overlay.ts";
import { revealHidden } from "../reveal-hidden.ts";
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

interface SearchResult {
  rows: ModelRow[];
  count: number;
}

const SEARCH_DELAY = 150;
/** Milliseconds between leaving a list in the flow and closing it. */
const CLOSE_DELAY = 200;

let opensOnFocus = true;

/** Focuses a picker's input without opening its list, after a change that a person made elsewhere. */
export function focusQuietly(input: HTMLElement | null | undefined): void {
  opensOnFocus = false;
  input?.focus();
  opensOnFocus = true;
}

/** An ARIA combobox. It lists the offered models at once; the kernel searches the whole catalogue during typing. */
export function ModelPicker({ store, label, placeholder, pick }: Props) {
  const id = useId();
  const [query, setQuery] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const results = useSearch(store, query);
  const input = useRef<HTMLInputElement>(null);
  const overlay = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const closeTimer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const searching = Boolean(query.trim());
  const offers = store.get<{ rows?: ModelRow[] }>("offers")?.rows ?? [];
  const rows = searching ? (results?.rows ?? filterRows(offers, query)) : offers;

  useLayoutEffect(() => {
    if (!open || !input.current || !overlay.current) return;
    return placeBelow(overlay.current, input.current);
  }, [open]);
  useLayoutEffect(() => {
    if (open) list.current?.children[active]?.scrollIntoView?.({ block: "nearest" });
  }, [active, open, rows.length]);
  useEffect(() => {
    if (!open || !searching || !results) return;
    const count = results.count === 1 ? "1 model found." : `${results.count} models found.`;
    store.announce(results.count ? count : `No model found. Enter adds “${query.trim()}” as it is.`);
  }, [results]);

  const show = () => {
    clearTimeout(closeTimer.current);
    setOpen(true);
  };
  const leave = () => {
    // A list in the flow moves what is below it: close it after the click that took the focus.
    const inFlow = overlay.current?.dataset.place === "flow";
    if (inFlow) closeTimer.current = setTimeout(() => setOpen(false), CLOSE_DELAY);
    else setOpen(false);
  };
  useEffect(() => () => clearTimeout(closeTimer.current), []);
  const choose = (row: ModelRow | undefined) => {
    if (!row && !searching) return;
    // An unlisted name may still be valid: the kernel decides.
    const name = query.trim();
    setQuery("");
    setOpen(false);
    setActive(0);
    pick(row ?? { entry: name, name });
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      show();
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
        aria-describedby={`${id}-hint`}
        aria-autocomplete="list"
        aria-activedescendant={open && rows[active] ? `${id}-${active}` : undefined}
        placeholder={placeholder}
        value={query}
        autocomplete="off"
        spellcheck={false}
        dir="auto"
        ref={input}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          show();
          setActive(0);
        }}
        onFocus={() => opensOnFocus && show()}
        onClick={show}
        onBlur={leave}
        onKeyDown={onKey}
      />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the focus stays in the input, also for the scroll bar */}
      <div
        class="fnb-options"
        popover="manual"
        hidden={!open}
        ref={overlay}
        onMouseDown={(event) => event.preventDefault()}
      >
        <p class="fnb-none" id={`${id}-hint`} hidden={searching}>
          Search by name, vendor, <code>image</code>, <code>&lt;2</code> (USD a million tokens) or <code>&gt;100k</code>{" "}
          (context). Prices: USD a million tokens, in / out.
        </p>
        <div id={`${id}-list`} role="listbox" aria-label={label} tabIndex={-1} ref={list}>
          {rows.map((row, i) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the input has the keys, as the combobox pattern asks
            // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus
            <div
              key={row.entry}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === active}
              onMouseMove={() => setActive(i)}
              onClick={() => choose(row)}
            >
              <b title={revealHidden(row.entry)}>{revealHidden(row.entry)}</b>
              <span class="fnb-optname">{row.name === row.entry ? "" : revealHidden(row.name)}</span>
              <span class="fnb-optfacts">
                {[row.takes, formatContext(row.context), formatPrice(row)].filter(Boolean).join(" · ")}
              </span>
            </div>
          ))}
        </div>
        {!rows.length && searching && (
          <p class="fnb-none">No such model is listed. Enter adds “{query.trim()}” as it is.</p>
        )}
        {results && results.count > rows.length && <p class="fnb-none">{results.count - rows.length} more: type on</p>}
      </div>
    </div>
  );
}

/** The kernel's results for the latest query; `undefined` until they are there. */
function useSearch(store: Store, query: string): SearchResult | undefined {
  const [results, setResults] = useState<SearchResult | undefined>();
  useEffect(() => {
    setResults(undefined);
    if (!query.trim()) return;
    let stale = false;
    const timer = setTimeout(async () => {
      const result = await store.request("search", { words: query });
      if (!stale && !result.error) setResults(result as unknown as SearchResult);
    }, SEARCH_DELAY);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [query, store]);
  return results;
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

/** USD per million tokens, in and out. A Python function has no price. */
export function formatPrice(row: ModelRow): string {
  if (row.in !== undefined || row.out !== undefined) return `${formatCost(row.in)} / ${formatCost(row.out)}`;
  return row.kin === "python" ? "" : "price unknown";
}
