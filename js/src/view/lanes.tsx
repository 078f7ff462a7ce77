import { useLayoutEffect, useRef } from "preact/hooks";
import { failed, hue, nameOf, type Ref, type Reply, type RunState, running } from "../run.ts";
import type { Store } from "../store.ts";
import { Tail } from "../tail.ts";
import { money, number, plural, replyStatus, seconds, speed, visible } from "../words.ts";
import { Member } from "./member.tsx";

/** Characters of a failure's reason that are shown in a lane. */
const REASON = 600;

/** One lane per member and one for the judge, of fixed height and order: nothing jumps while texts arrive. */
export function Lanes({ store, now }: { store: Store; now: number }) {
  const { state } = store;
  const latest = new Map((state.replies ?? []).map((r) => [`${r.role ?? "candidate"} ${nameOf(r.ref)}`, r]));
  const pool = state.pool ?? [];
  return (
    <ul class="fnb-lanes" data-many={pool.length > 4}>
      {pool.map((ref) => (
        <Lane
          key={nameOf(ref)}
          {...{ store, ref_: ref, now, reply: latest.get(`candidate ${nameOf(ref)}`), color: hue(state, nameOf(ref)) }}
        />
      ))}
      {state.judge && (
        <Lane
          key="judge"
          {...{ store, ref_: state.judge, now, reply: latest.get(`judge ${nameOf(state.judge)}`), color: "fnb-m8" }}
          judge
        />
      )}
    </ul>
  );
}

/** The same lanes before the kernel has said who is asked: at once, with what the form knows. */
export function Soon({ store, names, judge }: { store: Store; names: string[]; judge: string }) {
  const lane = (name: string) => ({ store, ref_: { service: "", model: name, label: name }, now: 0 });
  return (
    <ul class="fnb-lanes" data-many={names.length > 4}>
      {names.map((name, at) => (
        <Lane key={name} {...lane(name)} color={`fnb-m${at % 8}`} />
      ))}
      {judge && <Lane key="judge" {...lane(judge)} color="fnb-m8" judge />}
    </ul>
  );
}

interface LaneProps {
  store: Store;
  ref_: Ref;
  reply?: Reply | undefined;
  now: number;
  color: string;
  judge?: boolean;
}

function Lane({ store, ref_, reply, now, color, judge }: LaneProps) {
  const facts = reply ? figures(store, reply, now) : ["waiting"];
  const on = reply !== undefined && reply.status === undefined;
  const bad = reply !== undefined && failed(reply);
  const silent = on && !reply.text && !reply.reasoning;
  const quiet = now - Math.max(reply?.started ?? 0, store.heard.get(reply?.call ?? 0) ?? 0);
  return (
    <li
      class={`fnb-lane ${on ? "fnb-on" : "fnb-off"}${silent ? " fnb-silent" : ""} ${color}`}
      data-state={bad ? "bad" : (reply?.status ?? "on")}
    >
      <div class="fnb-lanehead">
        <p class="fnb-meta">
          <b class={`fnb-name ${color}`} title={nameOf(ref_)}>
            {nameOf(ref_)}
          </b>
          {judge && <span class="fnb-fig">judge</span>}
          {facts.map((fact) => (
            <span class="fnb-fig">{fact}</span>
          ))}
        </p>
        {reply && !judge && running(store.state) && <Member store={store} reply={reply} quiet={quiet} />}
      </div>
      <p class={bad && reply.detail ? "fnb-words fnb-why" : "fnb-words"}>
        <span>{reply ? <Words store={store} reply={reply} state={store.state} /> : "\u00a0"}</span>
      </p>
    </li>
  );
}

function Words({ store, reply, state }: { store: Store; reply: Reply; state: RunState }) {
  if (failed(reply) && reply.detail) return <span class="fnb-badtext">{visible(reply.detail.slice(0, REASON))}</span>;
  // A judge's answer stands below; before it comes a verdict in JSON, which is for machines.
  if (reply.role === "judge") return <>{state.draft ? "" : reply.status ? "" : "Comparing the candidates, blind."}</>;
  const thinks = !reply.text && Boolean(reply.reasoning);
  const of = thinks ? "reasoning" : "text";
  return <Growing key={`${state.run} ${reply.call} ${of}`} store={store} call={reply.call} of={of} />;
}

/** A text under way. It grows by itself, ten times a second, without the rest being drawn anew. */
function Growing({ store, call, of }: { store: Store; call: number; of: "text" | "reasoning" }) {
  const place = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    if (!place.current) return;
    const tail = new Tail(place.current, place.current.closest<HTMLElement>(".fnb-words") ?? place.current);
    const grow = () => tail.show(store.state.replies?.[call - 1]?.[of] ?? "");
    grow();
    return store.follow(grow);
  }, [store, call, of]);
  return of === "reasoning" ? <em ref={place} /> : <span ref={place} />;
}

function figures(store: Store, reply: Reply, now: number): string[] {
  const ended = reply.status !== undefined;
  const took = reply.latency ?? (ended ? undefined : Math.max(0, now - (reply.started ?? 0)));
  const first = reply.ttft ?? store.first.get(reply.call);
  const tokens = reply.usage?.completion;
  const size = tokens !== undefined ? `${number(tokens)} tokens` : plural((reply.text ?? "").length, "character");
  const rate = speed(reply);
  const turn = reply.round && reply.role !== "judge" ? `round ${reply.round}, ` : "";
  const again = (reply.attempts ?? 1) > 1 && !ended ? `, attempt ${reply.attempts}` : "";
  return [
    turn + replyStatus(reply, store.state.draft) + again,
    took === undefined ? "" : seconds(ended ? took : Math.floor(took * 10) / 10),
    reply.cost === undefined ? "" : money(reply.cost),
    rate === undefined ? (reply.text ? size : "") : `${number(rate)} tokens/s`,
    first === undefined ? "" : `first text ${seconds(first)}`,
  ].filter(Boolean);
}
