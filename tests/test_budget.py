"""The cap holds, whatever races for it."""

import threading
from decimal import Decimal

from fusion_nb.accounts.budget import Budget, worst_case
from fusion_nb.core import Message


def test_the_cap_holds_under_a_race() -> None:
    """64 threads reserving at once never hold more than the cap, and none is denied while there is room."""
    budget, granted = Budget(Decimal("1.00")), []

    def race() -> None:
        granted.extend(budget.reserve(Decimal("0.01")) for _ in range(50))

    threads = [threading.Thread(target=race) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 100
    assert budget.left == Decimal("0.00")


def test_settling_gives_back_what_was_not_spent() -> None:
    """What a call did not cost can be spent on the next one, to the last digit."""
    budget = Budget(Decimal("0.10"))
    assert budget.reserve(Decimal("0.08"))
    assert not budget.reserve(Decimal("0.03"))
    budget.settle(Decimal("0.08"), Decimal("0.0000123"))
    assert budget.left == Decimal("0.0999877")
    assert budget.reserve(Decimal("0.0999877"))


def test_the_worst_case_is_not_passed_by_any_text() -> None:
    """The reservation counts UTF-8 bytes, which no byte-level tokenizer exceeds: emoji and surrogates included."""
    text = "naïve 日本語 🎉 \ud800"
    usage = worst_case([Message("user", text)], 100)
    assert usage.prompt is not None
    assert usage.prompt >= len(text.encode("utf-8", "replace"))
    assert usage.completion == 100
