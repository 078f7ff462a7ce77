// @vitest-environment jsdom
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { diffTexts, similarity } from "../src/diff.ts";
import { foldAll } from "../src/fold.ts";
import { formatCost, formatSeconds } from "../src/format.ts";
import define, { open } from "../src/index.ts";
import type { RunEvent } from "../src/run.ts";
import { sanitize } from "../src/sanitize.ts";
import { Store } from "../src/store.ts";
import { MockModel, settled, shadow } from "./model.ts";

const events: RunEvent[] = readFileSync("../tests/fixtures/runs/merge.jsonl", "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

const news = (from: number, to: number) => ({ kind: "news", from, to, now: 1, events: events.slice(from, to + 1) });

describe("a store", () => {
  let model: MockModel;
  let store: Store;
  beforeEach(() => {
    model = new MockModel({
      kind: "live",
      sheet: "",
      snapshot: { state: foldAll(events.slice(0, 2)), seq: 1, now: 0 },
    });
    store = new Store(model);
  });

  it("folds the news onto the snapshot", () => {
    model.fire("msg:custom", news(2, events.length - 1));
    expect(JSON.parse(JSON.stringify(store.state))).toEqual(JSON.parse(JSON.stringify(foldAll(events))));
  });

  it("asks for a snapshot when it missed something, and takes nothing twice", () => {
    model.fire("msg:custom", news(4, 6));
    expect(model.sent).toEqual([{ kind: "again" }]);
    model.fire("msg:custom", news(2, 3));
    const seen = store.state;
    model.fire("msg:custom", news(2, 3));
    expect(store.state).toBe(seen);
  });

  it("gives an answer to who asked", async () => {
    const answer = store.request("frame");
    const { id } = model.sent[0] as unknown as { id: string };
    model.fire("msg:custom", { kind: "reply", id: "another browser's", rows: 5 });
    model.fire("msg:custom", { kind: "reply", id, rows: 4 });
    expect((await answer).rows).toBe(4);
  });

  it("gives its requests ids that no other browser on the kernel gives", () => {
    const other = new Store(model);
    void store.request("frame");
    void other.request("frame");
    const [first, second] = model.sent as unknown as { id: string }[];
    expect(first?.id).not.toBe(second?.id);
  });

  it("keeps what is typed when the kernel's echo of an older text comes in between", () => {
    store.setLocal("prompt", "Is it?");
    model.set("prompt", "I");
    model.fire("change:prompt");
    expect(store.get("prompt")).toBe("Is it?");
    store.commit({});
    expect(model.get("prompt")).toBe("Is it?");
    model.set("prompt", "From Python");
    expect(store.get("prompt")).toBe("From Python");
  });

  it("ends what waits for an answer when it is closed", async () => {
    const answer = store.request("frame");
    store.close();
    expect((await answer).error).toContain("closed");
  });
});

describe("a view", () => {
  it("derives wholly from the model: a second one shows the same", async () => {
    const model = new MockModel({ kind: "live", sheet: "", snapshot: { state: foldAll(events.slice(0, 9)), seq: 8 } });
    const store = new Store(model);
    const [a, b] = [document.createElement("div"), document.createElement("div")];
    const close = [open(store, a), open(store, b)];
    model.fire("msg:custom", news(9, 12));
    await settled();
    const lanes = (el: HTMLElement) => [...shadow(el).querySelectorAll(".fnb-words")].map((lane) => lane.textContent);
    expect(lanes(a)).toEqual(lanes(b));
    expect(lanes(a).join("")).not.toBe("");
    for (const end of close) end();
  });

  it("misses nothing that changes right after it was opened", async () => {
    const model = new MockModel({ kind: "live", sheet: "", snapshot: { state: foldAll(events.slice(0, 2)), seq: 1 } });
    const el = document.createElement("div");
    const end = open(new Store(model), el);
    model.set("snapshot", { state: foldAll(events), seq: events.length - 1 });
    model.fire("change:snapshot");
    await settled();
    expect(shadow(el).querySelector(".fnb-head")?.textContent).not.toContain("running");
    end();
  });

  it("leaves no listener: a thousand opens and closes", async () => {
    const model = new MockModel({ kind: "live", sheet: "", snapshot: { state: foldAll(events), seq: events.length } });
    const widget = define();
    const end = widget.initialize({ model });
    const before = model.count;
    for (let i = 0; i < 1000; i++) widget.render({ model, el: document.createElement("div") })();
    await settled();
    expect(model.count).toBe(before);
    end();
    expect(model.count).toBe(0);
  }, 60_000);

  it("keeps plain keys and text editing to itself, and lets other chords through", () => {
    const el = document.createElement("div");
    document.body.append(el);
    let heard = 0;
    const listen = () => {
      heard++;
    };
    document.body.addEventListener("keydown", listen);
    const end = open(new Store(new MockModel({ kind: "live", sheet: "", snapshot: {} })), el);
    const press = (target: Element, init: KeyboardEventInit = { key: "x" }) =>
      target.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, composed: true, ...init }));
    press(shadow(el).querySelector(".fusion-nb") as Element);
    expect(heard).toBe(0);
    press(document.body);
    expect(heard).toBe(1);
    press(shadow(el).querySelector(".fusion-nb") as Element, { key: "s", ctrlKey: true });
    expect(heard).toBe(2);
    for (const kept of ["c", "v", "z", "Enter", "ArrowLeft"])
      press(shadow(el).querySelector(".fusion-nb") as Element, { key: kept, ctrlKey: true });
    expect(heard).toBe(2);
    end();
  });
});

describe("stopping", () => {
  const click = async (el: HTMLElement) => {
    (shadow(el).querySelector(".fnb-stop") as HTMLButtonElement).click();
    await settled();
  };

  it("asks the kernel, and names the interrupt button when there is no answer within a second", async () => {
    const model = new MockModel({ kind: "live", sheet: "", snapshot: { state: foldAll(events.slice(0, 9)), seq: 8 } });
    const el = document.createElement("div");
    const end = open(new Store(model), el);
    await click(el);
    expect(model.sent).toEqual([{ kind: "stop" }]);
    expect(shadow(el).querySelector(".fnb-hint")).toBeNull();
    const hint = () => expect(shadow(el).querySelector(".fnb-hint")?.textContent).toContain("interrupt button");
    await vi.waitFor(hint, { timeout: 30_000 });
    end();
  });

  it("says nothing of it when the run ends in time", async () => {
    const model = new MockModel({ kind: "live", sheet: "", snapshot: { state: foldAll(events.slice(0, 9)), seq: 8 } });
    const el = document.createElement("div");
    const end = open(new Store(model), el);
    await click(el);
    model.set("snapshot", { state: foldAll(events), seq: events.length - 1 });
    model.fire("change:snapshot");
    await new Promise((resolve) => setTimeout(resolve, 1050));
    expect(shadow(el).querySelector(".fnb-hint")).toBeNull();
    expect(shadow(el).querySelector(".fnb-stop")).toBeNull();
    end();
  });
});

describe("the second wall", () => {
  const html = (source: string) => {
    const box = document.createElement("div");
    box.append(sanitize(source));
    return box.innerHTML;
  };

  it("lets through what the renderer writes", () => {
    expect(html('<p class="x">a <b>b</b></p>')).toBe('<p class="x">a <b>b</b></p>');
    expect(html('<i style="width:28.5%"></i>')).toContain("28.5%");
  });

  it.each([
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<a href='javascript:alert(1)'>x</a>",
    '<p style="background:url(//evil)">x</p>',
    "<svg onload=alert(1)></svg>",
    "<iframe src=//evil></iframe>",
    "<form action=//evil><input></form>",
  ])("stops %s", (hostile) => {
    expect(html(hostile)).not.toMatch(/alert|evil|on\w+=|<(img|script|svg|iframe|form|input)/i);
  });
});

describe("comparing", () => {
  it("marks what only one says, and loses nothing", () => {
    const [a, b] = ["The sky is blue because of scattering.", "The sky is blue because air scatters light."];
    const [left, right] = diffTexts(a, b);
    expect(left.map((piece) => piece.text).join("")).toBe(a);
    expect(right.map((piece) => piece.text).join("")).toBe(b);
    expect(left.find((piece) => piece.same)?.text).toContain("The sky is blue because");
    expect(
      right
        .filter((piece) => !piece.same)
        .map((piece) => piece.text)
        .join(""),
    ).toContain("air scatters light");
    expect(similarity([left, right])).toBeGreaterThan(0.3);
  });

  it("takes texts of any size", () => {
    const long = Array.from({ length: 40_000 }, (_, i) => `w${i} `).join("");
    expect(
      diffTexts(long, `${long}more`)[1]
        .map((piece) => piece.text)
        .join(""),
    ).toBe(`${long}more`);
  });
});

describe("figures", () => {
  it("are said as Python says them", () => {
    expect([formatCost("0.0000338"), formatCost("1.5"), formatCost(undefined), formatCost("0")]).toEqual([
      "$0.0000338",
      "$1.50",
      "—",
      "$0.00",
    ]);
    expect([formatSeconds(0.05), formatSeconds(2.94), formatSeconds(125), formatSeconds(undefined)]).toEqual([
      "50 ms",
      "2.9 s",
      "2 min 05 s",
      "—",
    ]);
  });
});
