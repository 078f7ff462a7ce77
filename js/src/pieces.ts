// HTML that grows at its end: what is the same stays as it stands, selection, scroll and formulas with it.

/** Top-level nodes that are drawn together. */
const TOGETHER = 8;

interface Piece {
  source: string;
  nodes: ChildNode[];
}

export class Pieces {
  private held: Piece[] = [];

  constructor(
    private readonly place: Element,
    private readonly dress: (source: string) => DocumentFragment,
  ) {
    place.replaceChildren();
  }

  show(html: string): void {
    const sources = parted(html);
    let same = 0;
    while (same < sources.length && this.held[same]?.source === sources[same]) same++;
    for (const piece of this.held.splice(same)) for (const node of piece.nodes) node.remove();
    for (const source of sources.slice(same)) {
      const fragment = this.dress(source);
      const nodes = [...fragment.childNodes];
      this.place.append(fragment);
      this.held.push({ source, nodes });
    }
  }
}

/** Parsed in a document of its own, where nothing loads or runs; what is drawn is cleaned after this. */
function parted(html: string): string[] {
  const aside = new DOMParser().parseFromString(html, "text/html");
  const nodes = [...aside.body.childNodes];
  const sources: string[] = [];
  for (let i = 0; i < nodes.length; i += TOGETHER) {
    const box = aside.createElement("div");
    box.append(...nodes.slice(i, i + TOGETHER));
    sources.push(box.innerHTML);
  }
  return sources;
}
