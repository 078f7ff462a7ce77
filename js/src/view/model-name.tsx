import { revealHidden } from "../reveal-hidden.ts";

/** Names up to this length are never split. */
const SHORT = 16;
/** Number of characters that stay visible at the end of a longer name. */
const TAIL = 10;

/**
 * A text that is cut in its middle where there is no room for all of it: long names of models often begin alike.
 * The parent element needs the class `fnb-cut` and the whole text as its title.
 */
export function CutText({ text: raw }: { text: string }) {
  const text = revealHidden(raw);
  // Letters of other scripts may change their shape where a word is split.
  if (text.length <= SHORT || !/^[\x20-\x7e]*$/.test(text)) return <span>{text}</span>;
  return (
    <>
      <span>{text.slice(0, -TAIL)}</span>
      <span>{text.slice(-TAIL)}</span>
    </>
  );
}

interface Props {
  name: string;
  /** CSS classes besides `fnb-name`. */
  class?: string;
  /** Whether the answer of this model was chosen. */
  chosen?: boolean;
}

/** The name of a model, a function or a pool. The whole name is the tooltip. */
export function Name({ name, class: more = "", chosen }: Props) {
  return (
    <b class={`fnb-name fnb-cut ${more}`} title={revealHidden(name)} dir="auto">
      {chosen && (
        <i class="fnb-star" title="chosen" role="img" aria-label="chosen">
          ★{" "}
        </i>
      )}
      <CutText text={name} />
    </b>
  );
}
