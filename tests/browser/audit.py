"""What stands on a page that nobody allowed, and whatever happens on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from playwright.sync_api import Page

from tests.test_html import ATTRIBUTES, TAGS

_SCRIPT = r"""
([tags, attributes, whole]) => {
  const strange = [];
  const ours = e => e.closest('.fusion-nb');
  const fits = (e, {name, value}) => {
    if (!attributes.includes(name)) return false;
    if (name === 'class') return value.split(/\s+/).every(c => !c ||
      /^(fusion-nb|fnb-[a-z0-9]+|mathjax_(ignore|process)|tex2jax_(ignore|process)|jp-toc-ignore)$/.test(c));
    if (name === 'style') return /^width: ?[\d.]+%;?$/.test(value);
    if (name === 'href') return e.localName === 'a' && /^(https?|mailto):$/.test(e.protocol);
    // JupyterLab writes its own over ours.
    if (name === 'rel') return e.localName === 'a' && (value === 'noopener noreferrer nofollow' || (!whole && value === 'noopener'));
    if (name === 'referrerpolicy') return e.localName === 'a' && value === 'no-referrer';
    if (name === 'target') return e.localName === 'a' && value === '_blank';
    if (name === 'title') return ['sup', 'span', 'b'].includes(e.localName);
    if (name === 'dir') return ['auto', 'ltr', 'rtl'].includes(value);
    if (name === 'name') return e.localName === 'details' && value.startsWith('fnb-');
    return true;
  };
  for (const e of document.querySelectorAll('*')) {
    const acts = e.localName === 'script' || e.localName === 'iframe' || [...e.attributes].some(a => /^on|commandlinker/i.test(a.name))
      || (e.localName === 'a' && /^(javascript|data|vbscript|blob):/.test(e.protocol));
    if (acts && (whole || e.closest('.jp-OutputArea'))) strange.push('acts: ' + e.outerHTML.slice(0, 200));
    // A formula that a front end has set.
    if (e.closest('mjx-container, .MathJax, .MathJax_Preview')) continue;
    if (!ours(e)) {
      const frame = ['html', 'head', 'meta', 'body', 'style', 'hr', 'title'];
      if (whole && !frame.includes(e.localName)) strange.push('outside: ' + e.outerHTML.slice(0, 200));
      continue;
    }
    const formula = e.closest('math') && e.closest('.fnb-mathml');
    if (e.namespaceURI !== (formula ? 'http://www.w3.org/1998/Math/MathML' : 'http://www.w3.org/1999/xhtml') || !tags.includes(e.localName)) strange.push(e.outerHTML.slice(0, 200));
    if (e.localName === 'a' && e.hasAttribute('href') && !(e.rel && e.target)) strange.push(e.outerHTML.slice(0, 200));
    for (const a of e.attributes) if (!fits(e, a)) strange.push(`<${e.localName} ${a.name}=${a.value.slice(0, 100)}>`);
  }
  return strange;
}
"""


class Watch:
    """A page that notes every dialog, request, error, download and window; `mine` says which requests are expected."""

    def __init__(self, page: Page, mine: Callable[[str], bool] = lambda url: False) -> None:
        self.page = page
        self.events: list[str] = []
        self.asked: list[str] = []
        page.on("dialog", lambda dialog: (self.events.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.events.append(f"error {error}"))
        page.on("popup", lambda popup: self.events.append(f"popup {popup.url}"))
        page.on("download", lambda download: self.events.append(f"download {download.url}"))
        page.on("framenavigated", lambda frame: self._went(frame.url, mine))

        def route(route: Any) -> None:
            url = route.request.url
            self.asked.append(url)
            if mine(url):
                route.continue_()
            else:
                self.events.append(f"request {url}")
                route.abort()

        page.route("**/*", route)

    def _went(self, url: str, mine: Callable[[str], bool]) -> None:
        if url != "about:blank" and not mine(url):
            self.events.append(f"navigation {url}")

    def show(self, parts: Iterable[str]) -> None:
        self.page.set_content(
            f"<!doctype html><meta charset=utf-8><title>x</title>{'<hr>'.join(parts)}",
            wait_until="load",
            timeout=180_000,
        )

    def strangers(self, *, whole: bool = True) -> list[str]:
        """Elements and attributes of our views that are not on the list; with `whole`, also any element outside them.

        Without: also what acts in the outputs of a notebook.
        """
        found: list[str] = self.page.evaluate(_SCRIPT, [sorted(TAGS), sorted(ATTRIBUTES), whole])
        return found
