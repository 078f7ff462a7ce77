import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import stored from "../src/generated/hidden-characters.json" with { type: "json" };
import { revealHidden, settledLength } from "../src/reveal-hidden.ts";
// @ts-expect-error a script without types
import { table } from "../unicode.mjs";

interface Case {
  text: string;
  shown: string;
  why: string;
}

const cases: Case[] = JSON.parse(readFileSync("../tests/fixtures/hidden_characters.json", "utf8"));

describe("what hides in a text", () => {
  it.each(cases)("$why: $shown", ({ text, shown }) => expect(revealHidden(text)).toBe(shown));

  it("is every default-ignorable character of Unicode, between Latin letters", () => {
    const wrong: string[] = [];
    for (let point = 0; point <= 0x10ffff; point++) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const character = String.fromCodePoint(point);
      const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
      const hides = /\p{Default_Ignorable_Code_Point}/u.test(character);
      if (!hides && !/[\p{L}\p{N}\p{S}\p{M}]/u.test(character)) continue;
      if (revealHidden(`a${character}b`) !== (hides ? `a[${code}]b` : `a${character}b`)) wrong.push(code);
    }
    expect(wrong).toEqual([]);
  });

  it("is the same in parts as in the whole", () => {
    for (const { text, shown } of cases.filter(({ why }) => !why.includes("run"))) {
      for (let cut = 0; cut <= text.length; cut++) {
        if (/[\udc00-\udfff]/.test(text.charAt(cut)) && /[\ud800-\udbff]/.test(text.charAt(cut - 1))) continue;
        expect(revealHidden(text, 0, cut) + revealHidden(text, cut)).toBe(shown);
      }
    }
  });

  it("waits for what comes next at the end of a growing text", () => {
    expect(settledLength("\u{1f469}\u200d")).toBe(2);
    expect(settledLength("plain")).toBe(5);
  });

  it("takes time in proportion to the text", () => {
    // The least of several, in time of this process: other work on the machine does not count.
    const time = (text: string) => {
      const once = () => {
        const begun = process.cpuUsage();
        revealHidden(text);
        return process.cpuUsage(begun).user / 1000;
      };
      return Math.min(...Array.from({ length: 5 }, once));
    };
    for (const part of ["\u200d", "a\u200d", "\u{1f600}\u200d", "\r", "\u0645\u200c"]) {
      const [small, large] = [time(part.repeat(10_000)), time(part.repeat(160_000))];
      // Sixteen times the text; a quadratic reading would take 256 times as long.
      expect(large).toBeLessThan(80 * Math.max(small, 1));
    }
  }, 60_000);
});

describe("the table", () => {
  it("is what Unicode's data says", () => {
    if (process.versions.unicode === stored.unicode) expect(table()).toEqual(stored);
  });
});
