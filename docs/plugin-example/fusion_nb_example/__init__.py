"""What a package can bring to fusion_nb: install it, and its names are known in every notebook."""

from __future__ import annotations

CORP = {"base_url": "http://127.0.0.1:9876/v1", "max_tokens": "max_completion_tokens"}
"""A service: `--pool corp:some-model`. Its fields are those of `%config Fuse.services`."""


def shouting(prompt: str) -> str:
    """A member: `--pool claude,shouting`."""
    return prompt.upper()


def short(text: str) -> bool:
    """A check: `--check short`."""
    return len(text) < 2_000


def longest(prompt: str, candidates: dict[str, str]) -> str:
    """A judge: `--judge longest --mode best-of`. It gets what was asked and the answers by blind label, and gives the
    label of the best, the labels best first, or a number for each."""
    return max(candidates, key=lambda label: len(candidates[label]))
