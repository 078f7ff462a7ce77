// What two texts have in common, for the eye: shared passages stay plain, the rest is marked.

export interface Piece {
  text: string;
  same: boolean;
}

const TOKENS = /\s+|[\p{L}\p{N}_'’]+|[^\s\p{L}\p{N}_]/gu;
const WORD = /[\p{L}\p{N}]/u;
/** Cells of the table that is filled; larger texts are compared line by line. */
const LARGEST = 4_000_000;
/** Words a shared passage has at least: two texts share many single words by chance. */
const SHORTEST = 3;

/** The part of both texts that is shared, 0 to 1. */
export function alike(sides: readonly Piece[][]): number {
  const size = (pieces: Piece[]) => pieces.reduce((all, piece) => all + piece.text.trim().length, 0);
  const all = size(sides.flat());
  return all ? size(sides.flat().filter((piece) => piece.same)) / all : 1;
}

export function compare(a: string, b: string): [Piece[], Piece[]] {
  const words = (text: string) => text.match(TOKENS) ?? [];
  const lines = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  let [left, right] = [words(a), words(b)];
  if (left.length * right.length > LARGEST) [left, right] = [lines(a), lines(b)];
  if (left.length * right.length > LARGEST) return [[{ text: a, same: a === b }], [{ text: b, same: a === b }]];
  const [inLeft, inRight] = shared(left, right);
  return [pieces(left, inLeft), pieces(right, inRight)];
}

/** For each token, which token of the other side it is, or -1: a longest common subsequence. */
function shared(a: readonly string[], b: readonly string[]): [Int32Array, Int32Array] {
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  const get = (i: number) => longest[i] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j] ? get((i + 1) * width + j + 1) + 1 : Math.max(get((i + 1) * width + j), get(i * width + j + 1));
  const inA = new Int32Array(a.length).fill(-1);
  const inB = new Int32Array(b.length).fill(-1);
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      inA[i] = j;
      inB[j++] = i++;
    } else if (get((i + 1) * width + j) >= get(i * width + j + 1)) i++;
    else j++;
  }
  return [inA, inB];
}

function pieces(tokens: readonly string[], other: Int32Array): Piece[] {
  const out: Piece[] = [];
  const put = (text: string, same: boolean) => {
    const last = out.at(-1);
    if (last?.same === same) last.text += text;
    else if (text) out.push({ text, same });
  };
  for (let i = 0; i < tokens.length; ) {
    let end = i + 1;
    const matched = (other[i] ?? -1) >= 0;
    while (end < tokens.length && (matched ? other[end] === (other[end - 1] ?? 0) + 1 : (other[end] ?? -1) < 0)) end++;
    const run = tokens.slice(i, end);
    const words = run.filter((token) => WORD.test(token)).length;
    put(run.join(""), matched && words >= SHORTEST);
    i = end;
  }
  return out;
}
