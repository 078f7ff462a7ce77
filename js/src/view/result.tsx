import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { revealHidden } from "../reveal-hidden.ts";
import { nameOf } from "../run.ts";
import type { Store } from "../store.ts";
import { Candidates } from "./candidates.tsx";
import { Compare, comparableTexts } from "./compare.tsx";
import { Headline, Notes } from "./headline.tsx";
import { useTransient } from "./hooks.ts";
import { copy, Html } from "./html.tsx";
import { Timeline } from "./timeline.tsx";
import { LedgerRemarks } from "./warnings.tsx";

/** The result of a run: the answer, then candidates beside the judge, then timeline, comparison, ledger, prompt. */
export function RunResult({ store }: { store: Store }) {
  const { state, html } = store;
  const [message, setText] = useTransient();
  const setMessage = (text: string) => {
    setText(text);
    store.announce(text);
  };
  const chooseCandidate = async (call: number) => {
    const result = await store.request("choose", { call });
    setMessage(result.error ?? "Your choice is the answer now, and on the record.");
  };
  const votes = store.get("mode") === "vote";
  const continueRun = async (kind: "rejudge" | "add") => {
    const result = await store.request(kind, { judge: store.get("judge"), mode: store.get("mode") });
    if (result.error) setMessage(result.error);
  };
  const known = new Set((state.pool ?? []).map(nameOf));
  const added = (store.get<{ pool?: string[] }>("advice")?.pool ?? []).filter((name) => !known.has(name));
  const [verdict = "", whose = ""] = html.verdict ?? [];
  const several = comparableTexts(state).size > 1;
  return (
    <>
      <div class="fnb-top">
        <Headline store={store} now={0} />
        <Tools store={store} setMessage={setMessage} />
      </div>
      <p class="fnb-said">{revealHidden(message)}</p>
      <Notes store={store} />
      <section class="fnb-answer">
        <h4 class="fnb-title">{revealHidden(html.title ?? "")}</h4>
        {state.error && <p class="fnb-bad">{revealHidden(state.error)}</p>}
        {html.none && !state.error && <p class="fnb-warn">{revealHidden(html.none)}</p>}
        {html.answer && <Html html={html.answer} />}
        {html.shares && <Html html={html.shares} class="fnb-piece" />}
      </section>
      <div class={html.judge ? "fnb-cols" : "fnb-one"}>
        <section>
          <h4 class="fnb-title">Candidates</h4>
          <Candidates store={store} choose={chooseCandidate} />
          {html.rounds && <Html html={html.rounds} class="fnb-piece" />}
          {added.length > 0 && store.supports("add") && (
            <button
              type="button"
              class="fnb-button fnb-add"
              title="Beside these candidates, of which none is asked or paid again"
              onClick={() => continueRun("add")}
            >
              Ask {revealHidden(added.length > 2 ? `${added.length} new members` : added.join(" and "))} too
            </button>
          )}
        </section>
        {html.judge && (
          <section class="fnb-judge">
            <h4 class="fnb-title">
              {verdict} <span class="fnb-more">{revealHidden(whose)}</span>
            </h4>
            <Html html={html.judge} class="fnb-piece" />
            <button
              type="button"
              class="fnb-button"
              title="With the judge and mode chosen above; no candidate is asked again"
              onClick={() => continueRun("rejudge")}
            >
              {votes ? "Vote again" : "Judge again"}
            </button>
          </section>
        )}
      </div>
      <details class="fnb-ledger" open>
        <summary>Timeline</summary>
        <Timeline state={state} />
      </details>
      {several && (
        <LazyDetails title="Compare" hint="two texts side by side">
          {() => <Compare state={state} />}
        </LazyDetails>
      )}
      <details class="fnb-ledger">
        <summary>
          Ledger <span>{html.caption}</span>
        </summary>
        <Html html={html.ledger ?? ""} class="fnb-piece" />
        <LedgerRemarks state={state} shown={html.ledger} />
      </details>
      <details class="fnb-ledger">
        <summary>
          Prompt <span>as sent</span>
        </summary>
        <pre dir="auto">{revealHidden(state.prompt ?? "")}</pre>
        <p class="fnb-meta">
          run {state.run} · seed {state.seed ?? 0} · {state.when}
        </p>
      </details>
    </>
  );
}

/** A section whose content is created when it is opened, because creating it is slow. */
function LazyDetails({ title, hint, children }: { title: string; hint: string; children: () => ComponentChildren }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="fnb-ledger" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {title} <span>{hint}</span>
      </summary>
      {open && children()}
    </details>
  );
}

function Tools({ store, setMessage }: { store: Store; setMessage: (text: string) => void }) {
  const markdown = async () => {
    const result = await store.request("markdown");
    const copied = !result.error && (await copy(String(result.text)));
    setMessage(result.error ?? (copied ? "Copied as Markdown." : "This front end keeps the clipboard to itself."));
  };
  const frame = async () => {
    const result = await store.request("frame");
    const size = `${result.rows} rows, ${result.columns} columns`;
    setMessage(
      result.error ?? `fusion_nb.load("${store.state.run}").frame() is the DataFrame, and the panel's .frame: ${size}.`,
    );
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
