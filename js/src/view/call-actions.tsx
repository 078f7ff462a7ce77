import { useEffect, useRef, useState } from "preact/hooks";
import { revealHidden } from "../reveal-hidden.ts";
import { hasFailed, nameOf, type Reply } from "../run.ts";
import type { Store } from "../store.ts";
import { useTransient } from "./hooks.ts";
import { HINT_AFTER } from "./stop.tsx";

/** Seconds without an event after which a call may be sent again. */
const SILENT_SECONDS = 10;
const MESSAGE_SECONDS = 10;
const NOT_HEARD =
  "The kernel has not heard of it yet: a cell keeps it busy. The interrupt button (■) ends the whole run at once.";
const IN_PROGRESS_TEXT = { stop_member: "Stopping", retry_member: "Asking" } as const;
type ActionKind = keyof typeof IN_PROGRESS_TEXT;

/** Whether the member of this call can be asked again. */
export const canAskAgain = (reply: Reply): boolean =>
  (hasFailed(reply) || reply.status === "cancelled") && !reply.kept_from;

/** Sends a request about one call. Returns what is pending, what the kernel objects, and how to send. */
function useCallAction(store: Store, reply: Reply): [ActionKind | "", string, (kind: ActionKind) => Promise<void>] {
  const [requested, setRequested] = useState<{ kind: ActionKind; version: string } | undefined>();
  const [message, setMessage] = useTransient(MESSAGE_SECONDS);
  const sent = useRef("");
  // A request is over as soon as the call changes.
  const version = `${reply.call} ${reply.status} ${reply.attempts}`;
  const pending = requested?.version === version ? requested.kind : "";
  const [notHeard, setNotHeard] = useState(false);
  const late = Boolean(pending) && notHeard;
  useEffect(() => {
    if (!late) return;
    const timer = setTimeout(() => setMessage(NOT_HEARD), HINT_AFTER * 1000);
    return () => clearTimeout(timer);
  }, [late]);
  const send = async (kind: ActionKind) => {
    // A second click can arrive before the first one is rendered.
    if (sent.current === version) return;
    sent.current = version;
    setRequested({ kind, version });
    setNotHeard(true);
    setMessage("");
    const result = await store.request(kind, { call: reply.call });
    setNotHeard(false);
    if (!result.error) return;
    sent.current = "";
    setRequested(undefined);
    setMessage(result.error);
  };
  return [pending, message, send];
}

/** Buttons in a lane during a run. `quietFor`: seconds since the call's latest event. */
export function LaneActions({ store, reply, quietFor }: { store: Store; reply: Reply; quietFor: number }) {
  const [pending, message, send] = useCallAction(store, reply);
  const isOpen = reply.status === undefined;
  const offered = { stop_member: isOpen, retry_member: isOpen ? quietFor > SILENT_SECONDS : canAskAgain(reply) };
  const button = (kind: ActionKind, key: string) =>
    offered[kind] && store.supports(kind) ? (
      <CallAction key={key} {...{ kind, pending, send, what: kind === "stop_member" ? "Stop" : "Retry", reply }} />
    ) : null;
  return (
    <>
      {isOpen && button("retry_member", "stuck")}
      {/* One button element for both, so that it keeps the focus when the call ends. */}
      {button(isOpen ? "stop_member" : "retry_member", "act")}
      {message && (
        <p class="fnb-objection fnb-warn" role="alert">
          {revealHidden(message)}
        </p>
      )}
    </>
  );
}

/** Where a silent call keeps the judge waiting: says so, and ends the call so that the run goes on. */
export function GoOnWithout({ store, reply, quietFor }: { store: Store; reply: Reply; quietFor: number }) {
  const [pending, message, send] = useCallAction(store, reply);
  if (!store.state.waiting_on?.includes(reply.call) || reply.status !== undefined) return null;
  return (
    <span class="fnb-waiting">
      <span>
        {pending
          ? "The run goes on without it."
          : message || `No word for ${Math.floor(quietFor)} s; all others are done.`}
      </span>
      {store.supports("stop_member") && (
        <CallAction kind="stop_member" {...{ pending, send, reply }} what="Go on without it" />
      )}
    </span>
  );
}

/** Button in a candidate's tab after the run. */
export function AskAgain({ store, reply }: { store: Store; reply: Reply }) {
  const [pending, message, send] = useCallAction(store, reply);
  if (!canAskAgain(reply) || !store.supports("retry_member")) return null;
  return (
    <>
      <CallAction kind="retry_member" pending={pending} send={send} what="Ask again" reply={reply} />
      {message && (
        <p class="fnb-warn" role="alert">
          {revealHidden(message)}
        </p>
      )}
    </>
  );
}

interface CallActionProps {
  kind: ActionKind;
  pending: ActionKind | "";
  send: (kind: ActionKind) => void;
  what: string;
  reply: Reply;
}

function CallAction({ kind, pending, send, what, reply }: CallActionProps) {
  return (
    <button
      type="button"
      class="fnb-button fnb-wish"
      aria-label={`${what}: ${nameOf(reply.ref)}`}
      aria-disabled={Boolean(pending)}
      onClick={() => send(kind)}
    >
      {pending === kind ? IN_PROGRESS_TEXT[kind] : what}
    </button>
  );
}
