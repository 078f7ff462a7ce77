import { useLayoutEffect, useRef } from "preact/hooks";
import { safe } from "../safe.ts";

type MathJax = { typesetPromise?: (elements: Element[]) => Promise<unknown> };

/** What Python rendered, cleaned again, with a copy button on every piece of code. */
export function Html({ html, class: name = "fnb-md" }: { html: string; class?: string }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const held = ref.current;
    if (!held) return;
    held.replaceChildren(safe(html));
    held.querySelectorAll("pre").forEach(withCopy);
    const math = [...held.querySelectorAll(".fnb-math")];
    // Where the front end has no MathJax on its page, a formula is read as its source.
    if (math.length) (window as { MathJax?: MathJax }).MathJax?.typesetPromise?.(math)?.catch(() => undefined);
  }, [html]);
  return <div ref={ref} class={name} />;
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
  pre.setAttribute("tabindex", "0");
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
