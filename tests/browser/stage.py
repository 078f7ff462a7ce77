"""The panel on a page of its own: the real bundle and the real renderer, with a test in the kernel's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from fusion_nb.core import RunState
from fusion_nb.views import panel_messages
from tests.browser.conftest import SCREENSHOTS

STATIC = Path(panel_messages.__file__).parents[1] / "static"
AXE = Path(__file__).parents[2] / "js/node_modules/axe-core/axe.min.js"
HANDS = (
    "run",
    "set_key",
    "stop",
    "again",
    "stop_member",
    "retry_member",
    "save_pool",
    "forget_pool",
    "choose",
    "rejudge",
)
MODEL = """async ({ source, values }) => {
  const heard = new Map();
  window.sent = [];
  window.values = values;
  window.fire = (name, ...given) => { for (const f of heard.get(name) ?? []) f(...given); };
  window.count = () => [...heard.values()].reduce((all, set) => all + set.size, 0);
  window.model = {
    get: name => values[name],
    set: (name, value) => { values[name] = value; },
    save_changes: () => {},
    send: content => { window.sent.push(content); },
    on: (name, f) => { if (!heard.has(name)) heard.set(name, new Set()); heard.get(name).add(f); },
    off: (name, f) => { heard.get(name)?.delete(f); },
  };
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  window.widget = (await import(url)).default();
  window.widget.initialize({ model: window.model });
  window.shut = window.widget.render({ model: window.model, el: document.querySelector('main') });
}"""
WIDER = """frame => [...frame.querySelectorAll('*')].filter(e => {
  if (e.closest('pre, .fnb-wide, .fnb-md table, .fnb-aloud, .fnb-lanehead > .fnb-meta, .fnb-difftext, [hidden]')) return false;
  const [box, r] = [frame.getBoundingClientRect(), e.getBoundingClientRect()];
  const clipped = e.closest('.fnb-name, .fnb-choice, .fnb-track, [role=option], select, .fnb-rowname, .fnb-cite');
  return r.width && r.height && !clipped && (r.right > box.right + 1 || r.left < box.left - 1);
}).map(e => e.outerHTML.slice(0, 160))"""
RULES = """async () => {
  const found = await axe.run('main', { resultTypes: ['violations'] });
  return found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.flat().join(' ') + ' ' + n.failureSummary).join(' | ')}`);
}"""


class Stage:
    """One page. `events`: every dialog, request, error and popup on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[str] = []
        page.on("dialog", lambda dialog: (self.events.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: asked.url.startswith("blob:null/") or self.events.append(asked.url))
        page.on("pageerror", lambda error: self.events.append(f"error {error}"))
        page.on("popup", lambda popup: self.events.append(f"popup {popup.url}"))

    def open(self, state: RunState | None = None, *, now: float = 3.0, dark: bool = False, **traits: Any) -> Locator:
        """A workbench that shows `state`; `traits` as a kernel would set them."""
        from fusion_nb.views.widget import View

        theme = "dark" if dark else "light"
        background = "#111" if dark else "#fff"
        self.page.set_content(
            f'<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><title>stage</title>'
            f'<body style="margin:0;background:{background}"><main></main></body></html>'
        )
        form = {"prompt": "Why is the sky blue?", "pool": ["demo"], "mode": "merge", "judge": "", "max_cost": None}
        values = {"kind": "workbench", "busy": False, "advice": {}, "offers": {}, "hears": HANDS, **form, **traits}
        values |= {"sheet": View().sheet, "snapshot": panel_messages.snapshot(state, now) if state else {}}
        source = (STATIC / "panel.js").read_text(encoding="utf-8")
        self.page.evaluate(MODEL, {"source": source, "values": values})
        return self.page.locator(".fnb-live")

    def set(self, **traits: Any) -> None:
        for name, value in traits.items():
            self.page.evaluate("([n, v]) => { values[n] = v; fire(`change:${n}`); }", [name, value])

    def show(self, state: RunState, now: float = 3.0) -> None:
        self.set(snapshot=panel_messages.snapshot(state, now))

    def tell(self, message: dict[str, Any]) -> None:
        self.page.evaluate("message => fire('msg:custom', message)", message)

    def answer(self, **said: Any) -> None:
        """Answer what was asked last."""
        self.tell({"kind": "reply", "id": self.asked()["id"], **said})

    def asked(self) -> dict[str, Any]:
        """The latest message that waits for an answer; a forecast is nobody's wish."""
        wishes = [one for one in self.sent() if "id" in one and one["kind"] != "estimate"]
        return wishes[-1]

    def sent(self) -> list[dict[str, Any]]:
        return list(json.loads(self.page.evaluate("JSON.stringify(sent)")))

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"stage-{name}.png", full_page=True)
