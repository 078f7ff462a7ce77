import { formatSeconds, poolText, runStatusText, totalCost } from "../format.ts";
import { revealHidden } from "../reveal-hidden.ts";
import { isRunning, nameOf, type RunState } from "../run.ts";

interface Props {
  state: RunState;
  now: number;
  cost?: string;
  pool?: string | undefined;
}

/** One line: mode, models, judge, time, cost, status. */
export function Headline({ state, now, cost, pool }: Props) {
  const demo = [...(state.pool ?? []), ...(state.judge ? [state.judge] : [])].some((ref) => ref.service === "demo");
  const facts = [
    pool ?? poolText(state),
    state.judge && `judge ${revealHidden(nameOf(state.judge))}`,
    formatSeconds(isRunning(state) ? Math.floor(now * 10) / 10 : (state.seconds ?? 0)),
    cost ?? totalCost(state),
  ].filter(Boolean);
  return (
    <p class="fnb-head">
      <strong>{state.then ? `${state.mode}, then ${state.then}` : state.mode}</strong>
      {facts.map((fact) => ` · ${fact}`)}
      {state.status !== "ok" && (
        <>
          {" · "}
          <span class={`fnb-${state.status ?? "running"}`}>{runStatusText(state)}</span>
        </>
      )}
      {demo && (
        <>
          {" · "}
          <strong class="fnb-demo">DEMO: scripted models, not real answers</strong>
        </>
      )}
    </p>
  );
}

/** Notes that tell what was saved are no warnings. */
const SAVED = /not paid again|nothing (?:was )?paid/i;

export function Notes({ notes }: { notes?: string[] | undefined }) {
  if (!notes?.length) return null;
  return (
    <ul class="fnb-notes">
      {notes.map((note) => (
        <li key={note} class={SAVED.test(note) ? "fnb-good" : undefined} dir="auto">
          {revealHidden(note)}
        </li>
      ))}
    </ul>
  );
}
