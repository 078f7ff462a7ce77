import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { placeBelow } from "../overlay.ts";
import { revealHidden } from "../reveal-hidden.ts";
import type { Store } from "../store.ts";

/** Pixels: all fields and a sentence about one of them, without scrolling. */
const MAX_HEIGHT = 560;

interface Props {
  store: Store;
  name: string;
  entry: string;
  /** Names of the settings, with an example of each. */
  fields: [string, string][];
  save: (entry: string) => void;
}

/** A button that opens the settings of one model. */
export function MemberSettings(props: Props) {
  const [open, setOpen] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = () => {
    opener.current?.focus();
    setOpen(false);
  };
  return (
    <>
      <button
        type="button"
        ref={opener}
        aria-label={`Settings of ${props.name}`}
        aria-haspopup="dialog"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        ⚙︎
      </button>
      {open && <SettingsDialog {...props} opener={opener.current} close={close} />}
    </>
  );
}

interface DialogProps extends Props {
  opener: HTMLElement | null;
  close: () => void;
}

/** The kernel reads the settings from the entry, and writes the entry anew or says what is wrong. */
function SettingsDialog({ store, name, entry, fields, save, opener, close }: DialogProps) {
  const [values, setValues] = useState<Record<string, string> | undefined>(undefined);
  const [error, setError] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const isReady = Boolean(values);
  useEffect(() => {
    let closed = false;
    store.request("settings", { entry }).then((result) => {
      if (closed) return;
      setError(result.error ?? "");
      setValues((result.values as Record<string, string>) ?? {});
    });
    return () => {
      closed = true;
    };
  }, []);
  useLayoutEffect(() => (box.current && opener ? placeBelow(box.current, opener, MAX_HEIGHT) : undefined), []);
  useLayoutEffect(() => box.current?.querySelector("input")?.focus(), [isReady]);
  const apply = async () => {
    if (!values) return;
    const result = await store.request("settings", { entry, values });
    setError(result.error ?? "");
    if (result.error) return;
    save(String(result.entry));
    close();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.target as Element).localName === "input") apply();
    else return;
    // Enter would submit the form and start a run.
    event.preventDefault();
  };
  return (
    <div
      class="fnb-settings"
      popover="manual"
      role="dialog"
      aria-label={`Settings of ${name}`}
      ref={box}
      onKeyDown={onKey}
    >
      <p>Of {revealHidden(name)} alone. Where a field is empty, what holds for all.</p>
      {values &&
        fields.map(([field, example]) => {
          const Field = field === "system" ? "textarea" : "input";
          return (
            // biome-ignore lint/a11y/noLabelWithoutControl: the control is in it
            <label key={field}>
              <span>{field}</span>
              <Field
                rows={2}
                placeholder={example}
                value={values[field] ?? ""}
                autocomplete="off"
                spellcheck={field === "system"}
                dir="auto"
                onInput={(event) => setValues({ ...values, [field]: event.currentTarget.value })}
              />
            </label>
          );
        })}
      {error && (
        <p class="fnb-bad" role="alert">
          {revealHidden(error)}
        </p>
      )}
      <div>
        <button type="button" class="fnb-button" onClick={apply}>
          Apply
        </button>
        <button type="button" class="fnb-button" onClick={close}>
          Cancel
        </button>
      </div>
    </div>
  );
}
