"""`%fuse_setup`: what stands in this person's IPython profile from now on, so that no notebook has to say it."""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class

from fusion_nb.errors import UserError
from fusion_nb.magic.line_parser import documented
from fusion_nb.options import ROWS, defaults
from fusion_nb.storage.files import replace_file

NAMES = ("fuse", "fuse_panel", "fuse_models", "fuse_runs", "fuse_spend", "fuse_key", "fuse_setup")
"""The magics that are there without `%load_ext`."""
_BEGIN, _END = "# >>> fusion_nb: written by %fuse_setup >>>", "# <<< fusion_nb <<<"
_BLOCK = re.compile(rf"\n*^{re.escape(_BEGIN)}$.*?^{re.escape(_END)}$\n?", re.MULTILINE | re.DOTALL)


@magics_class
class Setup(Magics):
    """Settings that last."""

    @line_magic
    @documented
    def fuse_setup(self, line: str) -> None:
        """Make `%%fuse` known to every notebook of this profile, with the defaults that are set now; asks first.

        %fuse_setup             shows what would be written, and asks
        %fuse_setup --yes       writes it
        %fuse_setup --remove    takes it out again
        """
        if line.strip() not in ("", "--yes", "--remove"):
            raise UserError("%fuse_setup takes nothing, --yes or --remove.")
        path = _profile_file(self.shell)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        rest = _BLOCK.sub("\n", before).strip("\n")
        if line.strip() == "--remove":
            if rest.strip() == before.strip():
                return print(f"There is nothing of fusion_nb in {path}.")
            _write(path, rest + "\n" if rest else "")
            return print(f"Taken out of {path}.")
        block = _block()
        print(f"For {path}:\n\n{block}\n")
        if line.strip() != "--yes" and not _agreed():
            return print("Nothing was written.")
        _write(path, f"{rest}\n\n{block}\n" if rest else f"{block}\n")
        return print(
            "Written. From the next kernel on %%fuse is there without %load_ext; %fuse_setup --remove undoes it."
        )


def _profile_file(shell: Any) -> Path:
    profile = getattr(shell, "profile_dir", None)
    if profile is None:
        raise UserError("This shell has no IPython profile to write to.")
    # A link to where a person keeps such files stays one.
    return Path(profile.location, "ipython_config.py").resolve()


def _block() -> str:
    """The lines to write. Values that are no plain data are left out, and that is said."""
    lines = [
        _BEGIN,
        "c = get_config()  # noqa",
        f"c.MagicsManager.lazy_magics.update(dict.fromkeys({NAMES}, 'fusion_nb'))",
    ]
    for name in ROWS:
        if not ROWS[name].configurable or not defaults().was_set(name) or getattr(defaults(), name) is None:
            continue
        value = getattr(defaults(), name)
        value = str(value) if isinstance(value, Decimal) else value
        written = repr(value)
        try:
            same = ast.literal_eval(written) == value
        except (ValueError, SyntaxError):
            same = False
        lines.append(
            f"c.Fuse.{name} = {written}" if same else f"# Fuse.{name} is no plain value: set it in the notebook."
        )
    return "\n".join([*lines, _END])


def _agreed() -> bool:
    try:
        return input("Write it? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, NotImplementedError, RuntimeError):
        raise UserError("Nobody can be asked here: %fuse_setup --yes writes it.") from None


def _write(path: Path, text: str) -> None:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UserError(
            f"{path} is no Python that can be read ({error}): mend it first. Nothing was written."
        ) from None
    try:
        replace_file(path, text.encode(), durable=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None
