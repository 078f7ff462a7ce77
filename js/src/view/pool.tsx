import { revealHidden } from "../reveal-hidden.ts";
import type { Store } from "../store.ts";
import { EntryList } from "./entry-list.tsx";
import { NamedPools } from "./named-pools.tsx";

export function Pool({ store, resolved }: { store: Store; resolved: string[] }) {
  const pool = store.get<string[]>("pool");
  return (
    <div class="fnb-pool" data-many={pool.length > 1}>
      <EntryList
        store={store}
        entries={pool}
        setEntries={(entries) => store.commit({ pool: entries })}
        label="Pool"
        adder="Add a model to the pool"
        placeholder="Add a model"
        auto={resolved.length ? `auto: ${revealHidden(resolved.join(", "))}` : "auto"}
        members
      />
      <NamedPools store={store} />
    </div>
  );
}
