// The page's theme wins over the system's setting, where the page names one.

export function pageColorScheme(): "light" | "dark" | "" {
  const { body, documentElement: html } = document;
  const lab = body.dataset.jpThemeLight;
  if (lab) return lab === "true" ? "light" : "dark";
  if (body.classList.contains("vscode-light") || body.classList.contains("vscode-high-contrast-light")) return "light";
  if (body.classList.contains("vscode-dark") || body.classList.contains("vscode-high-contrast")) return "dark";
  for (const element of [html, body]) {
    const named = element.dataset.theme ?? element.getAttribute("theme") ?? "";
    if (named === "light" || named === "dark") return named;
    if (element.classList.contains("dark")) return "dark";
    if (element.classList.contains("light")) return "light";
  }
  return "";
}

/** Keeps the element's `color-scheme` equal to the page's, and tells it of VS Code. Returns a function that ends it. */
export function followPageTheme(element: HTMLElement): () => void {
  const apply = () => {
    element.style.setProperty("color-scheme", pageColorScheme() || "light dark");
    element.classList.toggle("fnb-vscode", document.body.className.includes("vscode-"));
  };
  apply();
  const observer = new MutationObserver(apply);
  const options = { attributes: true, attributeFilter: ["class", "data-theme", "theme", "data-jp-theme-light"] };
  observer.observe(document.body, options);
  observer.observe(document.documentElement, options);
  return () => observer.disconnect();
}
