// Shows the end of a growing text. New characters are appended to one text node, so nothing is rewritten or moved.
import { revealHidden, settledLength } from "./reveal-hidden.ts";

/** Number of characters that fill a lane, with some to spare. */
const SHOWN_CHARACTERS = 600;
/** Number of characters in the node before the lines that scrolled out of the lane are removed. */
const MAX_CHARACTERS = 2400;
/** Number of characters compared to decide whether a text continues the one that is shown. */
const MARK_LENGTH = 24;

export class TextTail {
  readonly #node = document.createTextNode("");
  #shownLength = 0;
  #mark = "";
  readonly #box: HTMLElement;

  /** `box`: the element that clips the text. */
  constructor(container: HTMLElement, box: HTMLElement) {
    this.#box = box;
    container.replaceChildren(this.#node);
  }

  update(text: string): void {
    // What comes next decides whether a joiner at the end belongs to the writing.
    const end = settledLength(text);
    if (end === this.#shownLength && text.startsWith(this.#mark, end - this.#mark.length)) return;
    const continues = end > this.#shownLength && text.startsWith(this.#mark, this.#shownLength - this.#mark.length);
    const from = continues ? this.#shownLength : characterBoundary(text, Math.max(0, end - SHOWN_CHARACTERS));
    if (!continues) this.#node.data = "";
    this.#node.appendData(revealHidden(text, from, end));
    this.#shownLength = end;
    this.#mark = text.slice(Math.max(0, end - MARK_LENGTH), end);
    if (this.#node.length > MAX_CHARACTERS) this.#node.deleteData(0, this.#hiddenAbove());
  }

  /** Number of characters above the visible part. Only whole lines, so that no word moves when they are removed. */
  #hiddenAbove(): number {
    const box = this.#box.getBoundingClientRect();
    const range = document.createRange();
    if (!box.height || !range.getBoundingClientRect)
      return characterBoundary(this.#node.data, this.#node.length - SHOWN_CHARACTERS);
    const above = (at: number) => {
      range.setStart(this.#node, at);
      range.setEnd(this.#node, at + 1);
      return range.getBoundingClientRect().bottom <= box.top;
    };
    let [low, high] = [0, this.#node.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (above(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `at`, or the next position if a surrogate pair would be cut in two. */
const characterBoundary = (text: string, at: number): number => at + Number(/[\udc00-\udfff]/.test(text.charAt(at)));
