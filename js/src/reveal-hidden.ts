// Characters that act on a screen or hide on it, made visible. `fusion_nb/views/escape.py` does the same; the table is
// generated from Unicode's data (`unicode.mjs`), and both pass tests/fixtures/hidden_characters.json.
import table from "./generated/hidden-characters.json" with { type: "json" };

const inClass = (ranges: number[][]): string =>
  ranges.map(([first = 0, last = 0]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`).join("");

/** C0 except tab and line feed, DEL, C1: what terminals obey. Lone surrogates: not characters. */
const ACTING = "\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ud800-\\udfff";
const IGNORABLE = inClass(table.ignorable);
const EMOJI = inClass(table.emoji);
const JOINER = "\\u200c\\u200d";
/** In emoji, a joiner stands between two pictures; the first may have a variation selector or a skin tone. */
const EMOJI_JOINER = `(?<=[${EMOJI}]\\ufe0f?)\\u200d(?=[${EMOJI}])`;
/** Variation selectors choose between the text and the emoji form of a picture or, before U+20E3, of a keycap. */
const EMOJI_SELECTOR = `(?<=[${EMOJI}])[\\ufe0e\\ufe0f]|(?<=[0-9#*])\\ufe0f(?=\\u20e3)`;
const WRITTEN_JOINER = `(?<=[${inClass(table.joining)}])[${JOINER}]`;
const ALLOWED = `${EMOJI_JOINER}|${EMOJI_SELECTOR}|${WRITTEN_JOINER}`;
const CANDIDATE = `[${ACTING}${IGNORABLE}]`;
const HIDDEN = new RegExp(`\\r(?=\\n)|(?:\\r(?!\\n)|(?=${CANDIDATE})(?!${ALLOWED})${CANDIDATE})+`, "gu");
/** A longer run is counted, not spelled out. */
const LONGEST_RUN = 8;

/**
 * `text` from `from` to `to`, with `[U+202E]` in place of each character that would act or hide. What stands before and
 * behind that part is looked at, too: it decides whether a joiner belongs to the writing.
 */
export function revealHidden(text: string, from = 0, to = text.length): string {
  let [shown, at] = ["", from];
  HIDDEN.lastIndex = from;
  for (let match = HIDDEN.exec(text); match && match.index < to; match = HIDDEN.exec(text)) {
    const end = Math.min(to, HIDDEN.lastIndex);
    const isLineEnd = match[0] === "\r" && text[match.index + 1] === "\n";
    shown += text.slice(at, match.index) + (isLineEnd ? "" : spell(text.slice(match.index, end)));
    at = end;
  }
  return shown + text.slice(at, to);
}

const UNSETTLED = new Set(["\u200c", "\u200d", "\ufe0e", "\ufe0f", "\r"]);

/** The length of a growing text without up to two last characters whose meaning depends on what comes next. */
export function settledLength(text: string): number {
  let length = text.length;
  while (length > Math.max(0, text.length - 2) && UNSETTLED.has(text.charAt(length - 1))) length--;
  return length;
}

function spell(run: string): string {
  const points = [...run].map((character) =>
    (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0"),
  );
  if (points.length > LONGEST_RUN) return `[U+${points[0]} and ${points.length - 1} more hidden characters]`;
  return points.map((point) => `[U+${point}]`).join("");
}
