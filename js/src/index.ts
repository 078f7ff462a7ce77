// Entry point of the widget: one store per model, one shadow root per view.
import { createElement, render as renderInto } from "preact";
import { guardFocus } from "./focus-guard.ts";
import { keepKeys } from "./keyboard.ts";
import { type Model, Store } from "./store.ts";
import { followPageTheme } from "./theme.ts";
import { LiveRun } from "./view/live-run.tsx";
import { Workbench } from "./view/workbench.tsx";

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
  host.className = "fnb-widget";
  const releaseKeys = keepKeys(host);
  const root = host.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = store.get<string>("sheet") ?? "";
  const frame = document.createElement("div");
  // The classes keep MathJax away: prices are no formulas, and formulas are MathML already.
  frame.className = "fusion-nb fnb-live mathjax_ignore tex2jax_ignore";
  root.append(style, frame);
  el.append(host);
  // In a row of widgets it takes the room that the others leave. `width` and `flex` belong to the widget's layout.
  el.style.inlineSize = "100%";
  el.style.minInlineSize = "0";
  // VS Code gives every widget a white ground, also in a dark window. It attaches the element after this.
  requestAnimationFrame(() => {
    const ground = host.closest<HTMLElement>(".cell-output-ipywidget-background");
    ground?.style.setProperty("background", "transparent", "important");
  });
  const stopFollowing = followPageTheme(frame);
  const stopGuarding = guardFocus(root, frame);
  renderInto(createElement(store.get("kind") === "workbench" ? Workbench : LiveRun, { store }), frame);
  return () => {
    stopGuarding();
    renderInto(null, frame);
    stopFollowing();
    releaseKeys();
    host.remove();
  };
}
