import type { Store } from "../store.ts";
export function Workbench({ store }: { store: Store }) {
  return <p>{store.get<string>("kind")}</p>;
}
