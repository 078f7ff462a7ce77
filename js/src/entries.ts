// Pool entries as text, `claude{reasoning=high}*3`, as far as chips need it. Only the kernel reads and writes settings.

/** Quoted texts, which have a meaning in braces alone, and single characters. */
const TOKEN = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|./gs;
const ENTRY = /^([^{]*?)\s*(?:\*\s*(\d+)\s*)?(\{.*\})?\s*(?:\*\s*(\d+))?$/s;

export interface Entry {
  name: string;
  /** With its braces, or empty. */
  settings: string;
  times: number;
}

/** The entries of a list by comma. Commas in braces separate nothing. */
export function splitEntries(text: string): string[] {
  const entries = [""];
  let depth = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "," && depth <= 0) entries.push("");
    else entries[entries.length - 1] += token;
    depth += "{[".includes(token) ? 1 : "}]".includes(token) ? -1 : 0;
  }
  return entries.map((entry) => entry.trim()).filter(Boolean);
}

export function parseEntry(entry: string): Entry {
  const [, name = entry, before, settings = "", behind] = ENTRY.exec(entry.trim()) ?? [];
  return { name, settings, times: Number(before ?? behind ?? 1) };
}

/** `name{settings}`, with the count behind it if there is more than one. */
export const joinEntry = ({ name, settings, times }: Entry): string => name + settings + (times > 1 ? `*${times}` : "");
