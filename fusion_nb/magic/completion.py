"""Tab in a `%fuse` line: options and their values, through IPython's matcher API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

Completions = Callable[[str, str], Iterable[str]]
"""(option, what is typed of its value) -> what could stand there."""

_LINE = re.compile(r"\s*(?:[A-Za-z_]\w*\s*=\s*)?(%%?fuse\w*)\b")
_OPTION_VALUE = re.compile(r"(--?[A-Za-z][\w-]*)(?:\s+|=)([^\s\"']*)$")


def fuse_matcher_for(options: Sequence[str], offers: Completions) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher that speaks only on the line of our magics, and then alone."""

    @context_matcher()
    def fuse_matcher(context: CompletionContext) -> SimpleMatcherResult:
        before = context.line_with_cursor[: context.cursor_position]
        if not (_LINE.match(before)) or (context.full_text.lstrip()[:2] == "%%" and context.cursor_line > 0):
            return SimpleMatcherResult(completions=[], suppress=False)
        typed = re.search(r"\S*$", before)
        word = typed[0] if typed else ""
        if value := _OPTION_VALUE.search(before):
            # A pool is a list: what is already there stays, the part after the last comma is completed.
            fragment = re.split(r"[,]", value[2])[-1]
            found = [o for o in offers(value[1], fragment) if o.startswith(fragment)]
        else:
            fragment = word
            found = [o for o in options if o.startswith(word)] if word.startswith("-") or not word else []
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text=text, type="param") for text in found],
            matched_fragment=fragment,
            suppress=bool(found),
            do_not_suppress=set(),
        )

    return fuse_matcher
