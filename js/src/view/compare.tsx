import { useMemo, useState } from "preact/hooks";
import { alike, compare, type Piece } from "../diff.ts";
import { candidates, nameOf, type RunState } from "../run.ts";
import { visible } from "../words.ts";

const LITTLE = 0.08;

/** Two texts of a run side by side, with what only one of them says marked. */
export function Compare({ state }: { state: RunState }) {
  const texts = new Map<string, string>();
  const ranking = state.verdict?.ranking ?? [];
  const place = (call: number) => (ranking.indexOf(call) + ranking.length + 1) % (ranking.length + 1);
  for (const reply of [...candidates(state)].sort((a, b) => place(a.call) - place(b.call)))
    if (reply.text?.trim()) texts.set(nameOf(reply.ref), reply.text);
  if (state.verdict?.answer && !state.verdict.chosen?.length) texts.set("Fused answer", state.verdict.answer);
  const names = [...texts.keys()];
  const [left, setLeft] = useState("");
  const [right, setRight] = useState("");
  const a = texts.has(left) ? left : (names[0] ?? "");
  const b = texts.has(right) ? right : (names.find((name) => name !== a) ?? "");
  const [inA, inB] = useMemo(() => compare(texts.get(a) ?? "", texts.get(b) ?? ""), [a, b, state.run]);
  // Where all of it differs, marking all of it would tell nobody anything.
  const marked = alike([inA, inB]) >= LITTLE;
  if (names.length < 2) return <p class="fnb-meta">There is only one text.</p>;
  return (
    <div class="fnb-compare">
      <Side label="Left text" name={a} names={names} choose={setLeft} pieces={inA} marked={marked} />
      <Side label="Right text" name={b} names={names} choose={setRight} pieces={inB} marked={marked} />
      <p class="fnb-meta">
        {marked
          ? "Marked: what only one of them says, word for word."
          : "Word for word they have next to nothing in common."}
      </p>
    </div>
  );
}

interface SideProps {
  label: string;
  name: string;
  names: string[];
  choose: (name: string) => void;
  pieces: Piece[];
  marked: boolean;
}

function Side({ label, name, names, choose, pieces, marked }: SideProps) {
  return (
    <div>
      <select aria-label={label} value={name} onChange={(event) => choose(event.currentTarget.value)}>
        {names.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
      {/* It may scroll: the keyboard must reach it. */}
      <section class="fnb-difftext" aria-label={`${label}: ${name}`} tabIndex={0}>
        {pieces.map((piece) => (piece.same || !marked ? visible(piece.text) : <mark>{visible(piece.text)}</mark>))}
      </section>
    </div>
  );
}
