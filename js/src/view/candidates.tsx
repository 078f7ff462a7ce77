import { candidates, failed, hue, nameOf, type Reply, score } from "../run.ts";
import type { Store } from "../store.ts";
import { money, replyStatus, seconds } from "../words.ts";
import { Html } from "./html.tsx";
import { AskAgain } from "./member.tsx";
import { Tabs } from "./tabs.tsx";

/** The candidates as tabs, the chosen or best one open. */
export function Candidates({ store, choose }: { store: Store; choose: (call: number) => void }) {
  const { state } = store;
  const all = candidates(state);
  const liked = [...(state.verdict?.chosen ?? []), ...(state.verdict?.ranking ?? [])];
  const first = liked.find((call) => all.some((reply) => reply.call === call));
  const tabs = all.map((reply) => ({
    key: String(reply.call),
    label: <Label store={store} reply={reply} />,
    body: () => <Body store={store} reply={reply} choose={choose} />,
  }));
  return (
    <Tabs key={state.run} tabs={tabs} first={first === undefined ? undefined : String(first)} label="Candidates" />
  );
}

function Label({ store: { state }, reply }: { store: Store; reply: Reply }) {
  const rank = (state.verdict?.ranking ?? []).indexOf(reply.call) + 1;
  const mean = score(state, reply.call);
  const facts = [
    reply.status && reply.status !== "ok" ? replyStatus(reply) : "",
    rank ? `rank ${rank}` : "",
    mean === undefined ? "" : mean.toFixed(1),
    reply.latency === undefined ? "" : seconds(reply.latency),
    reply.cost === undefined ? "" : money(reply.cost),
  ].filter(Boolean);
  return (
    <>
      <b class={`fnb-name ${hue(state, nameOf(reply.ref))}${failed(reply) ? " fnb-isbad" : ""}`}>
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

function Body({ store, reply, choose }: { store: Store; reply: Reply; choose: (call: number) => void }) {
  const chosen = (store.state.verdict?.chosen ?? []).includes(reply.call);
  const may = store.state.verdict && !chosen && (reply.text ?? "").trim();
  return (
    <>
      <Html store={store} html={store.html.calls?.[reply.call] ?? ""} class="fnb-piece" />
      <AskAgain key={reply.call} store={store} reply={reply} />
      {may && (
        <button type="button" class="fnb-button" onClick={() => choose(reply.call)}>
          Use this one instead
        </button>
      )}
    </>
  );
}
