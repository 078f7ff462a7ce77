// Typesets formulas with the front end's own MathJax. Without one, formulas stay as TeX source.

/** The typesetter that JupyterLab and Notebook give to widgets; HTMLMath of ipywidgets uses the same. */
export interface Typesetter {
  typeset(element: HTMLElement): unknown;
}

interface MathJax {
  typesetPromise?: (elements: Element[]) => Promise<unknown>;
}

const typesetters = new WeakMap<Element, Typesetter | undefined>();
let observer: IntersectionObserver | undefined;

/** Typesets formulas when they become visible: MathJax cannot measure elements that are not on the page. */
export function typeset(typesetter: Typesetter | undefined, elements: Iterable<HTMLElement>): void {
  if (!typesetter && !pageMathJax()?.typesetPromise) return;
  observer ??= new IntersectionObserver(onVisible, { rootMargin: "400px" });
  for (const element of elements) {
    typesetters.set(element, typesetter);
    observer.observe(element);
  }
}

const pageMathJax = () => (window as { MathJax?: MathJax }).MathJax;

function onVisible(entries: IntersectionObserverEntry[]): void {
  const visible = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target as HTMLElement);
  for (const element of visible) observer?.unobserve(element);
  if (visible.length) typesetNow(visible);
}

async function typesetNow(elements: HTMLElement[]): Promise<void> {
  const roots = new Set(elements.map((element) => element.getRootNode()));
  try {
    const pending = elements.map((element) => typesetters.get(element)?.typeset(element));
    const rest = elements.filter((element) => !typesetters.get(element));
    if (rest.length) pending.push(pageMathJax()?.typesetPromise?.(rest));
    await Promise.all(pending);
  } catch {
    // A formula that MathJax refuses stays as TeX source.
  }
  for (const root of roots) if (root instanceof ShadowRoot) copyMathStyles(root);
}

const sheets = new WeakMap<ShadowRoot, CSSStyleSheet>();

/** MathJax adds its style rules to the page, where they do not reach into a shadow root: copy them. */
function copyMathStyles(root: ShadowRoot): void {
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
