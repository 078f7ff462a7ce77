"""HTML as a reader's program sees it: the tags and attributes that stand in it, and its text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

Tag = tuple[str, tuple[tuple[str, str | None], ...]]


class Page(HTMLParser):
    """`tags` in order, `text` joined; `normal` compares documents the way CommonMark's own test runner does."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[Tag] = []
        self.words: list[str] = []
        self._flow: list[tuple[str, ...]] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def normal(self) -> list[tuple[str, ...]]:
        """Tags without classes, text with blanks folded outside `pre`; `span`s, which say nothing, are left out."""
        out: list[tuple[str, ...]] = []
        in_pre = False
        for item in self._flow:
            in_pre = item[0] == "pre" or (in_pre and item[0] != "/pre")
            folded = item if item[0] != "#" or in_pre else ("#", re.sub(r"\s+", " ", item[1]).strip())
            if folded != ("#", ""):
                out.append(folded)
        return out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))
        if tag != "span":
            self._flow.append((tag, *(f"{k}={v}" for k, v in attrs if k != "class")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag != "span":
            self._flow.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._flow and self._flow[-1][0] == "#":
            data = self._flow.pop()[1] + data
        self._flow.append(("#", data))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("!--", ()))

    def handle_decl(self, decl: str) -> None:
        self.tags.append(("!", ()))

    def handle_pi(self, data: str) -> None:
        self.tags.append(("?", ()))
