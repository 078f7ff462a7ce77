import { useEffect, useRef, useState } from "preact/hooks";
import { failed, nameOf, type Reply } from "../run.ts";
import type { Store } from "../store.ts";
import { useBrief } from "./hooks.ts";
import { PATIENCE } from "./stop.tsx";

/** Seconds without a sign of life after which a call may be sent anew. */
const STUCK = 10;
const SHOWN = 10;
const LATE =
  "The kernel has not heard of it yet: a cell keeps it busy. The interrupt button (■) ends the whole run at once.";
const DOING = { stop_member: "Stopping", retry_member: "Asking" } as const;
type Kind = keyof typeof DOING;

/** Whether asking once more may bring what this call did not. */
export const again = (reply: Reply): boolean => (failed(reply) || reply.status === "cancelled") && !reply.kept_from;

/** Sends a wish about one call: what is under way, and what the kernel says against it. */
function useWish(store: Store, reply: Reply): [Kind | "", string, (kind: Kind) => Promise<void>] {
  const [held, setHeld] = useState<{ kind: Kind; at: string } | undefined>();
  const [said, say] = useBrief(SHOWN);
  const sent = useRef("");
  // What was wished of a call is over as soon as something becomes of it.
  const at = `${reply.call} ${reply.status} ${reply.attempts}`;
  const wish = held?.at === at ? held.kind : "";
  const [unheard, setUnheard] = useState(false);
  const late = Boolean(wish) && unheard;
  useEffect(() => {
    if (!late) return;
    const timer = setTimeout(() => say(LATE), PATIENCE * 1000);
    return () => clearTimeout(timer);
  }, [late]);
  const send = async (kind: Kind) => {
    // A second click comes before the first one is drawn.
    if (sent.current === at) return;
    sent.current = at;
    setHeld({ kind, at });
    setUnheard(true);
    say("");
    const answer = await store.ask(kind, { call: reply.call });
    setUnheard(false);
    if (!answer.error) return;
    sent.current = "";
    setHeld(undefined);
    say(answer.error);
  };
  return [wish, said, send];
}

/** In a lane, while the run goes on. `quiet`: seconds since the call's latest sign of life. */
export function Member({ store, reply, quiet }: { store: Store; reply: Reply; quiet: number }) {
  const [wish, said, send] = useWish(store, reply);
  const on = reply.status === undefined;
  const may = { stop_member: on, retry_member: on ? quiet > STUCK : again(reply) };
  const button = (kind: Kind, key: string) =>
    may[kind] && store.hears(kind) ? (
      <Wish key={key} {...{ kind, wish, send, what: kind === "stop_member" ? "Stop" : "Retry", who: reply }} />
    ) : null;
  return (
    <>
      {on && button("retry_member", "stuck")}
      {/* The same button: it keeps the focus when the call ends. */}
      {button(on ? "stop_member" : "retry_member", "act")}
      {said && (
        <p class="fnb-objection fnb-warn" role="alert">
          {said}
        </p>
      )}
    </>
  );
}

/** Under a candidate's tab, when the run is over. */
export function AskAgain({ store, reply }: { store: Store; reply: Reply }) {
  const [wish, said, send] = useWish(store, reply);
  if (!again(reply) || !store.hears("retry_member")) return null;
  return (
    <>
      <Wish kind="retry_member" wish={wish} send={send} what="Ask again" who={reply} />
      {said && (
        <p class="fnb-warn" role="alert">
          {said}
        </p>
      )}
    </>
  );
}

interface WishProps {
  kind: Kind;
  wish: Kind | "";
  send: (kind: Kind) => void;
  what: string;
  who: Reply;
}

function Wish({ kind, wish, send, what, who }: WishProps) {
  return (
    <button
      type="button"
      class="fnb-button fnb-wish"
      aria-label={`${what}: ${nameOf(who.ref)}`}
      aria-disabled={Boolean(wish)}
      onClick={() => send(kind)}
    >
      {wish === kind ? DOING[kind] : what}
    </button>
  );
}
