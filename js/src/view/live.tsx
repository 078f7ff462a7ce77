import type { Store } from "../store.ts";
import { phase } from "../words.ts";
import { Head, Notes } from "./head.tsx";
import { useClock, useStore } from "./hooks.ts";
import { Html } from "./html.tsx";
import { Lanes, Soon } from "./lanes.tsx";
import { Stop } from "./stop.tsx";

/** A run under way. At its end the kernel puts the static view in this place. */
export function Live({ store }: { store: Store }) {
  useStore(store);
  const now = useClock(store);
  if (!store.state.run) return <p class="fnb-meta">Asking …</p>;
  return <Running store={store} now={now} stop />;
}

export function Running({ store, now, stop }: { store: Store; now: number; stop?: boolean }) {
  const { state, html } = store;
  return (
    <>
      <div class="fnb-top">
        <Head state={state} now={now} />
        {stop && <Stop store={store} />}
      </div>
      <Notes notes={state.notes} />
      <Lanes store={store} now={now} />
      {html.rounds && <Html store={store} html={html.rounds} class="fnb-piece" />}
      <section class="fnb-answer fnb-draft">
        <h4 class="fnb-title">Answer</h4>
        {html.draft ? <Html store={store} html={html.draft} /> : <p class="fnb-meta">The answer will stand here.</p>}
      </section>
      <Aloud text={phase(state)} />
    </>
  );
}

/** Between Run and the first word of the kernel: what will be seen, in its place. */
export function Asking({ store }: { store: Store }) {
  const { pool = [], judge = "" } = store.get<{ pool?: string[]; judge?: string }>("advice") ?? {};
  return (
    <>
      <div class="fnb-top">
        <p class="fnb-head">
          <strong>{store.get<string>("mode")}</strong> · asking …
        </p>
      </div>
      <Soon store={store} names={pool} judge={judge} />
    </>
  );
}

/** For people who listen. */
export const Aloud = ({ text }: { text: string }) => (
  <p class="fnb-aloud" role="status">
    {text}
  </p>
);
