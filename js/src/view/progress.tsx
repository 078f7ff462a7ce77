import { announcement } from "../format.ts";
import type { Store } from "../store.ts";
import { Headline, Notes } from "./headline.tsx";
import { useClock, useStore } from "./hooks.ts";
import { Html } from "./html.tsx";
import { Lanes, LanesPlaceholder } from "./lanes.tsx";
import { Stop } from "./stop.tsx";

/** The live view of a cell. When the run ends, the kernel replaces it by static HTML. */
export function LiveRun({ store }: { store: Store }) {
  useStore(store);
  const now = useClock(store);
  if (!store.state.run) return <p class="fnb-meta">Asking …</p>;
  return <RunProgress store={store} now={now} stop />;
}

export function RunProgress({ store, now, stop }: { store: Store; now: number; stop?: boolean }) {
  const { state, html } = store;
  return (
    <>
      <div class="fnb-top">
        <Headline state={state} now={now} />
        {stop && <Stop store={store} />}
      </div>
      <Notes notes={state.notes} />
      <Lanes store={store} now={now} />
      {html.rounds && <Html store={store} html={html.rounds} class="fnb-piece" />}
      <section class="fnb-answer fnb-draft">
        <h4 class="fnb-title">Answer</h4>
        {html.draft ? <Html store={store} html={html.draft} /> : <p class="fnb-meta">The answer will stand here.</p>}
      </section>
      <LiveRegion text={announcement(state)} />
    </>
  );
}

/** Shown between the click on Run and the kernel's first message. */
export function RunPending({ store }: { store: Store }) {
  const { pool = [], judge = "" } = store.get<{ pool?: string[]; judge?: string }>("advice") ?? {};
  return (
    <>
      <div class="fnb-top">
        <p class="fnb-head">
          <strong>{store.get<string>("mode")}</strong> · asking …
        </p>
      </div>
      <LanesPlaceholder store={store} names={pool} judge={judge} />
    </>
  );
}

/** The region that screen readers announce. */
export const LiveRegion = ({ text }: { text: string }) => (
  <p class="fnb-aloud" role="status">
    {text}
  </p>
);
