"""Build the documentation site: `nox -s docs`. Warnings are errors, and internal links are checked.

The pages are `docs/*.md`, the executed notebooks, and a reference made from docstrings and the table of options.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from fusion_nb.core.option_definition import LINE
from fusion_nb.magic.line_parser import OPTION_GROUPS
from fusion_nb.options import TABLE

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "site-pages"
SITE = ROOT / "build" / "site"
TOP_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
"""Pages of the project's root, under the names they have on the site."""
REFERENCE = {
    "Asking": ("fuse", "afuse", "stream", "estimate", "fuse_frame", "Member"),
    "Results": ("FusionResult", "Run", "last", "load", "runs", "history"),
    "Going on": ("rejudge", "add", "retry", "resume", "choose"),
    "Measuring": ("evaluate", "calibrate", "worth"),
    "Money and models": ("spending", "models", "defaults"),
    "The panel": ("Panel",),
    "Errors": ("FusionError", "UserError", "RunFailed"),
}
HISTORY = ("delete", "purge_before", "export", "import_runs")
"""What else `fusion_nb.history` has."""
NAVIGATION = {
    "Tutorial": [f"tutorial/{notebook.stem}" for notebook in sorted((ROOT / "notebooks").glob("*.ipynb"))],
    "How to": [
        "keys", "local-models", "money", "functions", "selecting", "tables", "evaluating", "calibrating", "front-ends",
        "plugins",
    ],
    "Reference": ["options", "api", "results", "changelog"],
    "Explanation": [
        "architecture", "judging", "reliability", "model-text", "security", "contributing", "code_of_conduct",
    ],
    "Gallery": ["gallery"],
}  # fmt: skip
"""The pages in order; Sphinx warns of one that is missing here."""


def main(arguments: list[str]) -> None:
    shutil.rmtree(PAGES.parent, ignore_errors=True)
    if "--pictures" in arguments:
        take_pictures()
    PAGES.mkdir(parents=True)
    for source in sorted((ROOT / "docs").glob("*.md")):
        (PAGES / source.name).write_text(on_site(source.read_text(encoding="utf-8")), encoding="utf-8")
    for name in TOP_PAGES:
        (PAGES / name.lower()).write_text(on_site((ROOT / name).read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "quickstart.png", PAGES)
    shutil.copytree(ROOT / "docs" / "pictures", PAGES / "pictures")
    shutil.copytree(ROOT / "notebooks", PAGES / "tutorial", ignore=shutil.ignore_patterns(".*"))
    (PAGES / "options.md").write_text(options_page(), encoding="utf-8")
    (PAGES / "api.md").write_text(api_page(), encoding="utf-8")
    with (PAGES / "index.md").open("a", encoding="utf-8") as index:
        index.write("".join(map(navigation, NAVIGATION)))
    shutil.copytree(ROOT / "docs" / "site", PAGES, dirs_exist_ok=True)
    strict = ["-W", "--keep-going", "-q", "-b", "html"]
    subprocess.run([sys.executable, "-m", "sphinx", *strict, str(PAGES), str(SITE)], check=True)  # noqa: S603
    print(f"The site is in {SITE.relative_to(ROOT)}: open index.html.")


def on_site(text: str) -> str:
    """A page with its links as they are on the site, where everything lies in one folder."""
    text = re.sub(r"\]\(\.\./README\.md", "](index.md", text)
    text = re.sub(r"\]\((?:\.\./)?([A-Z_]+\.md)", lambda link: f"]({link[1].lower()}", text)
    # What the tests alone read.
    return re.sub(r"<!-- not run: .*? -->\n", "", text.replace("](docs/", "]("))


def navigation(title: str) -> str:
    """A part of the table of contents."""
    pages = "\n".join(NAVIGATION[title])
    return f"\n```{{toctree}}\n:caption: {title}\n:hidden:\n\n{pages}\n```\n"


def options_page() -> str:
    """Every option: a group as the manual of `%%fuse` has it, a row an option."""
    lines = ["# Options\n", "One table is behind every door; `%%fuse?` and `fuse?` show the same.\n"]
    head = "| option | on a line | default | what it does |\n|---|---|---|---|"
    for row in TABLE:
        if row.name in OPTION_GROUPS:
            title = OPTION_GROUPS[row.name]
            lines += [f"\n## {title[:1].upper()}{title[1:]}\n", head]
        name = f"`{row.name}`" if row.calls != (LINE,) else "·"
        also = "" if row.configurable else " ¹"
        flags = ", ".join(f"`{flag}`" for flag in row.flags) or "·"
        default = "·" if row.default in (None, (), False) else f"`{row.default}`"
        about = row.help.replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| {name}{also} | {flags} | {default} | {about} |")
    lines.append("\n¹ given with the call alone; all others are `%config Fuse` and `fusion_nb.defaults` too.")
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """The public names in groups, from their docstrings."""
    import fusion_nb  # noqa: PLC0415

    known = {name for names in REFERENCE.values() for name in names}
    if missing := set(fusion_nb.__all__) - known:
        raise SystemExit(f"docs/build_site.py: the reference has no place for {', '.join(sorted(missing))}.")
    lines = ["# Python reference\n", "Everything is imported from `fusion_nb` itself."]
    for title, names in REFERENCE.items():
        lines.append(f"\n## {title}\n\n```{{eval-rst}}\n.. py:currentmodule:: fusion_nb\n")
        lines += [directive(name, getattr(fusion_nb, name)) for name in names]
        lines.append("```")
    return "\n".join(lines)


def directive(name: str, value: object) -> str:
    """What Sphinx is told of a public name."""
    if name == "defaults":
        return ".. py:data:: defaults\n\n   The object behind `%config Fuse`: one attribute an option.\n"
    if name == "history":
        return "\n".join(f".. autofunction:: fusion_nb.history.{each}\n" for each in HISTORY)
    if not isinstance(value, type):
        return f".. autofunction:: {name}\n"
    return f".. autoclass:: {name}\n   :members:\n"


def take_pictures() -> None:
    """The gallery's pictures anew from `screenshots/`, which the browser tests fill."""
    for picture in (ROOT / "docs" / "pictures").glob("*.png"):
        shutil.copy(ROOT / "screenshots" / picture.name, picture)


if __name__ == "__main__":
    main(sys.argv[1:])
