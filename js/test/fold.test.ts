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

  it("refuses an event of a newer release instead of misreading it", () => {
    expect(() => foldAll([{ event: "Telepathy", seq: 0, at: 0 } as unknown as RunEvent])).toThrow(/older/);
  });
});
