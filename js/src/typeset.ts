// Formulas by the front end's own MathJax, where it can be reached; else they stay as they were written.

/** What JupyterLab and Notebook give to their widgets; ipywidgets' own HTMLMath uses the same. */
export interface Typesetter {
  typeset(element: HTMLElement): unknown;
}

interface MathJax {
  typesetPromise?: (elements: Element[]) => Promise<unknown>;
}

const wanted = new WeakMap<Element, Typesetter | undefined>();
let watch: IntersectionObserver | undefined;

/** Sets formulas when they come into sight: before that they may not be on the page, and could not be measured. */
export function typeset(typesetter: Typesetter | undefined, elements: Iterable<HTMLElement>): void {
  if (!typesetter && !page()?.typesetPromise) return;
  watch ??= new IntersectionObserver(seen, { rootMargin: "400px" });
  for (const element of elements) {
    wanted.set(element, typesetter);
    watch.observe(element);
  }
}

const page = () => (window as { MathJax?: MathJax }).MathJax;

function seen(entries: IntersectionObserverEntry[]): void {
  const here = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target as HTMLElement);
  for (const element of here) watch?.unobserve(element);
  if (here.length) set(here);
}

async function set(elements: HTMLElement[]): Promise<void> {
  const roots = new Set(elements.map((element) => element.getRootNode()));
  try {
    const own = elements.map((element) => wanted.get(element)?.typeset(element));
    const rest = elements.filter((element) => !wanted.get(element));
    if (rest.length) own.push(page()?.typesetPromise?.(rest));
    await Promise.all(own);
  } catch {
    // A formula that cannot be set stays as it was written.
  }
  for (const root of roots) if (root instanceof ShadowRoot) dress(root);
}

const sheets = new WeakMap<ShadowRoot, CSSStyleSheet>();

/** MathJax writes its rules into the page, which do not reach into a shadow root: they are copied. Its fonts do. */
function dress(root: ShadowRoot): void {
  const rules = [...document.styleSheets].find(
    (sheet) => (sheet.ownerNode as Element | null)?.id === "MJX-CHTML-styles",
  );
  if (!rules) return;
  const sheet = sheets.get(root) ?? new CSSStyleSheet();
  if (sheet.cssRules.length === rules.cssRules.length) return;
  sheet.replaceSync([...rules.cssRules].map((rule) => rule.cssText).join("\n"));
  if (sheets.has(root)) return;
  sheets.set(root, sheet);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
