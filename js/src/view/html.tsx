import { useLayoutEffect, useRef } from "preact/hooks";
import { Pieces } from "../pieces.ts";
import { safe } from "../safe.ts";
import type { Store } from "../store.ts";
import { typeset } from "../typeset.ts";

/** What may be larger than its place: the keyboard must reach it to scroll. */
const SCROLLING = "pre, .fnb-wide, .fnb-md table, .fnb-panel > .fnb-md";

/** The level of the panel's own headings. */
const TITLE = 4;

/** What Python rendered, cleaned again, with its formulas set and a copy button on every piece of code. */
export function Html({ store, html, class: name = "fnb-md" }: { store: Store; html: string; class?: string }) {
  const ref = useRef<HTMLDivElement>(null);
  const pieces = useRef<Pieces | undefined>(undefined);
  useLayoutEffect(() => {
    if (!ref.current) return;
    pieces.current ??= new Pieces(ref.current, (source) => dressed(store, source));
    pieces.current.show(html);
  }, [html, store]);
  return <div ref={ref} class={name} />;
}

function dressed(store: Store, source: string): DocumentFragment {
  const fragment = safe(source);
  fragment.querySelectorAll("pre").forEach(withCopy);
  for (const scrolls of fragment.querySelectorAll(SCROLLING)) scrolls.setAttribute("tabindex", "0");
  leveled(fragment);
  typeset(store.typesetter, fragment.querySelectorAll<HTMLElement>(".fnb-math"));
  return fragment;
}

/** A text's own headings stand below the panel's, one step at a time, whatever size the model gave them. */
function leveled(fragment: DocumentFragment): void {
  const above: string[] = [];
  for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    while (above.length && (above.at(-1) ?? "") >= heading.tagName) above.pop();
    above.push(heading.tagName);
    heading.setAttribute("aria-level", String(TITLE + above.length));
  }
}

function withCopy(pre: Element): void {
  const box = document.createElement("div");
  box.className = "fnb-code";
  pre.replaceWith(box);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "fnb-copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy this code");
  button.onclick = async () => {
    button.textContent = (await copy(pre.textContent ?? "")) ? "Copied" : "Not copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1500);
  };
  box.append(pre, button);
}

/** Whether it is on the clipboard: some front ends forbid that. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
