import { useLayoutEffect, useRef } from "preact/hooks";
import {
  checkMark,
  failedChecks,
  formatCost,
  formatNumber,
  formatSeconds,
  plural,
  replyStatusText,
  tokensPerSecond,
  turnText,
} from "../format.ts";
import { revealHidden } from "../reveal-hidden.ts";
import {
  differs,
  hasFailed,
  isRunning,
  judges,
  nameOf,
  type Ref,
  type Reply,
  type RunState,
  remarksOf,
  suspectSigns,
} from "../run.ts";
import type { Store } from "../store.ts";
import { TextTail } from "../text-tail.ts";
import { GoOnWithout, LaneActions } from "./call-actions.tsx";
import { Name } from "./model-name.tsx";

/** Maximum number of characters of an error message in a lane. */
const REASON_LENGTH = 600;

/**
 * One lane per member and per judge, with fixed height and order so that nothing moves while texts arrive. Those who are
 * asked only where the others differ have theirs from the start.
 */
export function Lanes({ store, now }: { store: Store; now: number }) {
  const { state } = store;
  const latest = new Map((state.replies ?? []).map((r) => [`${r.role ?? "candidate"} ${nameOf(r.ref)}`, r]));
  const joined = new Set((state.pool ?? []).map(nameOf));
  const later = (state.selection?.escalate ?? []).filter((ref) => !joined.has(nameOf(ref)));
  const members = [...(state.pool ?? []), ...later];
  return (
    <ul class="fnb-lanes" data-many={members.length > 4}>
      {members.map((ref, at) => (
        <Lane
          key={nameOf(ref)}
          {...{
            store,
            member: ref,
            now,
            reply: latest.get(`candidate ${nameOf(ref)}`),
            color: `fnb-m${at % 8}`,
          }}
          idle={
            later.includes(ref) ? (state.escalation ? "not asked" : "asked only where the others differ") : "waiting"
          }
        />
      ))}
      {judges(state).map((ref) => (
        <Lane
          key={`judge ${nameOf(ref)}`}
          {...{ store, member: ref, now, reply: latest.get(`judge ${nameOf(ref)}`), color: "fnb-m8" }}
          judge
        />
      ))}
    </ul>
  );
}

/** The same lanes before the kernel has named the members, made from what the form knows. */
export function LanesPlaceholder({ store, names, judges }: { store: Store; names: string[]; judges: string[] }) {
  const lane = (name: string) => ({ store, member: { service: "", model: name, label: name }, now: 0 });
  return (
    <ul class="fnb-lanes" data-many={names.length > 4}>
      {names.map((name, at) => (
        <Lane key={name} {...lane(name)} color={`fnb-m${at % 8}`} />
      ))}
      {judges.map((name) => (
        <Lane key={`judge ${name}`} {...lane(name)} color="fnb-m8" judge />
      ))}
    </ul>
  );
}

interface LaneProps {
  store: Store;
  member: Ref;
  reply?: Reply | undefined;
  now: number;
  color: string;
  judge?: boolean;
  /** What it does before it is asked. */
  idle?: string;
}

function Lane({ store, member, reply, now, color, judge, idle = "waiting" }: LaneProps) {
  const [status, ...facts] = reply ? laneFacts(store, reply, now) : [idle];
  const mark = reply && checkMark(reply);
  const isOpen = reply !== undefined && reply.status === undefined;
  const isBad = reply !== undefined && hasFailed(reply);
  const isSilent = isOpen && !reply.text && !reply.reasoning;
  const quietFor = now - Math.max(reply?.started ?? 0, store.lastSignOfLife.get(reply?.call ?? 0) ?? 0);
  return (
    <li
      class={`fnb-lane ${isOpen ? "fnb-on" : "fnb-off"}${isSilent ? " fnb-silent" : ""} ${color}`}
      data-state={isBad ? "bad" : (reply?.status ?? "on")}
    >
      <div class="fnb-lanehead">
        <p class="fnb-meta">
          <Name name={nameOf(member)} class={color} />
          {judge && <span class="fnb-fig">judge</span>}
          <span class="fnb-fig">{status}</span>
          {mark && <span class={`fnb-fig ${mark.startsWith("✓") ? "fnb-pass" : "fnb-fail"}`}>{mark}</span>}
          {reply && differs(store.state, reply.call) && <span class="fnb-fig fnb-differs">differs</span>}
          {facts.map((fact) => (
            <span class="fnb-fig">{fact}</span>
          ))}
        </p>
        {reply && !judge && isRunning(store.state) && <LaneActions store={store} reply={reply} quietFor={quietFor} />}
      </div>
      <p class={isBad && reply.detail ? "fnb-words fnb-why" : "fnb-words"} dir="auto">
        <span>
          {reply && !judge && <GoOnWithout store={store} reply={reply} quietFor={quietFor} />}
          {reply ? <LaneText store={store} reply={reply} state={store.state} /> : "\u00a0"}
        </span>
      </p>
      {reply && <LaneRemark reply={reply} />}
    </li>
  );
}

/** The warnings of a call that has ended, on one line over the end of its text. */
function LaneRemark({ reply }: { reply: Reply }) {
  const suspect = suspectSigns(reply).length && !reply.remarks?.length ? ["Speaks to the judge."] : [];
  const failed = failedChecks(reply);
  const remarks = [...failed, ...suspect, ...remarksOf(reply)].map((remark) => revealHidden(remark)).join(" ");
  if (!remarks) return null;
  return (
    <p class={`fnb-remark ${failed.length ? "fnb-bad" : "fnb-warn"}`} title={remarks} dir="auto">
      {failed.length ? "" : "⚠ "}
      {remarks}
    </p>
  );
}

function LaneText({ store, reply, state }: { store: Store; reply: Reply; state: RunState }) {
  if (hasFailed(reply) && reply.detail)
    return <span class="fnb-badtext">{revealHidden(reply.detail.slice(0, REASON_LENGTH))}</span>;
  // The judge's answer is shown below the lanes; its verdict is JSON, which is not shown.
  if (reply.role === "judge")
    return <>{reply.status || state.draft_call === reply.call ? "" : "Comparing the candidates, blind."}</>;
  const thinks = !reply.text && Boolean(reply.reasoning);
  const channel = thinks ? "reasoning" : "text";
  return (
    <GrowingText key={`${state.run} ${reply.call} ${channel}`} store={store} call={reply.call} channel={channel} />
  );
}

/** A growing text. It updates itself ten times a second without a redraw of the rest. */
function GrowingText({ store, call, channel }: { store: Store; call: number; channel: "text" | "reasoning" }) {
  const container = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    if (!container.current) return;
    const tail = new TextTail(
      container.current,
      container.current.closest<HTMLElement>(".fnb-words") ?? container.current,
    );
    const update = () => tail.update(store.state.replies?.[call - 1]?.[channel] ?? "");
    update();
    return store.subscribeTexts(update);
  }, [store, call, channel]);
  return channel === "reasoning" ? <em ref={container} /> : <span ref={container} />;
}

function laneFacts(store: Store, reply: Reply, now: number): string[] {
  const ended = reply.status !== undefined;
  const elapsed = reply.latency ?? (ended ? undefined : Math.max(0, now - (reply.started ?? 0)));
  const first = reply.ttft ?? store.firstText.get(reply.call);
  const tokens = reply.usage?.completion;
  const size = tokens !== undefined ? `${formatNumber(tokens)} tokens` : plural((reply.text ?? "").length, "character");
  const rate = tokensPerSecond(reply);
  const turn = turnText(store.state, reply);
  const again = (reply.attempts ?? 1) > 1 && !ended ? `, attempt ${reply.attempts}` : "";
  return [
    (turn && `${turn}, `) + replyStatusText(reply, store.state) + again,
    elapsed === undefined ? "" : formatSeconds(ended ? elapsed : Math.floor(elapsed * 10) / 10),
    reply.cost === undefined ? "" : formatCost(reply.cost),
    rate === undefined ? (reply.text ? size : "") : `${formatNumber(rate)} tokens/s`,
    first === undefined ? "" : `first text ${formatSeconds(first)}`,
    reply.provider ? `via ${revealHidden(reply.provider)}` : "",
  ].filter(Boolean);
}
