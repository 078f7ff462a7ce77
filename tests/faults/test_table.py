"""docs/reliability.md against what the tests before this one have seen: run with them, and after them."""

from __future__ import annotations

import os

import pytest

from tests.faults.matrix import KERNEL
from tests.faults.rows import BY_NAME
from tests.faults.seen import KERNEL as IN_KERNEL
from tests.faults.seen import SERVICES
from tests.faults.table import PAGE, kernel_rows, service_rows, with_part


def agree(part: str, lines: list[str]) -> None:
    """The page holds these rows; with `WRITE_RELIABILITY` set, from now on."""
    text = with_part(PAGE.read_text(encoding="utf-8"), part, lines)
    if os.environ.get("WRITE_RELIABILITY"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


def test_the_page_says_what_services_made_of_it() -> None:
    """Rows 1 to 65 and 90 of docs/reliability.md are what was seen; `nox -s reliability` writes them anew."""
    if set(SERVICES) != set(BY_NAME):
        pytest.skip("only part of the rows of services was played")
    assert {name: len(whats) for name, whats in SERVICES.items()} == dict.fromkeys(BY_NAME, 1)
    agree("services", service_rows({name: next(iter(whats)) for name, whats in SERVICES.items()}))


def test_the_page_says_what_a_kernel_made_of_it() -> None:
    """Rows 65 to 89 of docs/reliability.md are what was seen in a kernel; `nox -s reliability` writes them anew."""
    if set(IN_KERNEL) != set(KERNEL):
        pytest.skip("only part of the rows of the kernel was played")
    agree("kernel", kernel_rows(IN_KERNEL))
