"""Who is still asked after a refusal, and who has further attempts."""

import pytest

from fusion_nb.errors import ProviderError
from fusion_nb.run.call_progress import CallProgress
from fusion_nb.run.retry_policy import AuthCircuitBreaker, RetryAllowance


def refused(breaker: AuthCircuitBreaker, service: str) -> bool:
    try:
        breaker.check(service)
    except ProviderError:
        return True
    return False


@pytest.mark.parametrize("kind", ["auth", "credits"])
@pytest.mark.parametrize("order", ["answered before", "answers later", "never answers"])
def test_a_service_that_answered_is_still_asked(kind: str, order: str) -> None:
    """Its key is good and there is credit: only where it answered nobody is no other call sent with the same key."""
    breaker = AuthCircuitBreaker()
    if order == "answered before":
        breaker.accepted("svc")
    breaker.note("svc", ProviderError(kind, "No."))
    if order == "answers later":
        breaker.accepted("svc")
    assert refused(breaker, "svc") == (order == "never answers")
    assert not refused(breaker, "other")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("credits", "It said: This request requires more credits, or fewer max_tokens: you can only afford 2100."),
        ("auth", "It said: litellm.AuthenticationError: AnthropicException - invalid x-api-key."),
        ("credits", "It said: litellm.BadRequestError: OpenAIException - You exceeded your current quota."),
        ("auth", "It said: Provider returned error. The provider said: {'error': 'invalid api key'}."),
    ],
)
def test_a_word_on_one_request_is_none_on_the_key(kind: str, words: str) -> None:
    """Credit for a smaller request, or a key that a gateway holds for somebody behind it: the others are asked."""
    breaker = AuthCircuitBreaker()
    breaker.note("svc", ProviderError(kind, f"No. {words}"))
    assert not refused(breaker, "svc")


@pytest.mark.parametrize(
    "words", ["Invalid proxy server token passed.", "User not found.", "Insufficient credits. Add more.", ""]
)
def test_a_word_on_the_key_stops_what_is_not_sent(words: str) -> None:
    """Nothing more goes out with a key that was refused as such, until a person asks again."""
    breaker = AuthCircuitBreaker()
    breaker.note("svc", ProviderError("auth", f"svc does not accept the key. It said: {words}"))
    assert refused(breaker, "svc")
    breaker.forget("svc")
    assert not refused(breaker, "svc")


def test_a_kept_connection_that_was_closed_uses_up_no_attempt() -> None:
    """Nor does it wait; once text has come, nothing is asked again."""
    allowance, fault = RetryAllowance(1), ProviderError("disconnect", "Closed.", retryable=True)
    fault.stale = True
    assert [allowance.wait(fault, CallProgress(attempts=1), 10.0) for _ in range(9)] == [0.0] * 9
    assert allowance.wait(fault, CallProgress(attempts=6), 10.0) is None
    assert allowance.wait(fault, CallProgress(attempts=1, content=True), 10.0) is None


def test_attempts_are_counted_for_a_pool_together() -> None:
    """When everything fails at once, hammering helps nobody: a small pool has three further attempts in all."""
    allowance, fault = RetryAllowance(3), ProviderError("server", "It failed.", retryable=True)
    waits = [allowance.wait(fault, CallProgress(attempts=1), 60.0) for _ in range(5)]
    assert [wait is not None for wait in waits] == [True, True, True, False, False]
