import { cutMiddle } from "../format.ts";

interface Props {
  name: string;
  /** CSS classes besides `fnb-name`. */
  class?: string;
  /** Longest text; a longer one is cut in its middle, because long names of models often begin alike. */
  length?: number;
}

/** The name of a model, a function or a pool. The whole name is the tooltip. */
export function Name({ name, class: more = "", length = 36 }: Props) {
  return (
    <b class={`fnb-name ${more}`} title={name}>
      <span dir="auto">{cutMiddle(name, length)}</span>
    </b>
  );
}
