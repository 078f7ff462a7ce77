"""The fuzz of what shows hostile text: whatever comes, it is shown, and does nothing."""

from __future__ import annotations

import random
import re

from markdown_it import MarkdownIt

from fusion_nb.views import escape, markdown_to_html, spreadsheet_files
from fusion_nb.views.markdown_escape import embed_markdown
from fusion_nb.views.markdown_to_html import render_markdown
from tests.attacks import WRITTEN
from tests.test_accessor import acts
from tests.test_embedded import acting, worst
from tests.test_markdown import strangers

_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def views(data: bytes, rng: random.Random) -> None:
    """HTML of known tags, Markdown that no reader takes for HTML, text that no terminal obeys, cells that are no formula."""
    text = data.decode("utf-8", "surrogateescape")
    places = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(4)))
    for shown in (render_markdown(text, places), markdown_to_html.render_inline(text)):
        assert not list(strangers(shown)), list(strangers(shown))
        shown.encode()
    said = embed_markdown(text)
    assert not worst(said), worst(said)
    assert not acting(_READER.render(said)), acting(_READER.render(said))
    for made in (escape.safe_text(text), escape.safe_line(text), escape.safe_cell(text), said):
        assert not _ACTING.search(made)
    assert not acts(spreadsheet_files.csv_text(text))


SEEDS = [attack.encode() for attack in WRITTEN if len(attack) < 300]
MARKUP = [
    b"```", b"~~~", b"`", b"$$", b"\\(", b"\\[", b"![", b"](", b"]: ", b"> ", b"- ", b"1. ", b"    ", b"|", b"|-|", b"<b>", b"<img src=x onerror=y>",
    b"<pre><code>", b"</code></pre>", b"&lt;", b"&#x6a;", b"javascript:", b"https://a.b/", b"\xe2\x80\xae", b"\xf3\xb0\x80\x80", b"\xe2\xb8\xa8", b"=", b"@",
]  # fmt: skip
