// The widget's entry: one store for the model, one shadow root for each of its views.
import { createElement, render as draw } from "preact";
import { type Model, Store } from "./store.ts";
import { follow } from "./theme.ts";
import { Live } from "./view/live.tsx";
import { Workbench } from "./view/workbench.tsx";

const KEYS = ["keydown", "keyup", "keypress", "paste", "copy", "cut", "input", "beforeinput"];

export default () => {
  let store: Store | undefined;
  return {
    initialize({ model }: { model: Model }) {
      const own = new Store(model);
      store = own;
      return () => own.close();
    },
    render({ model, el }: { model: Model; el: HTMLElement }) {
      const own = store ?? new Store(model);
      store = own;
      return open(own, el);
    },
  };
};

export function open(store: Store, el: HTMLElement): () => void {
  const host = document.createElement("div");
  // A notebook's commands listen for keys on the page: x would cut the cell that a button of ours stands in.
  host.dataset.lmSuppressShortcuts = "true";
  const stay = (event: Event) => event.stopPropagation();
  for (const key of KEYS) host.addEventListener(key, stay);
  const root = host.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = store.get<string>("sheet") ?? "";
  const frame = document.createElement("div");
  // The class keeps MathJax away from prices; formulas ask for it themselves.
  frame.className = "fusion-nb fnb-live mathjax_ignore tex2jax_ignore";
  root.append(style, frame);
  el.append(host);
  const unfollow = follow(frame);
  draw(createElement(store.get("kind") === "workbench" ? Workbench : Live, { store }), frame);
  return () => {
    draw(null, frame);
    unfollow();
    for (const key of KEYS) host.removeEventListener(key, stay);
    host.remove();
  };
}
