import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { foldAll } from "../src/fold.ts";
import type { RunEvent } from "../src/run.ts";

const FIXTURES = new URL("../../tests/fixtures/runs/", import.meta.url);
const names = readdirSync(FIXTURES).filter((name) => name.endsWith(".jsonl"));
const read = (name: string): string => readFileSync(new URL(name, FIXTURES), "utf8");
const events = (name: string): RunEvent[] =>
  read(name)
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => JSON.parse(line));

describe("the fold", () => {
  it("has fixtures to pass", () => expect(names.length).toBeGreaterThanOrEqual(7));

  it.each(names)("of %s is the state Python folds it to", (name) => {
    const expected = JSON.parse(read(name.replace(".jsonl", ".state.json")));
    expect(JSON.parse(JSON.stringify(foldAll(events(name))))).toEqual(expected);
  });

  it("changes nothing it is given", () => {
    const deep = <T>(value: T): T => {
      if (value && typeof value === "object") Object.values(value).forEach(deep);
      return Object.freeze(value);
    };
    expect(() => foldAll(events("debate.jsonl").map(deep), deep({}))).not.toThrow();
  });

  it("leaves out fields with default values, as Python does", () => {
    const ref = { service: "test", model: "a" };
    const state = foldAll([
      { event: "RunStarted", seq: 0, at: 0, pool: [ref] },
      { event: "CallStarted", seq: 1, at: 0, call: 1, ref },
      { event: "TextDelta", seq: 2, at: 0, call: 1, text: "", channel: "answer" },
      { event: "RunEnded", seq: 3, at: 0, status: "cancelled" },
    ]);
    expect(JSON.parse(JSON.stringify(state))).toEqual({
      pool: [ref],
      replies: [{ call: 1, ref }],
      draft_call: 1,
      status: "cancelled",
    });
  });

  it("refuses an event of a newer release instead of misreading it", () => {
    expect(() => foldAll([{ event: "Telepathy", seq: 0, at: 0 } as unknown as RunEvent])).toThrow(/older/);
  });
});
