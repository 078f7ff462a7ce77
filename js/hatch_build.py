"""Builds the panel where it is missing or older than its sources, so that `pip install .` and the wheel carry it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PanelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs npm in `js/`; the sdist carries what was built, so whoever installs from it needs no Node."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        built = [root / "fusion_nb/static" / name for name in ("panel.js", "panel.css")]
        sources = [root / "js/package-lock.json", root / "js/build.mjs", *(root / "js/src").rglob("*.ts*")]
        sources += [*(root / "js/src").rglob("*.css"), *(root / "js/src").rglob("*.json")]
        newest = max((path.stat().st_mtime for path in sources if path.is_file()), default=0.0)
        if all(path.is_file() and path.stat().st_mtime >= newest for path in built):
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning("The panel is not built: it takes Node.js 20 or newer. All else works without it.")
            return
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=root / "js", check=True)  # noqa: S603  our own script
