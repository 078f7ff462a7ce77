// HTML that grows at its end. Unchanged nodes are kept, and with them selection, scroll position and formulas.

/** Number of top-level nodes that are replaced together. */
const NODES_PER_PIECE = 8;

interface Piece {
  source: string;
  nodes: ChildNode[];
}

export class IncrementalHtml {
  #pieces: Piece[] = [];
  readonly #container: Element;
  readonly #render: (source: string) => DocumentFragment;

  constructor(container: Element, render: (source: string) => DocumentFragment) {
    this.#container = container;
    this.#render = render;
    container.replaceChildren();
  }

  update(html: string): void {
    const sources = splitHtml(html);
    let same = 0;
    while (same < sources.length && this.#pieces[same]?.source === sources[same]) same++;
    for (const piece of this.#pieces.splice(same)) for (const node of piece.nodes) node.remove();
    for (const source of sources.slice(same)) {
      const fragment = this.#render(source);
      const nodes = [...fragment.childNodes];
      this.#container.append(fragment);
      this.#pieces.push({ source, nodes });
    }
  }
}

/** Parses in a separate document, where nothing loads or runs. `render` sanitizes each piece afterwards. */
function splitHtml(html: string): string[] {
  const scratch = new DOMParser().parseFromString(html, "text/html");
  const nodes = [...scratch.body.childNodes];
  const sources: string[] = [];
  for (let i = 0; i < nodes.length; i += NODES_PER_PIECE) {
    const box = scratch.createElement("div");
    box.append(...nodes.slice(i, i + NODES_PER_PIECE));
    sources.push(box.innerHTML);
  }
  return sources;
}
