import { formatCost, formatSeconds, replyStatusText } from "../format.ts";
import { candidates, colorClass, hasFailed, meanScore, nameOf, type Reply } from "../run.ts";
import type { Store } from "../store.ts";
import { AskAgain } from "./call-actions.tsx";
import { Html } from "./html.tsx";
import { Tabs } from "./tabs.tsx";

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

function TabLabel({ store: { state }, reply }: { store: Store; reply: Reply }) {
  const rank = (state.verdict?.ranking ?? []).indexOf(reply.call) + 1;
  const score = meanScore(state, reply.call);
  const facts = [
    reply.status && reply.status !== "ok" ? replyStatusText(reply) : "",
    rank ? `rank ${rank}` : "",
    score === undefined ? "" : score.toFixed(1),
    reply.latency === undefined ? "" : formatSeconds(reply.latency),
    reply.cost === undefined ? "" : formatCost(reply.cost),
  ].filter(Boolean);
  return (
    <>
      <b class={`fnb-name ${colorClass(state, nameOf(reply.ref))}${hasFailed(reply) ? " fnb-isbad" : ""}`}>
        {(state.verdict?.chosen ?? []).includes(reply.call) && (
          <span class="fnb-star" title="chosen" role="img" aria-label="chosen">
            ★{" "}
          </span>
        )}
        {nameOf(reply.ref)}
      </b>
      <span class="fnb-facts">
        {facts.join(" · ")}
        {Boolean(reply.suspect?.length) && <span class="fnb-suspect">⚠ speaks to the judge</span>}
      </span>
    </>
  );
}

function TabBody({ store, reply, choose }: { store: Store; reply: Reply; choose: (call: number) => void }) {
  const chosen = (store.state.verdict?.chosen ?? []).includes(reply.call);
  const canChoose = store.state.verdict && !chosen && (reply.text ?? "").trim();
  return (
    <>
      <Html store={store} html={store.html.calls?.[reply.call] ?? ""} class="fnb-piece" />
      <AskAgain key={reply.call} store={store} reply={reply} />
      {canChoose && (
        <button type="button" class="fnb-button" onClick={() => choose(reply.call)}>
          Use this one instead
        </button>
      )}
    </>
  );
}
