"""What Tab shows after `fusion_nb.`: the public face, and nothing else."""

import subprocess
import sys

import fusion_nb


def test_public_names() -> None:
    """The public names are few, sorted, real, and all that `dir()` shows."""
    assert fusion_nb.__all__ == sorted(fusion_nb.__all__)
    assert len(fusion_nb.__all__) <= 27
    assert dir(fusion_nb) == fusion_nb.__all__
    assert all(getattr(fusion_nb, name) is not None for name in fusion_nb.__all__)


def test_import_is_light() -> None:
    """`import fusion_nb` loads none of the heavy packages: a notebook that only might ask pays nothing."""
    code = (
        "import sys, fusion_nb; heavy = {'pandas', 'httpx2', 'IPython', 'genai_prices', 'markdown_it', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
