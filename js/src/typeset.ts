// Formulas by the front end's own MathJax, where it can be reached; else they stay as they were written.

/** What JupyterLab and Notebook give to their widgets; ipywidgets' own HTMLMath uses the same. */
export interface Typesetter {
  typeset(element: HTMLElement): unknown;
}

interface MathJax {
  typesetPromise?: (elements: Element[]) => Promise<unknown>;
}

export async function typeset(typesetter: Typesetter | undefined, elements: HTMLElement[]): Promise<void> {
  const here = elements.filter((element) => element.isConnected);
  const page = (window as { MathJax?: MathJax }).MathJax;
  try {
    if (typesetter) await Promise.all(here.map((element) => typesetter.typeset(element)));
    else if (page?.typesetPromise) await page.typesetPromise(here);
    else return;
  } catch {
    return;
  }
  for (const root of new Set(here.map((element) => element.getRootNode()))) if (root instanceof ShadowRoot) dress(root);
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
