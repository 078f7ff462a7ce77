import { useState } from "preact/hooks";
import type { Store } from "../store.ts";

/** Asks for a missing API key. What is typed goes to the kernel in one message: it is in no trait and no notebook. */
export function KeyField({ store, service }: { store: Store; service: string }) {
  const [value, setValue] = useState("");
  const [error, setError] = useState("");
  const send = async () => {
    if (!value.trim()) return;
    const typed = value;
    setValue("");
    const result = await store.request("set_key", { service, value: typed });
    setError(result.error ?? "");
    if (!result.error) store.announce(`The key for ${service} is kept for this kernel.`);
  };
  return (
    <div class="fnb-key">
      <label>
        <span>API key for {service}</span>
        <input
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
          onKeyDown={(event) => {
            // Enter is for the key; it is no wish to run.
            if (event.key !== "Enter") return;
            event.preventDefault();
            send();
          }}
        />
      </label>
      <button type="button" class="fnb-button" aria-disabled={!value.trim()} onClick={send}>
        Use the key
      </button>
      <span class="fnb-meta">
        Kept for this kernel alone, and sent to {service} alone. <code>%fuse_key {service} --keyring</code> keeps it for
        good.
      </span>
      {error && (
        <p class="fnb-bad" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
