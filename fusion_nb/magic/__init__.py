"""The notebook's door: `%%fuse` and its family. The only room that imports IPython."""

from __future__ import annotations

from fusion_nb.magic.fuse import FuseMagics, load, unload

__all__ = ["FuseMagics", "load", "unload"]
