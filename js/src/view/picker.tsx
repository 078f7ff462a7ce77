import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Store } from "../store.ts";
import { DASH, money } from "../words.ts";

export interface Row {
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
  pick: (row: Row) => void;
}

const PAUSE = 150;

/** The ARIA combobox: type, arrows, Enter. What is known is offered at once, the catalogue as it is searched. */
export function Picker({ store, label, placeholder, pick }: Props) {
  const id = useId();
  const [words, type] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [found, setFound] = useState<{ rows: Row[]; count: number } | undefined>();
  const list = useRef<HTMLDivElement>(null);
  const known = store.get<{ rows?: Row[] }>("offers")?.rows ?? [];
  const rows = words.trim() ? (found?.rows ?? matching(known, words)) : known;

  useEffect(() => {
    setFound(undefined);
    if (!words.trim()) return;
    let stale = false;
    const timer = setTimeout(async () => {
      const answer = await store.ask("search", { words });
      if (!stale && !answer.error) setFound(answer as unknown as { rows: Row[]; count: number });
    }, PAUSE);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [words, store]);
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView?.({ block: "nearest" });
  }, [active, open]);

  const take = (row: Row | undefined) => {
    if (!row && !words.trim()) return;
    // A name nobody listed may still be right: the kernel says so if it is not.
    pick(row ?? { entry: words.trim(), name: words.trim() });
    type("");
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
      take(open || words ? rows[active] : undefined);
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
        value={words}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          type(event.currentTarget.value);
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
            onClick={() => take(row)}
          >
            <b>{row.entry}</b>
            <span class="fnb-optname">{row.name === row.entry ? "" : row.name}</span>
            <span class="fnb-optfacts">
              {[row.takes, context(row.context), price(row)].filter(Boolean).join(" · ")}
            </span>
          </div>
        ))}
        {!words.trim() && (
          <div class="fnb-none">Type a name, a vendor, image, &lt;2 (USD a million), &gt;100k (context)</div>
        )}
        {!rows.length && <div class="fnb-none">No such model is listed. Enter adds “{words.trim()}” as it is.</div>}
        {found && found.count > rows.length && <div class="fnb-none">{found.count - rows.length} more: type on</div>}
      </div>
    </div>
  );
}

function matching(rows: Row[], words: string): Row[] {
  // Prices and contexts are the kernel's to compare: it answers in a moment.
  const asked = words
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => !/^[<>]/.test(word));
  return rows.filter((row) =>
    asked.every((word) => `${row.entry} ${row.name} ${row.kin} ${row.takes}`.toLowerCase().includes(word)),
  );
}

const context = (tokens: number | undefined): string =>
  tokens === undefined ? "" : tokens >= 1e6 ? `${+(tokens / 1e6).toFixed(1)}M` : `${Math.round(tokens / 1000)}k`;

/** USD per million tokens, in and out. */
export const price = (row: Row | undefined): string =>
  row?.in === undefined && row?.out === undefined ? DASH : `${money(row.in)} / ${money(row.out)}`;
