// Which key events stay inside a view. A notebook binds plain keys to commands for cells (x cuts the selected cell), so
// plain keys stay. Chords with Ctrl or Cmd reach the host (Ctrl+S saves the notebook), except those that edit text or
// run something in the view.

const KEPT_CHORDS = new Set(["a", "c", "v", "x", "y", "z", "enter", "backspace", "delete", "home", "end"]);
const KEPT_EVENTS = ["keydown", "keyup", "keypress", "paste", "copy", "cut", "input", "beforeinput"];
/** Lumino (JupyterLab, Notebook 7) ignores its shortcuts for events from inside an element with this attribute. */
const SUPPRESS = "data-lm-suppress-shortcuts";

/** Whether this key event is a shortcut of the notebook or the browser, not input for the view. */
export function isHostChord(event: Event): boolean {
  if (!(event instanceof KeyboardEvent)) return false;
  // On many keyboards AltGr, which types characters, reports Ctrl and Alt.
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return false;
  const key = event.key.toLowerCase();
  if (key.startsWith("arrow") || key.startsWith("page")) return false;
  // Ctrl+Shift+Z edits text; Ctrl+Shift+C and the like are commands.
  return !KEPT_CHORDS.has(key) || (event.shiftKey && key.length === 1 && key !== "z");
}

/** Keeps the key and clipboard events of `host` away from the page. Returns a function that ends it. */
export function keepKeys(host: HTMLElement): () => void {
  const stop = (event: Event) => {
    if (!isHostChord(event) || event.defaultPrevented) event.stopPropagation();
  };
  // Lumino may listen in the capture phase, before the event reaches the host: decide before it.
  const suppress = (event: Event) => {
    if (event.composedPath().includes(host)) host.toggleAttribute(SUPPRESS, !isHostChord(event));
  };
  host.setAttribute(SUPPRESS, "");
  for (const name of KEPT_EVENTS) host.addEventListener(name, stop);
  window.addEventListener("keydown", suppress, true);
  return () => {
    for (const name of KEPT_EVENTS) host.removeEventListener(name, stop);
    window.removeEventListener("keydown", suppress, true);
  };
}
