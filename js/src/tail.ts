// The end of a text that grows. What arrives is added to what stands there: nothing is written twice or moves.
import { visible } from "./words.ts";

/** Characters that a lane has room for, with some to spare. */
const ROOM = 600;
/** Characters that may stand there before what has left the lane is dropped. */
const MOST = 2400;
/** Characters compared to know a text again. */
const MARK = 24;

export class Tail {
  private readonly node = document.createTextNode("");
  private seen = 0;
  private mark = "";

  /** `box`: what clips it. */
  constructor(
    place: HTMLElement,
    private readonly box: HTMLElement,
  ) {
    place.replaceChildren(this.node);
  }

  show(text: string): void {
    if (text.length === this.seen && text.endsWith(this.mark)) return;
    const grown = text.length > this.seen && text.startsWith(this.mark, this.seen - this.mark.length);
    const from = grown ? this.seen : whole(text, Math.max(0, text.length - ROOM));
    if (!grown) this.node.data = "";
    this.node.appendData(visible(text.slice(from)));
    this.seen = text.length;
    this.mark = text.slice(-MARK);
    if (this.node.length > MOST) this.node.deleteData(0, this.gone());
  }

  /** How much stands above what is seen: whole lines, so that no word moves when they go. */
  private gone(): number {
    const box = this.box.getBoundingClientRect();
    const range = document.createRange();
    if (!box.height || !range.getBoundingClientRect) return whole(this.node.data, this.node.length - ROOM);
    const above = (at: number) => {
      range.setStart(this.node, at);
      range.setEnd(this.node, at + 1);
      return range.getBoundingClientRect().bottom <= box.top;
    };
    let [low, high] = [0, this.node.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (above(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `at`, or the place after it where a character would be cut in two. */
const whole = (text: string, at: number): number => at + Number(/[\udc00-\udfff]/.test(text.charAt(at)));
