// Which key events stay inside a view. A notebook binds plain keys to commands for cells (x cuts the selected cell), so
// plain keys stay. Chords with Ctrl or Cmd reach the host (Ctrl+S saves the notebook), except those that edit text or
// run something in the view.

const KEPT_CHORDS = new Set(["a", "c", "v", "x", "y", "z", "enter", "backspace", "delete", "home", "end"]);
const KEPT_EVENTS = ["keydown", "keyup", "keypress", "paste", "copy", "cut", "input", "beforeinput"];
/** Lumino (JupyterLab, Notebook 7) ignores its shortcuts for events from inside an element with this attribute. */
const SUPPRESS = "data-lm-suppress-shortcuts";
const LUMINO = ".lm-Widget";

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

/**
 * Keeps the key and clipboard events of `host` away from the page. Returns a function that ends it.
 *
 * The static view behind a widget finds its host by the attribute, so the attribute stays. A chord for Lumino is
 * therefore dispatched once more, from the element around the host.
 */
export function keepKeys(host: HTMLElement): () => void {
  const keep = (event: Event) => {
    if (!isHostChord(event) || event.defaultPrevented) event.stopPropagation();
    else if (event.type === "keydown" && host.closest(LUMINO)) passOn(event as KeyboardEvent, host.parentElement);
  };
  host.setAttribute(SUPPRESS, "");
  for (const name of KEPT_EVENTS) host.addEventListener(name, keep);
  return () => {
    for (const name of KEPT_EVENTS) host.removeEventListener(name, keep);
  };
}

function passOn(event: KeyboardEvent, target: Element | null): void {
  event.stopPropagation();
  const { key, code, location, repeat, ctrlKey, metaKey, shiftKey, keyCode } = event;
  const modifiers = { ctrlKey, metaKey, shiftKey };
  const copy = new KeyboardEvent("keydown", {
    key,
    code,
    location,
    repeat,
    ...modifiers,
    bubbles: true,
    cancelable: true,
  });
  // Lumino reads the deprecated code on some keyboards; a constructor does not set it.
  Object.defineProperty(copy, "keyCode", { value: keyCode });
  // Whoever took the chord prevents what the browser does with it.
  if (target && !target.dispatchEvent(copy)) event.preventDefault();
}
