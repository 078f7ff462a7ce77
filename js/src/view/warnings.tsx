import { revealHidden } from "../reveal-hidden.ts";
import { colorClass, nameOf, type Reply, type RunState, remarksOf } from "../run.ts";
import { Name } from "./model-name.tsx";

/** What a person should know of a call besides its text. `shown`: HTML next to it; its sentences are not repeated. */
export function Remarks({ reply, shown }: { reply: Reply; shown?: string | undefined }) {
  const remarks = missingFrom(shown, reply);
  if (!remarks.length) return null;
  return (
    <p class="fnb-warn fnb-lines">
      {remarks.map((remark) => (
        <span key={remark} dir="auto">
          ⚠ {remark}
        </span>
      ))}
    </p>
  );
}

/** The remarks of all calls, below the ledger. */
export function LedgerRemarks({ state, shown }: { state: RunState; shown?: string | undefined }) {
  const rows = (state.replies ?? []).flatMap((reply) =>
    missingFrom(shown, reply).map((remark) => ({ reply, name: nameOf(reply.ref), remark })),
  );
  if (!rows.length) return null;
  return (
    <ul class="fnb-notes fnb-remarks">
      {rows.map(({ reply, name, remark }) => (
        <li key={`${reply.call} ${remark}`}>
          ⚠ call {reply.call}, <Name name={name} class={colorClass(state, name)} />: <span dir="auto">{remark}</span>
        </li>
      ))}
    </ul>
  );
}

function missingFrom(html: string | undefined, reply: Reply): string[] {
  const remarks = remarksOf(reply).map((remark) => revealHidden(remark));
  if (!remarks.length || !html) return remarks;
  const text = new DOMParser().parseFromString(html, "text/html").body.textContent ?? "";
  return remarks.filter((remark) => !text.includes(remark));
}
