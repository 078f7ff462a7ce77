// Where the page's theme is known it decides, not the system's setting.

export function scheme(): "light" | "dark" | "" {
  const { body, documentElement: html } = document;
  const lab = body.dataset.jpThemeLight;
  if (lab) return lab === "true" ? "light" : "dark";
  if (body.classList.contains("vscode-light") || body.classList.contains("vscode-high-contrast-light")) return "light";
  if (body.classList.contains("vscode-dark") || body.classList.contains("vscode-high-contrast")) return "dark";
  for (const element of [html, body]) {
    const said = element.dataset.theme ?? element.getAttribute("theme") ?? "";
    if (said === "light" || said === "dark") return said;
    if (element.classList.contains("dark")) return "dark";
    if (element.classList.contains("light")) return "light";
  }
  return "";
}

/** Keeps the element in the page's scheme; returns how to end that. */
export function follow(element: HTMLElement): () => void {
  const apply = () => element.style.setProperty("color-scheme", scheme() || "light dark");
  apply();
  const observer = new MutationObserver(apply);
  const options = { attributes: true, attributeFilter: ["class", "data-theme", "theme", "data-jp-theme-light"] };
  observer.observe(document.body, options);
  observer.observe(document.documentElement, options);
  return () => observer.disconnect();
}
