// Places a list next to its input in the browser's top layer, where neither the panel nor a notebook's cell clips it.

/** Pixels between list, input and the edges of the window. */
const GAP = 4;
const MARGIN = 8;
/** Largest height of a list. */
const MAX_HEIGHT = 320;
/** With less room than this above and below, the list is placed in the flow: some hosts show each output in a frame
 * that is as high as its content, and grows with it. */
const MIN_HEIGHT = 190;
const MAX_WIDTH = 560;

/** Shows `overlay` below `input`, or above it if there is more room. Returns a function that hides it. */
export function placeBelow(overlay: HTMLElement, input: HTMLElement, maxHeight = MAX_HEIGHT): () => void {
  const place = () => {
    // A list in the flow scrolls with the page.
    if (overlay.dataset.place === "flow" || !overlay.isConnected) return;
    const box = input.getBoundingClientRect();
    // The input was scrolled out of the window.
    overlay.style.visibility = box.bottom < 0 || box.top > window.innerHeight ? "hidden" : "visible";
    const below = window.innerHeight - box.bottom - GAP - MARGIN;
    const above = box.top - GAP - MARGIN;
    if (!overlay.showPopover || Math.max(below, above) < MIN_HEIGHT) {
      if (isShown(overlay)) overlay.hidePopover();
      overlay.dataset.place = "flow";
      overlay.removeAttribute("style");
      return;
    }
    const up = below < MIN_HEIGHT && above > below;
    const frame = (input.closest(".fnb-live") ?? document.body).getBoundingClientRect();
    const [left, right] = [Math.max(frame.left, 0) + MARGIN, Math.min(frame.right, window.innerWidth) - MARGIN];
    const width = Math.min(MAX_WIDTH, right - left);
    overlay.dataset.place = up ? "above" : "below";
    set(overlay, {
      left: Math.max(left, Math.min(box.left, right - width)),
      top: up ? undefined : box.bottom + GAP,
      bottom: up ? window.innerHeight - box.top + GAP : undefined,
      width,
      "max-height": Math.min(maxHeight, up ? above : below),
    });
    if (!isShown(overlay)) overlay.showPopover();
  };
  let frame = 0;
  const follow = (event: Event) => {
    if (event.target instanceof Node && overlay.contains(event.target)) return;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(place);
  };
  place();
  if (overlay.dataset.place === "flow") overlay.scrollIntoView?.({ block: "nearest" });
  // Scrolling of any ancestor moves the input; a resized panel may wrap it into another line.
  window.addEventListener("scroll", follow, { capture: true, passive: true });
  window.addEventListener("resize", follow);
  const observer = typeof ResizeObserver === "undefined" ? undefined : new ResizeObserver(place);
  observer?.observe(input);
  return () => {
    cancelAnimationFrame(frame);
    window.removeEventListener("scroll", follow, { capture: true });
    window.removeEventListener("resize", follow);
    observer?.disconnect();
    if (isShown(overlay)) overlay.hidePopover();
    delete overlay.dataset.place;
  };
}

/** Browsers and test environments without popovers do not know the selector. */
function isShown(overlay: HTMLElement): boolean {
  return Boolean(overlay.showPopover) && overlay.matches(":popover-open");
}

function set(element: HTMLElement, pixels: Record<string, number | undefined>): void {
  for (const [name, value] of Object.entries(pixels))
    if (value === undefined) element.style.removeProperty(name);
    else element.style.setProperty(name, `${Math.round(value)}px`);
}
