import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { nameOf } from "../run.ts";
import type { Store } from "../store.ts";
import { phase } from "../words.ts";
import { Candidates } from "./candidates.tsx";
import { Compare } from "./compare.tsx";
import { Head, Notes } from "./head.tsx";
import { useBrief } from "./hooks.ts";
import { copy, Html } from "./html.tsx";
import { Aloud } from "./live.tsx";
import { Timeline } from "./timeline.tsx";

/** The answer first; then the candidates beside the judge; then how it went and what it cost. */
export function Finished({ store }: { store: Store }) {
  const { state, html } = store;
  const [said, say] = useBrief();
  const choose = async (call: number) => {
    const answer = await store.ask("choose", { call });
    say(answer.error ?? "Your choice is the answer now, and on the record.");
  };
  const again = async () => {
    const form = { judge: store.get("judge"), mode: store.get("mode") };
    const answer = await store.ask("rejudge", form);
    if (answer.error) say(answer.error);
  };
  const asked = !["not-needed", "by-hand"].includes(state.verdict?.state ?? "");
  const judged = state.judge && asked ? nameOf(state.judge) : "";
  const several = (state.replies ?? []).filter((reply) => (reply.role ?? "candidate") === "candidate").length > 1;
  return (
    <>
      <div class="fnb-top">
        <Head state={state} now={0} cost={html.total ?? ""} />
        <Tools store={store} say={say} />
      </div>
      <p class="fnb-said" role="status">
        {said}
      </p>
      <Notes notes={state.notes} />
      <section class="fnb-answer">
        <h4 class="fnb-title">{html.title}</h4>
        {state.error && <p class="fnb-bad">{state.error}</p>}
        {html.none && !state.error && <p class="fnb-warn">{html.none}</p>}
        {html.answer && <Html store={store} html={html.answer} />}
        {html.shares && <Html store={store} html={html.shares} class="fnb-piece" />}
      </section>
      <div class={html.judge ? "fnb-cols" : "fnb-one"}>
        <section>
          <h4 class="fnb-title">Candidates</h4>
          <Candidates store={store} choose={choose} />
          {html.rounds && <Html store={store} html={html.rounds} class="fnb-piece" />}
        </section>
        {html.judge && (
          <section class="fnb-judge">
            <h4 class="fnb-title">
              Judge <span class="fnb-more">{judged}</span>
            </h4>
            <Html store={store} html={html.judge} class="fnb-piece" />
            <button
              type="button"
              class="fnb-button"
              title="With the judge and mode chosen above; no candidate is asked again"
              onClick={again}
            >
              Judge again
            </button>
          </section>
        )}
      </div>
      <details class="fnb-ledger" open>
        <summary>Timeline</summary>
        <Timeline state={state} />
      </details>
      {several && (
        <Later title="Compare" about="two texts side by side">
          {() => <Compare state={state} />}
        </Later>
      )}
      <details class="fnb-ledger">
        <summary>
          Ledger <span>{html.caption}</span>
        </summary>
        <Html store={store} html={html.ledger ?? ""} class="fnb-piece" />
      </details>
      <details class="fnb-ledger">
        <summary>
          Prompt <span>as sent</span>
        </summary>
        <pre>{state.prompt}</pre>
        <p class="fnb-meta">
          run {state.run} · seed {state.seed ?? 0} · {state.when}
        </p>
      </details>
      <Aloud text={phase(state)} />
    </>
  );
}

/** What costs something to make is made when it is unfolded. */
function Later({ title, about, children }: { title: string; about: string; children: () => ComponentChildren }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="fnb-ledger" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {title} <span>{about}</span>
      </summary>
      {open && children()}
    </details>
  );
}

function Tools({ store, say }: { store: Store; say: (text: string) => void }) {
  const markdown = async () => {
    const answer = await store.ask("markdown");
    const copied = !answer.error && (await copy(String(answer.text)));
    say(answer.error ?? (copied ? "Copied as Markdown." : "This front end keeps the clipboard to itself."));
  };
  const frame = async () => {
    const answer = await store.ask("frame");
    say(answer.error ?? `panel.frame holds the DataFrame: ${answer.rows} rows, ${answer.columns} columns.`);
  };
  return (
    <p class="fnb-tools">
      <button type="button" class="fnb-button" onClick={markdown}>
        Copy as Markdown
      </button>
      <button type="button" class="fnb-button" onClick={frame}>
        To DataFrame
      </button>
    </p>
  );
}
