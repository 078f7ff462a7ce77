// Entry point of the widget: one store per model, one shadow root per view.
import { createElement, render as renderInto } from "preact";
import { type Model, Store } from "./store.ts";
import { followPageTheme } from "./theme.ts";
import { LiveRun } from "./view/progress.tsx";
import { Workbench } from "./view/workbench.tsx";

const KEPT_EVENTS = ["keydown", "keyup", "keypress", "paste", "copy", "cut", "input", "beforeinput"];

export default () => {
  let store: Store | undefined;
  return {
    initialize({ model }: { model: Model }) {
      const current = new Store(model);
      store = current;
      return () => current.close();
    },
    render({ model, el }: { model: Model; el: HTMLElement }) {
      const current = store ?? new Store(model);
      store = current;
      return open(current, el);
    },
  };
};

export function open(store: Store, el: HTMLElement): () => void {
  const host = document.createElement("div");
  // A notebook's commands listen for keys on the page: x would cut the cell that a button of ours stands in.
  host.dataset.lmSuppressShortcuts = "true";
  const stopPropagation = (event: Event) => event.stopPropagation();
  for (const name of KEPT_EVENTS) host.addEventListener(name, stopPropagation);
  const root = host.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = store.get<string>("sheet") ?? "";
  const frame = document.createElement("div");
  // The class keeps MathJax away from prices; formulas ask for it themselves.
  frame.className = "fusion-nb fnb-live mathjax_ignore tex2jax_ignore";
  root.append(style, frame);
  el.append(host);
  const stopFollowing = followPageTheme(frame);
  renderInto(createElement(store.get("kind") === "workbench" ? Workbench : LiveRun, { store }), frame);
  return () => {
    renderInto(null, frame);
    stopFollowing();
    for (const name of KEPT_EVENTS) host.removeEventListener(name, stopPropagation);
    host.remove();
  };
}
