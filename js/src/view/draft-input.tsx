import { useState } from "preact/hooks";

interface Props {
  value: string | number;
  commit: (typed: string) => void;
  type: "text" | "number";
  placeholder: string;
  title?: string;
  list?: string;
  min?: string;
  step?: string;
  inputMode?: "decimal";
}

/** An input that is committed when it is left or Enter is pressed. What the kernel sends meanwhile draws the form anew:
 * what is being typed stays. */
export function DraftInput({ value, commit, ...rest }: Props) {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  return (
    <input
      {...rest}
      spellcheck={false}
      autocomplete="off"
      value={draft ?? value}
      onInput={(event) => setDraft(event.currentTarget.value)}
      onChange={(event) => {
        commit(event.currentTarget.value);
        setDraft(undefined);
      }}
    />
  );
}
