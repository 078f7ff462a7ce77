import type { Store } from "../store.ts";
import { DraftInput } from "./draft-input.tsx";
import { EntryList } from "./entry-list.tsx";
import { CutText } from "./model-name.tsx";

interface Offers {
  checks?: { name: string; weight?: number }[];
  extracts?: string[];
}

/** The person's own checks, which a run uses or leaves out. The panel can name only those it was given. */
export function Checks({ store }: { store: Store }) {
  const { checks = [] } = store.get<Offers>("offers") ?? {};
  const used = store.get<string[]>("check") ?? [];
  if (!checks.length) return null;
  const toggle = (name: string) => {
    const wanted = checks.map((check) => check.name).filter((one) => used.includes(one) !== (one === name));
    store.commit({ check: wanted });
  };
  return (
    <fieldset class="fnb-usechecks">
      <legend>Checks</legend>
      {checks.map(({ name, weight }) => (
        <button
          key={name}
          type="button"
          class="fnb-choice fnb-cut"
          dir="auto"
          title={`${name}: ${weight === undefined ? "only candidates that pass reach the judge" : `weight ${weight}`}`}
          aria-pressed={used.includes(name)}
          onClick={() => toggle(name)}
        >
          <CutText text={weight === undefined ? name : `${name} ×${weight}`} />
        </button>
      ))}
    </fieldset>
  );
}

/** How the answer is found beside the judge: how short answers are read, and who is asked where they do not agree. */
export function More({ store, members }: { store: Store; members: number | undefined }) {
  const extract = store.get<string>("extract") ?? "";
  const escalate = store.get<string[]>("escalate") ?? [];
  const agree = store.get<string>("agree") ?? "";
  const { extracts = [] } = store.get<Offers>("offers") ?? {};
  const { escalate: asked = [] } = store.get<{ escalate?: string[] }>("advice") ?? {};
  const set = (escalate.length && `escalate to ${escalate.join(", ")}`) || "";
  return (
    <details class="fnb-options-more" open={Boolean(extract || escalate.length)}>
      <summary>
        More <span>{[extract && `answers by ${extract}`, set].filter(Boolean).join(" · ")}</span>
      </summary>
      <div class="fnb-fields">
        {/* biome-ignore lint/a11y/noLabelWithoutControl: the control is in it */}
        <label>
          <span>Short answers are found</span>
          <DraftInput
            type="text"
            list="fnb-extracts"
            placeholder="by a cautious reading"
            title="number, choice, text, label:yes,no, json:field, or a function the panel was given"
            value={extract}
            commit={(typed) => store.commit({ extract: typed.trim() })}
          />
          <datalist id="fnb-extracts">
            {["number", "choice", "text", "label:yes,no", "json:answer", ...extracts].map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </label>
        {(members !== 1 || escalate.length > 0) && (
          <div class="fnb-field">
            <span>Asked only where the pool does not agree</span>
            <EntryList
              store={store}
              entries={escalate}
              setEntries={(entries) => store.commit({ escalate: entries })}
              label="Escalate to"
              adder="Add a model to escalate to"
              placeholder={escalate.length ? "Another" : asked.length ? `auto: ${asked.join(", ")}` : "nobody"}
            />
          </div>
        )}
        {escalate.length > 0 && (
          // biome-ignore lint/a11y/noLabelWithoutControl: the control is in it
          <label>
            <span>Agreement needed</span>
            <DraftInput
              type="text"
              placeholder="0.8, or 4/5"
              value={agree}
              commit={(typed) => store.commit({ agree: typed.trim() })}
            />
          </label>
        )}
      </div>
    </details>
  );
}
