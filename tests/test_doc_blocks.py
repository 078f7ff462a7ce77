"""Every block of code in the README and in docs/ runs, page by page, or says why not; every internal link leads somewhere.

Names of models stand for scripted ones here: `claude` is an alias of this test's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import kernel

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>[^>]+?) -->\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.M)
SHOWN = {"bash", "toml", "text", "json"}
"""Kinds of blocks that are no cells."""
SCRIPTED = {
    "claude": "demo:swift", "gemini": "demo:steady", "gpt4o": "demo:careful", "flash": "demo:swift",
    "haiku": "demo:steady", "gpt-mini": "demo:careful", "opus": "demo:judge", "gpt": "demo:strict",
}  # fmt: skip
SETUP = f"""
import fusion_nb, pandas as pd
%load_ext fusion_nb
%config Fuse.aliases = {SCRIPTED!r}
%config Fuse.judge = "demo:judge"
reviews = pd.DataFrame({{"review": ["It broke.", "Lovely."]}})
questions = ["How many times does the letter r occur in the word strawberry?"]
known = {{questions[0]: "3"}}
qs = pd.DataFrame({{"text": questions, "gold": ["3"]}})
answers = pd.DataFrame({{"prompt": questions * 2, "model": ["a", "b"], "text": ["3", "2"]}})
def my_function(prompt): return prompt.upper()
def is_right(prompt, text): return "3" in text
"""


def blocks(page: Path) -> Iterator[tuple[str | None, str, str]]:
    """Why it is not run, kind and code of each block."""
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield match["why"], match["kind"], match["code"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """In one kernel, in order; what is left out says why."""
    cells = [(why, code) for why, kind, code in blocks(page) if kind not in SHOWN]
    if not any(why is None for why, _ in cells):
        return
    env = {"FUSION_NB_HOME": str(tmp_path / "home"), "FUSION_NB_DEMO_SPEED": "200", "FUSION_NB_UI": "text"}
    with kernel(**env) as held:
        # Files that a page writes stay there.
        assert "Error" not in held.run(f"%cd -q {tmp_path}\n{SETUP}")
        for why, code in cells:
            if why is None:
                told = held.run(code)
                assert not re.search(r"^\w*(Error|Interrupt|Missing|Unknown\w+|RunFailed)\b", told, re.M), (
                    f"{code}\n{told}"
                )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_internal_links_lead_somewhere(page: Path) -> None:
    """Files, and headings of files."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            path, _, heading = target.partition("#")
            file = page.parent / path if path else page
            assert file.exists(), f"{page.name}: {target}"
            titles = (
                [
                    re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
                    for line in file.read_text(encoding="utf-8").splitlines()
                    if line.startswith("#")
                ]
                if heading
                else []
            )
            assert not heading or heading in titles, f"{page.name}: {target}"
