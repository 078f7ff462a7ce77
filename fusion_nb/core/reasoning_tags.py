"""Where a model's thoughts stand in a text that is whole, whatever tags it puts them in. Pure, linear in the text.

Services' replies are sorted while they stream, and only thoughts at their beginning are taken out there. What is to be
believed, such as a verdict, is read without any thought, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

THOUGHT_NAMES = (
    r"(?:[a-z]{1,12}[:_])?(?:think(?:ing)?(?:_process)?|thoughts?|thought_process|reason(?:ing)?(?:_process)?|antthinking"
    r"|(?:inner|internal)_(?:thoughts?|monologue)|monologue|chain_of_thought|cot)"
)
"""Names of tags around thoughts."""
DRAFT_NAMES = r"analysis|reflection|scratch_?pad|deliberation|brainstorm(?:ing)?"
"""Names of tags around thoughts, unless a prompt asks for them: then what stands in them is the answer's."""
_NAME = rf"(?:{THOUGHT_NAMES}|{DRAFT_NAMES})"
_OPENING = (
    rf"<(?:[\w-]{{1,20}}:)?{_NAME}(?:[ \t][^<>\n]{{0,80}})?>"
    r"|\[THINK(?:ING)?\]"
    rf"|<\|(?:begin_of_|start_)?{_NAME}\|>"
    r"|\u25c1think\u25b7"
    r"|<\|channel\|?>(?:analysis|commentary|thought)\b(?:<\|message\|>)?"
)
_CLOSING = (
    rf"</(?:[\w-]{{1,20}}:)?{_NAME}\s{{0,4}}>"
    r"|\[/THINK(?:ING)?\]"
    rf"|<\|(?:end_of_|end_|/){_NAME}\|>"
    r"|\u25c1/think\u25b7"
    r"|<\|channel\|?>final\b(?:<\|message\|>)?|<channel\|>"
)
THOUGHT_TAG = re.compile(rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})", re.IGNORECASE)
"""A tag that begins or ends thoughts: `<think>`, `[/THINK]`, a channel of the harmony format, and their kin."""


def without_thoughts(text: str, quoted: Sequence[tuple[int, int]] = ()) -> str:
    """`text` without what its author only thought.

    A closing tag that nothing opened ends thoughts that began with the text: some servers send no opening tag. What is
    opened and never closed is thought to the end. A tag in backticks, or inside one of the `quoted` spans (sorted, as
    (start, end)), is spoken of and not used.
    """
    parts: list[str] = []
    position = depth = index = 0
    for tag in THOUGHT_TAG.finditer(text):
        while index < len(quoted) and quoted[index][1] <= tag.start():
            index += 1
        inside = index < len(quoted) and quoted[index][0] <= tag.start()
        if inside or text[tag.start() - 1 : tag.start()] == "`" == text[tag.end() : tag.end() + 1]:
            continue
        if tag["opening"]:
            if not depth:
                parts.append(text[position : tag.start()])
            depth = 1
        else:
            # Whatever stood before a closing tag that has no opening one was thought as well.
            parts = parts if depth else []
            depth, position = 0, tag.end()
    if not depth:
        parts.append(text[position:])
    return "\n".join(part for part in parts if part.strip()) if len(parts) != 1 else parts[0]
