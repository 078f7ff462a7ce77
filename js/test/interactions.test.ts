// @vitest-environment jsdom
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { foldAll } from "../src/fold.ts";
import { IncrementalHtml } from "../src/incremental-html.ts";
import { open } from "../src/index.ts";
import type { RunEvent } from "../src/run.ts";
import { sanitize } from "../src/sanitize.ts";
import { Store } from "../src/store.ts";
import { TextTail } from "../src/text-tail.ts";
import { MockModel, settled, shadow } from "./model.ts";

const events: RunEvent[] = readFileSync("../tests/fixtures/runs/one-failed.jsonl", "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
const started = events.findIndex((event) => event.event === "TextDelta");
const FORM = { prompt: "", pool: ["a", "b"], mode: "merge", judge: "", max_cost: null, busy: true, advice: {} };
const HEARS = ["stop_member", "retry_member", "save_pool", "forget_pool"];

let model: MockModel;
let el: HTMLElement;
let end: () => void;
const show = async (values: Record<string, unknown>) => {
  model = new MockModel({ kind: "workbench", sheet: "", hears: HEARS, offers: {}, ...FORM, ...values });
  el = document.createElement("div");
  document.body.append(el);
  end = open(new Store(model), el);
  await settled();
};
const button = (text: string, within = "") =>
  [...shadow(el).querySelectorAll(`${within} button`)].find((one) => one.textContent === text) as HTMLButtonElement;
const asked = (kind: string) => model.sent.filter((one) => one.kind === kind);
afterEach(() => end());

describe("one member", () => {
  beforeEach(() => show({ snapshot: { state: foldAll(events.slice(0, started)), seq: started - 1 } }));

  it("is stopped by its call's number, once, however often it is clicked", async () => {
    button("Stop", ".fnb-lane").click();
    button("Stop", ".fnb-lane").click();
    await settled();
    expect(asked("stop_member")).toEqual([{ kind: "stop_member", call: 1, id: expect.any(String) }]);
    expect(button("Stopping").getAttribute("aria-disabled")).toBe("true");
  });

  it("says within a second or so when the kernel has not heard of it", async () => {
    button("Stop", ".fnb-lane").click();
    const alert = () => shadow(el).querySelector(".fnb-lane [role=alert]")?.textContent;
    await vi.waitFor(() => expect(alert()).toContain("interrupt button"), { timeout: 30_000 });
  });

  it("that failed is offered once more while the others go on", async () => {
    const failed = events.findIndex((event) => event.event === "CallEnded" && event.status === "error");
    model.set("snapshot", { state: foldAll(events.slice(0, failed + 1)), seq: failed });
    model.fire("change:snapshot");
    await settled();
    button("Retry").click();
    expect(asked("retry_member")).toHaveLength(1);
  });
});

describe("what the kernel does not hear", () => {
  it("is not offered", async () => {
    await show({ hears: undefined, snapshot: { state: foldAll(events.slice(0, started)), seq: started - 1 } });
    expect(button("Stop").closest(".fnb-lane")).toBeNull();
    expect(button("Save pool…")).toBeUndefined();
  });
});

describe("saved pools", () => {
  it("are kept under a name and forgotten", async () => {
    await show({ busy: false, offers: { presets: [], pools: [{ name: "old", pool: ["c"] }] } });
    button("old").click();
    expect(model.get("pool")).toEqual(["c"]);
    button("Save pool…").click();
    await settled();
    const input = shadow(el).querySelector(".fnb-saving input") as HTMLInputElement;
    input.value = "mine";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
    button("Save").click();
    button("✕").click();
    expect(asked("save_pool")).toEqual([
      { kind: "save_pool", name: "mine", pool: ["c"], judge: "", id: expect.any(String) },
    ]);
  });
});

describe("a text that grows", () => {
  const box = () => {
    const place = document.createElement("span");
    return { place, tail: new TextTail(place, place) };
  };

  it("is added to, not written anew", () => {
    const { place, tail } = box();
    tail.update("one");
    const node = place.firstChild;
    tail.update("one two");
    expect(place.firstChild).toBe(node);
    expect(place.textContent).toBe("one two");
    tail.update("another");
    expect(place.textContent).toBe("another");
  });

  it("shows its end, in bounded space, and cuts no character in two", () => {
    const { place, tail } = box();
    let text = "";
    for (let i = 0; i < 3000; i++) {
      text += "😀";
      tail.update(text);
    }
    const shown = place.textContent ?? "";
    expect(shown.length).toBeLessThan(2500);
    expect(shown).toMatch(/^(😀)+$/u);
  });

  it("shows what hides", () => {
    const { place, tail } = box();
    tail.update("a\u202eb");
    expect(place.textContent).toBe("a[U+202E]b");
  });
});

describe("html that grows", () => {
  it("keeps the nodes that stay the same, and has what it would have had at once", () => {
    const [grown, whole] = [document.createElement("div"), document.createElement("div")];
    const text = Array.from({ length: 40 }, (_, i) => `<p>Paragraph <b>${i}</b></p>\n`);
    const pieces = new IncrementalHtml(grown, sanitize);
    pieces.update(text.slice(0, 30).join(""));
    const first = grown.firstChild;
    pieces.update(text.join(""));
    new IncrementalHtml(whole, sanitize).update(text.join(""));
    expect(grown.firstChild).toBe(first);
    expect(grown.innerHTML).toBe(whole.innerHTML);
    expect(grown.querySelectorAll("p")).toHaveLength(40);
  });
});

describe("what is being typed", () => {
  it("stays while the kernel sends news of the form, and is committed when it is left", async () => {
    await show({ busy: false, escalate: ["c"], agree: "", extract: "" });
    const inputs = () => [...shadow(el).querySelectorAll<HTMLInputElement>("label input")];
    const agreement = () => inputs().find((one) => one.placeholder.startsWith("0.8")) as HTMLInputElement;
    const cap = () => inputs().find((one) => one.placeholder === "no cap") as HTMLInputElement;
    for (const [input, typed] of [
      [agreement(), "4/5"],
      [cap(), "0.25"],
    ] as const) {
      input.value = typed;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    model.set("advice", { pool: ["a"], error: "Nothing of yours." });
    model.fire("change:advice");
    await settled();
    expect([agreement().value, cap().value]).toEqual(["4/5", "0.25"]);
    for (const input of [agreement(), cap()]) input.dispatchEvent(new Event("change", { bubbles: true }));
    await settled();
    expect([model.get("agree"), model.get("max_cost")]).toEqual(["4/5", 0.25]);
  });
});

describe("what is wrong with a form", () => {
  it("is said until the form is changed", async () => {
    await show({ busy: false });
    const prompt = shadow(el).querySelector("textarea") as HTMLTextAreaElement;
    prompt.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
    await settled();
    const [{ id }] = asked("run") as unknown as [{ id: string }];
    model.fire("msg:custom", { kind: "reply", id, error: "The prompt is empty." });
    await settled();
    const said = () => shadow(el).querySelector("[role=alert]")?.textContent ?? "";
    expect(said()).toBe("The prompt is empty.");
    prompt.value = "Why?";
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
    expect(said()).toBe("");
  });
});
