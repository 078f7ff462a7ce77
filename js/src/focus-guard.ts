// Keeps the keyboard focus in a view. When the focused element is removed or hidden, a browser moves the focus to the
// page's body: the person loses their place, and in a notebook the next key is a command for a cell.

const FOCUSABLE = "button, input, select, textarea, summary, a[href], [tabindex]:not([tabindex='-1'])";

/** Watches `root`. Where the focused element goes, the focus moves to the closest place that is left. */
export function guardFocus(root: ShadowRoot, frame: HTMLElement): () => void {
  /** The focused element and its ancestors up to the frame. */
  let path: HTMLElement[] = [];
  const remember = (event: Event) => {
    path = [];
    for (let node = event.target as HTMLElement | null; node; node = node.parentElement) path.push(node);
  };
  const forget = () => {
    const [left] = path;
    // A person who moves the focus away leaves an element that is still usable. Removal is handled below.
    queueMicrotask(() => {
      if (path[0] === left && left && isUsable(left)) path = [];
    });
  };
  const restore = () => {
    const [lost, ...ancestors] = path;
    if (!lost || root.activeElement || isUsable(lost)) return;
    path = [];
    const active = document.activeElement;
    if (active && active !== document.body && active !== root.host) return;
    for (const ancestor of ancestors) if (ancestor.isConnected && focusInside(ancestor)) return;
    focusInside(frame);
  };
  const observer = new MutationObserver(restore);
  observer.observe(frame, { childList: true, subtree: true, attributeFilter: ["disabled", "hidden"] });
  frame.addEventListener("focusin", remember);
  frame.addEventListener("focusout", forget);
  return () => {
    observer.disconnect();
    frame.removeEventListener("focusin", remember);
    frame.removeEventListener("focusout", forget);
  };
}

const isUsable = (element: HTMLElement): boolean =>
  element.isConnected && !element.matches(":disabled") && !element.closest("[hidden]");

/** Focuses `element` if it takes the focus, otherwise the first focusable element in it. */
function focusInside(element: HTMLElement): boolean {
  const targets = element.hasAttribute("tabindex") ? [element] : element.querySelectorAll<HTMLElement>(FOCUSABLE);
  for (const target of targets) {
    if (!isUsable(target)) continue;
    target.focus();
    if ((target.getRootNode() as ShadowRoot).activeElement === target) return true;
  }
  return false;
}
