import { useLayoutEffect, useRef } from "preact/hooks";
import { IncrementalHtml } from "../incremental-html.ts";
import { sanitize } from "../sanitize.ts";

/** Elements that may scroll: the keyboard must be able to reach them. */
const SCROLLING = "pre, .fnb-wide, .fnb-md table, .fnb-panel > .fnb-md";

/** Heading level of the panel's own titles. */
const TITLE = 4;

/** HTML rendered by Python: sanitized again, with a copy button on every code block. */
export function Html({
  html,
  class: name = "fnb-md",
  tag: Tag = "div",
}: {
  html: string;
  class?: string;
  tag?: "div" | "span";
}) {
  const ref = useRef<HTMLDivElement>(null);
  const pieces = useRef<IncrementalHtml | undefined>(undefined);
  useLayoutEffect(() => {
    if (!ref.current) return;
    pieces.current ??= new IncrementalHtml(ref.current, renderPiece);
    pieces.current.update(html);
  }, [html]);
  return <Tag ref={ref} class={name} />;
}

function renderPiece(source: string): DocumentFragment {
  const fragment = sanitize(source);
  fragment.querySelectorAll("pre").forEach(addCopyButton);
  for (const scrolls of fragment.querySelectorAll(SCROLLING)) scrolls.setAttribute("tabindex", "0");
  levelHeadings(fragment);
  markRightToLeft(fragment);
  return fragment;
}

/** Blocks whose markers or columns depend on the direction of their text. */
const DIRECTED = "ul, ol, blockquote, table";
/** Scripts that are written from the right. */
const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** Bullets, columns and quotation bars stand on the side where the block's first letter does. */
function markRightToLeft(fragment: DocumentFragment): void {
  for (const block of fragment.querySelectorAll(DIRECTED)) {
    const letter = /\p{L}/u.exec(block.textContent ?? "")?.[0];
    block.classList.toggle("fnb-rtl", letter !== undefined && RIGHT_TO_LEFT.test(letter));
  }
}

/** Sets the level of a text's headings below the panel's titles, without gaps, whatever levels the model used. */
function levelHeadings(fragment: DocumentFragment): void {
  const above: string[] = [];
  for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    while (above.length && (above.at(-1) ?? "") >= heading.tagName) above.pop();
    above.push(heading.tagName);
    heading.setAttribute("aria-level", String(TITLE + above.length));
  }
}

function addCopyButton(pre: Element): void {
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

/** Returns whether the text is on the clipboard: some front ends forbid it. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
