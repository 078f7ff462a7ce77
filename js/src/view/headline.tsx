import { formatSeconds, totalCost } from "../format.ts";
import { revealHidden } from "../reveal-hidden.ts";
import { isRunning, judges } from "../run.ts";
import type { Store } from "../store.ts";
import { Html } from "./html.tsx";

/** One line: mode, models, judges, time, cost, status; below it who agrees. */
export function Headline({ store, now }: { store: Store; now: number }) {
  const { state, html } = store;
  const demo = [...(state.pool ?? []), ...judges(state)].some((ref) => ref.service === "demo");
  const facts = [
    html.pool,
    html.judges && revealHidden(html.judges),
    html.escalation && revealHidden(html.escalation),
    formatSeconds(isRunning(state) ? Math.floor(now * 10) / 10 : (state.seconds ?? 0)),
    html.total ?? totalCost(state),
  ].filter(Boolean);
  return (
    <p class="fnb-head">
      <strong>{state.then ? `${state.mode}, then ${state.then}` : state.mode}</strong>
      {facts.map((fact) => ` · ${fact}`)}
      {state.status !== "ok" && (
        <>
          {" · "}
          <span class={`fnb-${state.status ?? "running"}`}>{html.status ?? "running"}</span>
        </>
      )}
      {demo && (
        <>
          {" · "}
          <strong class="fnb-demo">DEMO: scripted models, not real answers</strong>
        </>
      )}
      {html.agreement && <Html html={html.agreement} class="fnb-agree" tag="span" />}
    </p>
  );
}

/** Notes that tell what was saved are no warnings. */
const SAVED = /not paid again|nothing (?:was )?paid/i;

export function Notes({ store: { state, html } }: { store: Store }) {
  const notes = [...(state.notes ?? []), ...(html.cascade ? [html.cascade] : [])];
  if (!notes.length) return null;
  return (
    <ul class="fnb-notes">
      {notes.map((note) => (
        <li key={note} class={note === html.cascade || SAVED.test(note) ? "fnb-good" : undefined} dir="auto">
          {revealHidden(note)}
        </li>
      ))}
    </ul>
  );
}
