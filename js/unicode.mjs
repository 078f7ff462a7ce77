// Writes src/generated/hidden-characters.json from the Unicode data of this Node: `node unicode.mjs`. Python's views
// use the same table. See tests/fixtures/hidden_characters.json for what is shown of a text.
import { writeFileSync } from "node:fs";

/** Scripts that need joiners: their letters change shape with their neighbours, or form conjuncts. */
const JOINING =
  "Arabic Syriac Thaana Nko Mandaic Manichaean Mongolian Phags_Pa Psalter_Pahlavi Hanifi_Rohingya Sogdian Adlam " +
  "Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Tibetan Myanmar Khmer " +
  "Balinese Javanese Sundanese Tai_Tham Limbu Meetei_Mayek Chakma Brahmi Grantha Newa Tirhuta Sharada Khojki";

export function table() {
  const scripts = JOINING.split(" ").map((name) => `\\p{Script_Extensions=${name}}`);
  const joining = new RegExp(`[${scripts.join("")}]`, "u");
  return {
    unicode: process.versions.unicode,
    // Unicode's Default_Ignorable_Code_Point, and the marks of interlinear annotations.
    ignorable: ranges(IGNORABLE),
    // Letters and marks after which a joiner is part of the writing.
    joining: ranges((c) => joining.test(c) && /[\p{L}\p{M}]/u.test(c) && !EUROPEAN.test(c), joining),
    // What may be an emoji, without ASCII.
    emoji: ranges((character) => /[\p{Emoji}\p{Extended_Pictographic}]/u.test(character), /[\p{So}\p{Sm}]/u),
  };
}

/** Combining marks that also stand on Latin letters. */
const EUROPEAN = /[\u0080-\u058f]|[\u1dc0-\u1dff]|[\u20d0-\u20ff]/u;
const IGNORABLE = (character) => /[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u.test(character);

/**
 * The code points that pass the test, as pairs of first and last. Two ranges become one where only unassigned code
 * points, or such as `filler` matches, stand between them: it makes the table a third as long.
 */
function ranges(test, filler = /(?!)/) {
  const found = [];
  let filled = false;
  for (let point = 0x80; point <= 0x10ffff; point++) {
    const character = String.fromCodePoint(point);
    const surrogate = point >= 0xd800 && point <= 0xdfff;
    if (surrogate || !test(character) || (test !== IGNORABLE && IGNORABLE(character))) {
      const fills = test !== IGNORABLE && (/\p{Cn}/u.test(character) || filler.test(character));
      filled &&= fills && !surrogate && !IGNORABLE(character);
      continue;
    }
    const last = found.at(-1);
    if (last && (filled || last[1] === point - 1)) last[1] = point;
    else found.push([point, point]);
    filled = true;
  }
  return found;
}

if (process.argv[1] === import.meta.filename) {
  const lines = Object.entries(table()).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  writeFileSync(new URL("src/generated/hidden-characters.json", import.meta.url), `{\n${lines.join(",\n")}\n}\n`);
}
