"""One sentence for every warning a call can carry, for every view that shows them.

A warning is one word, or a word with what it is about behind a colon (`field_dropped:seed`). Words stay in journals;
sentences may change.
"""

from __future__ import annotations

from collections.abc import Iterable

from fusion_nb.core.values import SUSPECT

SIGNS = {
    "orders": "it gives orders about instructions",
    "plea": "it asks to be chosen",
    "judge": "it addresses a judge",
    "verdict": "it talks of labels or holds a verdict",
    "frame": "it imitates the frame it stands in",
    "hidden": "it hides characters",
}
"""What in a reply seems meant for the judge (see `core.injection_signs`)."""

SENTENCES = {
    # What the service was not asked, or was asked in another way.
    "seed_ignored": "The service takes no seed: it was asked without one.",
    "reasoning_ignored": "The service takes no reasoning effort here: it was asked without.",
    "reasoning_nearest": "The service does not know that reasoning effort: {about} is the nearest it takes.",
    "provider_ignored": "Only OpenRouter takes provider={{...}}: this service was asked without it.",
    "field_dropped": "The service refused `{about}`: it was asked without it.",
    "field_renamed": "The service refused a field's name: it was asked with `{about}`.",
    # How the reply came.
    "not_streamed": "The reply came in one piece.",
    "no_finish": "The service did not say that the reply is whole: it may be cut off.",
    "bad_event": "A part of the reply could not be read: text may be missing.",
    "bad_utf8": "Some characters were damaged on the way and stand as \ufffd.",
    "extra_bom": "The stream began with marks that belong to no text; they were left out.",
    "unterminated_event": "The stream broke off behind its last line, which could be read.",
    "not_text": "A part of the reply is no text ({about}) and was left out.",
    "told_twice": "The service sent its text more than once; it is kept once.",
    "maybe_told_twice": "The reply begins twice with the same words: the service may have sent its text twice.",
    "told_differently": "The service closed with another text than it had sent; the text it had sent is kept.",
    "tool_calls": "It wanted to call a tool, which is never done here: {about}",
    # The bill.
    "bad_cost": "The service named a cost that cannot be read: the cost is unknown.",
    "bad_usage": "The service counted tokens in a way that cannot be read.",
    "cost_estimated": "The service calls its cost an estimate.",
    "other_currency": "The service named its cost in {about}, not in USD: the cost is unknown.",
    "upstream_cost_unknown": "Your own key behind the service was billed, and nobody told how much.",
    # What the model was shown.
    "prompt_cut": (
        "The service read far fewer tokens than the prompt has: it cut it. Raise the server's context "
        "(Ollama: OLLAMA_CONTEXT_LENGTH, or num_ctx in a Modelfile), or shorten the prompt."
    ),
}


def remarks(warnings: Iterable[str]) -> list[str]:
    """One sentence for people per warning, in order; the signs of a reply that speaks to the judge share one."""
    sentences: list[str] = []
    signs: list[str] = []
    for warning in warnings:
        word, _, about = warning.partition(":")
        if warning.startswith(SUSPECT):
            signs.append(SIGNS.get(about, about))
        elif word in SENTENCES:
            sentences.append(SENTENCES[word].format(about=about.strip() or "a part"))
        else:
            sentences.append(f"{warning.replace('_', ' ').strip().capitalize()}.")
    if signs:
        listed = " and ".join([", ".join(signs[:-1]), signs[-1]] if signs[1:] else signs)
        sentences.append(f"Seems to speak to the judge: {listed}. Read it before you trust its score.")
    return list(dict.fromkeys(sentences))
