import { useEffect, useRef } from "preact/hooks";
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
  return (
    <>
      {store.state.run ? <RunProgress store={store} now={now} stop /> : <p class="fnb-meta">Asking …</p>}
      <LiveRegion store={store} />
    </>
  );
}

export function RunProgress({ store, now, stop }: { store: Store; now: number; stop?: boolean }) {
  const { html } = store;
  return (
    <>
      <div class="fnb-top">
        <Headline store={store} now={now} />
        {stop && <Stop store={store} />}
      </div>
      <Notes store={store} />
      <Lanes store={store} now={now} />
      {html.rounds && <Html html={html.rounds} class="fnb-piece" />}
      <section class="fnb-answer fnb-draft">
        <h4 class="fnb-title">Answer</h4>
        {html.draft ? <Html html={html.draft} /> : <p class="fnb-meta">The answer will stand here.</p>}
      </section>
    </>
  );
}

/** Shown between the click on Run and the kernel's first message. */
export function RunPending({ store }: { store: Store }) {
  const { pool = [], judges = [] } = store.get<{ pool?: string[]; judges?: string[] }>("advice") ?? {};
  return (
    <>
      <div class="fnb-top">
        <p class="fnb-head">
          <strong>{store.get<string>("mode")}</strong> · asking …
        </p>
      </div>
      <LanesPlaceholder store={store} names={pool} judges={judges} />
    </>
  );
}

/** The one region of a view that screen readers announce. It stays in place: a new region would not be read. */
export function LiveRegion({ store }: { store: Store }) {
  const phase = announcement(store.state, store.html.status);
  const announced = useRef("");
  useEffect(() => {
    if (phase === announced.current) return;
    announced.current = phase;
    store.announce(phase);
  }, [phase, store]);
  return (
    <p class="fnb-aloud" role="status">
      {store.spoken}
    </p>
  );
}
