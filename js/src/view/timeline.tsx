import { formatSeconds, turnText } from "../format.ts";
import { revealHidden } from "../reveal-hidden.ts";
import { colorClass, hasFailed, nameOf, type RunState } from "../run.ts";
import { CutText } from "./model-name.tsx";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];

/** A chart of the run: when each call waited and wrote, and when the judge began. */
export function Timeline({ state }: { state: RunState }) {
  const replies = (state.replies ?? []).filter((reply) => !reply.kept_from);
  const ends = replies.map((reply) => (reply.started ?? 0) + (reply.latency ?? 0));
  const duration = Math.max(0.001, state.seconds ?? 0, ...ends);
  const step = STEPS.find((size) => duration / size <= 6) ?? 3600;
  const ticks = Array.from({ length: Math.floor(duration / step) + 1 }, (_, i) => i * step);
  const percent = (value: number) => `${(100 * Math.max(0, value)) / duration}%`;
  const descriptions = replies.map(
    (r, i) => `${nameOf(r.ref)} from ${formatSeconds(r.started ?? 0)} to ${formatSeconds(ends[i])}`,
  );
  return (
    <div class="fnb-timeline" role="img" aria-label={`When each call ran: ${descriptions.join("; ")}.`}>
      {replies.map((reply) => {
        const first = reply.ttft ?? reply.latency ?? 0;
        const color = reply.role === "judge" ? "fnb-m8" : colorClass(state, nameOf(reply.ref));
        return (
          <div key={reply.call} class={`fnb-row ${color}${hasFailed(reply) ? " fnb-rowbad" : ""}`}>
            <span class="fnb-rowname fnb-cut" dir="auto" title={revealHidden(nameOf(reply.ref))}>
              <CutText text={nameOf(reply.ref)} />
              {turnText(state, reply) && ` · ${turnText(state, reply)}`}
            </span>
            <span class="fnb-track">
              {ticks.map((at) => (
                <i key={at} class="fnb-grid" style={{ left: percent(at) }} />
              ))}
              <i class="fnb-wait" style={{ left: percent(reply.started ?? 0), width: percent(first) }} />
              <i
                class="fnb-write"
                style={{
                  left: percent((reply.started ?? 0) + first),
                  width: percent((reply.latency ?? first) - first),
                }}
              />
            </span>
          </div>
        );
      })}
      <div class="fnb-row fnb-axis">
        <span class="fnb-rowname" />
        <span class="fnb-track">
          {ticks.map((at) => (
            <span key={at} style={{ left: percent(at) }}>
              {at ? formatSeconds(at).replace(".0 s", " s") : "0"}
            </span>
          ))}
        </span>
      </div>
      <p class="fnb-meta fnb-legend">
        <i class="fnb-wait" /> waiting for the first text <i class="fnb-write" /> writing
      </p>
    </div>
  );
}
