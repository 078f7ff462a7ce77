import { useMemo, useState } from "preact/hooks";
import { type DiffPiece, diffTexts, similarity } from "../diff.ts";
import { revealHidden } from "../reveal-hidden.ts";
import { candidates, nameOf, type RunState } from "../run.ts";

const MIN_SIMILARITY = 0.08;

/** The texts of a run by name: candidates by rank, then the answer the judge wrote. */
export function comparableTexts(state: RunState): Map<string, string> {
  const texts = new Map<string, string>();
  const ranking = state.verdict?.ranking ?? [];
  const rank = (call: number) => (ranking.indexOf(call) + ranking.length + 1) % (ranking.length + 1);
  for (const reply of [...candidates(state)].sort((a, b) => rank(a.call) - rank(b.call)))
    if (reply.text?.trim()) texts.set(nameOf(reply.ref), reply.text);
  if (state.verdict?.answer && !state.verdict.chosen?.length) texts.set("Fused answer", state.verdict.answer);
  return texts;
}

/** Two texts of a run side by side; passages that only one of them has are marked. */
export function Compare({ state }: { state: RunState }) {
  const texts = comparableTexts(state);
  const names = [...texts.keys()];
  const [left, setLeft] = useState("");
  const [right, setRight] = useState("");
  const a = texts.has(left) ? left : (names[0] ?? "");
  const b = texts.has(right) ? right : (names.find((name) => name !== a) ?? "");
  const [inA, inB] = useMemo(() => diffTexts(texts.get(a) ?? "", texts.get(b) ?? ""), [a, b, state.run]);
  // If nearly everything differs, marks would not help.
  const marked = similarity([inA, inB]) >= MIN_SIMILARITY;
  return (
    <div class="fnb-compare">
      <CompareSide label="Left text" name={a} names={names} choose={setLeft} pieces={inA} marked={marked} />
      <CompareSide label="Right text" name={b} names={names} choose={setRight} pieces={inB} marked={marked} />
      <p class="fnb-meta">
        {marked
          ? "Marked: what only one of them says, word for word."
          : "Word for word they have next to nothing in common."}
      </p>
    </div>
  );
}

interface CompareSideProps {
  label: string;
  name: string;
  names: string[];
  choose: (name: string) => void;
  pieces: DiffPiece[];
  marked: boolean;
}

function CompareSide({ label, name, names, choose, pieces, marked }: CompareSideProps) {
  return (
    <div>
      <select aria-label={label} value={name} onChange={(event) => choose(event.currentTarget.value)}>
        {names.map((one) => (
          <option key={one} value={one}>
            {revealHidden(one)}
          </option>
        ))}
      </select>
      {/* It may scroll, so the keyboard must be able to reach it. */}
      <section class="fnb-difftext" dir="auto" aria-label={`${label}: ${name}`} tabIndex={0}>
        {shown(pieces).map(({ text, same }) => (same || !marked ? text : <mark>{text}</mark>))}
      </section>
    </div>
  );
}

/** The pieces with hidden characters revealed. Their neighbours in the whole text decide what is hidden. */
function shown(pieces: DiffPiece[]): DiffPiece[] {
  const whole = pieces.map((piece) => piece.text).join("");
  let end = 0;
  return pieces.map(({ text, same }) => {
    const from = end;
    end += text.length;
    return { text: revealHidden(whole, from, end), same };
  });
}
