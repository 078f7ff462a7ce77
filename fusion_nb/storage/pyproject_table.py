"""What a project says of itself: a table of the nearest `pyproject.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fusion_nb.storage.files import folders_upwards, read_trusted

_MAX_FILE = 1024 * 1024
_read: dict[Path, tuple[bytes, dict[str, Any]]] = {}


def project_table(name: str) -> tuple[Path, dict[str, Any]] | None:
    """The file and its table `[tool.NAME]`, walking up from the working folder; `None` where no file has one.

    A file that is no TOML has none, as one that others may have written.
    """
    for folder in folders_upwards():
        path = folder / "pyproject.toml"
        contents = read_trusted(path, _MAX_FILE)
        if contents is None:
            continue
        if path not in _read or _read[path][0] != contents:
            _read[path] = contents, _tools(contents)
        table = _read[path][1].get(name)
        if isinstance(table, dict):
            return path, table
    return None


def _tools(contents: bytes) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  most folders have no such file

    try:
        tools = tomllib.loads(contents.decode("utf-8", "replace")).get("tool", {})
    except tomllib.TOMLDecodeError:
        return {}
    return tools if isinstance(tools, dict) else {}
