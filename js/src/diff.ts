// Word diff of two texts for display: shared passages stay plain, the rest is marked.

export interface DiffPiece {
  text: string;
  same: boolean;
}

const TOKENS = /\s+|[\p{L}\p{N}_'’]+|[^\s\p{L}\p{N}_]/gu;
const WORD = /[\p{L}\p{N}]/u;
/** Maximum size of the comparison table; larger texts are compared line by line. */
const MAX_TABLE_CELLS = 4_000_000;
/** Minimum number of words of a shared passage: two texts share many single words by chance. */
const MIN_SHARED_WORDS = 3;

/** The fraction of both texts that is shared, 0 to 1. */
export function similarity(sides: readonly DiffPiece[][]): number {
  const size = (pieces: DiffPiece[]) => pieces.reduce((sum, piece) => sum + piece.text.trim().length, 0);
  const total = size(sides.flat());
  return total ? size(sides.flat().filter((piece) => piece.same)) / total : 1;
}

export function diffTexts(a: string, b: string): [DiffPiece[], DiffPiece[]] {
  const words = (text: string) => text.match(TOKENS) ?? [];
  const lines = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  let [left, right] = [words(a), words(b)];
  if (left.length * right.length > MAX_TABLE_CELLS) [left, right] = [lines(a), lines(b)];
  if (left.length * right.length > MAX_TABLE_CELLS) return [[{ text: a, same: a === b }], [{ text: b, same: a === b }]];
  const [inLeft, inRight] = longestCommonSubsequence(left, right);
  return [toPieces(left, inLeft), toPieces(right, inRight)];
}

/** For each token the index of the matching token on the other side, or -1. */
function longestCommonSubsequence(a: readonly string[], b: readonly string[]): [Int32Array, Int32Array] {
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

function toPieces(tokens: readonly string[], other: Int32Array): DiffPiece[] {
  const out: DiffPiece[] = [];
  const append = (text: string, same: boolean) => {
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
    append(run.join(""), matched && words >= MIN_SHARED_WORDS);
    i = end;
  }
  return out;
}
