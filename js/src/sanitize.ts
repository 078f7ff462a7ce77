// Second line of defence: HTML rendered by Python is sanitized again before it enters the page.
import createPurify from "dompurify";

/** Formulas come from Python as MathML; the same elements and attributes as in `views/mathml.py`. */
const MATH_TAGS =
  "math menclose mfrac mi mn mo mover mpadded mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover";
const MATH_ATTRIBUTES =
  "accent columnalign columnlines columnspacing depth display displaystyle fence form height linethickness lspace mathsize mathvariant maxsize minsize movablelimits notation rowlines rowspacing rspace scriptlevel separator stretchy voffset width";

const OPTIONS = {
  ALLOWED_TAGS:
    `${MATH_TAGS} h1 h2 h3 h4 h5 h6 p br hr strong em s b i code pre blockquote ul ol li a span sup div section details summary table thead tbody tfoot tr th td`.split(
      " ",
    ),
  ALLOWED_ATTR: [
    "href",
    "class",
    "title",
    "start",
    "colspan",
    "style",
    "target",
    "rel",
    "dir",
    "hidden",
    ...MATH_ATTRIBUTES.split(" "),
  ],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ["colspan", "start"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
};

let purify: ReturnType<typeof createPurify> | undefined;

export function sanitize(html: string): DocumentFragment {
  if (!purify) {
    purify = createPurify(window);
    // Bars have a width. No other inline style is allowed.
    purify.addHook("uponSanitizeAttribute", (_, data) => {
      if (data.attrName === "dir" && data.attrValue !== "auto") data.keepAttr = false;
      if (data.attrName === "style" && !/^width:\d+(\.\d+)?%$/.test(data.attrValue)) data.keepAttr = false;
    });
    purify.addHook("afterSanitizeAttributes", (node) => {
      if (node.tagName !== "A") return;
      node.setAttribute("target", "_blank");
      node.setAttribute("rel", "noopener noreferrer nofollow");
      node.setAttribute("referrerpolicy", "no-referrer");
    });
  }
  return purify.sanitize(html, OPTIONS);
}
