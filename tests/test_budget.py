"""The cap holds, whatever races for it."""

import threading
from decimal import Decimal

from fusion_nb.accounts.spending_account import Account, worst_case
from fusion_nb.core import Message


def test_the_cap_holds_under_a_race() -> None:
    """64 threads holding at once never hold more than the cap, and none is denied while there is room."""
    account, denials = Account(), []

    def race(n: int) -> None:
        denials.extend(account.hold(f"run/{n}", Decimal("0.01"), Decimal("1.00")) for _ in range(50))

    threads = [threading.Thread(target=race, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(denial is None for denial in denials) == 100
    assert account.left(Decimal("1.00")) == 0


def test_settling_gives_back_what_was_not_spent() -> None:
    """What a call did not cost can be spent on the next one, to the last digit."""
    account, cap = Account(), Decimal("0.10")
    assert account.hold("run/1", Decimal("0.08"), cap) is None
    assert account.hold("run/2", Decimal("0.03"), cap) is not None
    account.settle("run/1", Decimal("0.0000123"))
    assert account.left(cap) == Decimal("0.0999877")
    assert account.hold("run/2", Decimal("0.0999877"), cap) is None


def test_one_attempt_that_was_not_made_leaves_the_others_held() -> None:
    """Undoing the hold of a second attempt keeps the first one's: it may be on a bill."""
    account = Account()
    account.hold("run/1", Decimal("0.08"), None)
    account.hold("run/1", Decimal("0.08"), None)
    account.release("run/1", Decimal("0.08"))
    assert account.taken == Decimal("0.08")


def test_the_worst_case_is_not_passed_by_any_text() -> None:
    """The reservation counts UTF-8 bytes, which no byte-level tokenizer exceeds: emoji and surrogates included."""
    text = "naïve 日本語 🎉 \ud800"
    usage = worst_case([Message("user", text)], 100)
    assert usage.prompt is not None
    assert usage.prompt >= len(text.encode("utf-8", "replace"))
    assert usage.completion == 100
