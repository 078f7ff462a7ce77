import { failedChecks, plural } from "../format.ts";
import { revealHidden } from "../reveal-hidden.ts";
import {
  candidates,
  colorClass,
  differs,
  hasFailed,
  nameOf,
  otherWarnings,
  type Reply,
  remarksOf,
  suspectSigns,
} from "../run.ts";
import type { Store } from "../store.ts";
import { AskAgain } from "./call-actions.tsx";
import { Html } from "./html.tsx";
import { Name } from "./model-name.tsx";
import { Tabs } from "./tabs.tsx";
import { Remarks } from "./warnings.tsx";

/** The candidates as tabs; the chosen or best one is open. */
export function Candidates({ store, choose }: { store: Store; choose: (call: number) => void }) {
  const { state } = store;
  const replies = candidates(state);
  const preferred = [...(state.verdict?.chosen ?? []), ...(state.verdict?.ranking ?? [])];
  const first = preferred.find((call) => replies.some((reply) => reply.call === call));
  const tabs = replies.map((reply) => ({
    key: String(reply.call),
    label: <TabLabel store={store} reply={reply} />,
    body: () => <TabBody store={store} reply={reply} choose={choose} />,
  }));
  return (
    <Tabs key={state.run} tabs={tabs} first={first === undefined ? undefined : String(first)} label="Candidates" />
  );
}

const FACT_CLASS: Record<string, string> = { "✓": "fnb-pass", "✗": "fnb-fail" };

function TabLabel({ store: { state, html }, reply }: { store: Store; reply: Reply }) {
  const warnings = otherWarnings(reply).length;
  const why = failedChecks(reply).join(" ");
  return (
    <>
      <Name
        name={nameOf(reply.ref)}
        class={`${colorClass(state, nameOf(reply.ref))}${hasFailed(reply) ? " fnb-isbad" : ""}`}
        chosen={(state.verdict?.chosen ?? []).includes(reply.call)}
      />
      <span class="fnb-facts">
        {(html.facts?.[reply.call] ?? []).map((fact) => (
          <span
            key={fact}
            class={FACT_CLASS[fact.charAt(0)]}
            title={fact.startsWith("✗") ? revealHidden(why) : undefined}
            dir="auto"
          >
            {revealHidden(fact)}
          </span>
        ))}
        {differs(state, reply.call) && <span class="fnb-differs">differs</span>}
        {suspectSigns(reply).length > 0 && <span class="fnb-suspect">⚠ speaks to the judge</span>}
        {warnings > 0 && (
          <span class="fnb-suspect" title={revealHidden(remarksOf(reply).join(" "))}>
            ⚠ {plural(warnings, "warning")}
          </span>
        )}
      </span>
    </>
  );
}

function TabBody({ store, reply, choose }: { store: Store; reply: Reply; choose: (call: number) => void }) {
  const chosen = (store.state.verdict?.chosen ?? []).includes(reply.call);
  const canChoose = store.state.verdict && !chosen && (reply.text ?? "").trim();
  return (
    <>
      <Remarks reply={reply} shown={store.html.calls?.[reply.call]} />
      <Html html={store.html.calls?.[reply.call] ?? ""} class="fnb-piece" />
      <AskAgain key={reply.call} store={store} reply={reply} />
      {canChoose && (
        <button type="button" class="fnb-button" onClick={() => choose(reply.call)}>
          Use this one instead
        </button>
      )}
    </>
  );
}
