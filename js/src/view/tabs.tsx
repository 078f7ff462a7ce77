import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";

export interface Tab {
  key: string;
  label: ComponentChildren;
  body: () => ComponentChildren;
}

/** The ARIA tabs pattern: one Tab stop, arrow keys move and open, Home and End go to the ends. */
export function Tabs({ tabs, first, label }: { tabs: Tab[]; first?: string | undefined; label: string }) {
  const id = useId();
  const [chosen, choose] = useState<string | undefined>(undefined);
  const list = useRef<HTMLDivElement>(null);
  const open = tabs.find((tab) => tab.key === chosen) ?? tabs.find((tab) => tab.key === first) ?? tabs[0];
  if (!open) return null;
  const position = tabs.indexOf(open);
  const onKey = (event: KeyboardEvent) => {
    const last = tabs.length - 1;
    const targets: Record<string, number> = {
      ArrowRight: position === last ? 0 : position + 1,
      ArrowLeft: position === 0 ? last : position - 1,
      Home: 0,
      End: last,
    };
    const next = targets[event.key];
    const tab = next === undefined ? undefined : tabs[next];
    if (next === undefined || !tab) return;
    event.preventDefault();
    choose(tab.key);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div class="fnb-tabset">
      <div class="fnb-tablist" role="tablist" aria-label={label} ref={list} onKeyDown={onKey}>
        {tabs.map((tab) => (
          <button
            key={tab.key}
            type="button"
            role="tab"
            id={`${id}-tab-${tab.key}`}
            aria-controls={`${id}-panel`}
            aria-selected={tab === open}
            tabIndex={tab === open ? 0 : -1}
            onClick={() => choose(tab.key)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`${id}-panel`}
        aria-labelledby={`${id}-tab-${open.key}`}
        tabIndex={0}
        class="fnb-tabbody"
      >
        {open.body()}
      </div>
    </div>
  );
}
