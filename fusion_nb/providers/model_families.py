"""Families of models, and the default judge: it should not be of a family it judges."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from fusion_nb.core import Ref
from fusion_nb.core.values import DEMO_SERVICE
from fusion_nb.errors import UserError
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.providers.model_names import ALIASES
from fusion_nb.providers.services import OPENROUTER, SERVICES, Service

STRONG = ("opus", "gpt", "gemini", "grok", "deepseek", "mistral", "qwen")
"""Aliases of models fit to judge, the strongest first."""

_VENDORS = {"meta-llama": "meta", "mistralai": "mistral", "x-ai": "xai", "z-ai": "glm", "moonshotai": "kimi"}
# What the names of a family's models contain, whoever serves them; a distilled model counts with its teacher's.
_WORDS = (
    ("anthropic", r"claude"),
    ("google", r"gemini|gemma|palm"),
    ("openai", r"gpt|chatgpt|\bo[134]\b|davinci"),
    ("deepseek", r"deepseek"),
    ("qwen", r"qwen|qwq"),
    ("mistral", r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral"),
    ("meta", r"llama"),
    ("xai", r"grok"),
    ("kimi", r"kimi|moonlight"),
    ("glm", r"\bglm"),
    ("microsoft", r"\bphi\b|\bphi-?\d"),
    ("cohere", r"command|aya"),
    ("nvidia", r"nemotron"),
    ("amazon", r"\bnova\b"),
    ("minimax", r"minimax"),
)
_VENDOR_SERVICES = {
    "anthropic": "anthropic",
    "openai": "openai",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "xai": "xai",
}


def model_family(ref: Ref) -> str:
    """The family a model is of, one word: by the vendor in its slug, else by its name, else the model itself."""
    name = ref.model.lower().removeprefix("~")
    vendor, slash, rest = name.rpartition("/")
    vendor = vendor.rpartition("/")[2]
    by_word = next((family for family, words in _WORDS if re.search(words, rest)), None)
    if ref.service == OPENROUTER.name and slash:
        return _VENDORS.get(vendor, vendor)
    return _VENDOR_SERVICES.get(ref.service) or by_word or (_VENDORS.get(vendor, vendor) if slash else name)


def family_relation(judge: Ref, pool: Sequence[Ref]) -> Literal["member", "family"] | None:
    """Whether the judge is itself a member of the pool, or of a member's family."""
    if any((ref.service, ref.model) == (judge.service, judge.model) for ref in pool):
        return "member"
    return "family" if model_family(judge) in {model_family(ref) for ref in pool} else None


def kin_notes(judge: Ref, pool: Sequence[Ref]) -> list[str]:
    """What people should know of a judge that is a member of the pool, or akin to one."""
    match family_relation(judge, pool):
        case "member":
            return [f"The judge, {judge.name}, is also a member of the pool: it may favour its own answer."]
        case "family" if judge.service not in (PYTHON, DEMO_SERVICE):
            return [f"The judge, {judge.name}, is of the same family as a member of the pool: it may favour it."]
        case _:
            return []


def default_judge(
    pool: Sequence[Ref],
    has_key: Callable[[str], bool],
    *,
    demo: Ref | None = None,
    local: Sequence[Ref] = (),
    services: Mapping[str, Service] | None = None,
) -> Ref:
    """A strong model outside the pool's families where the keys allow, else the strongest there is.

    Args:
        pool: whom it will judge.
        has_key: whether there is a key in a variable of that name.
        demo: the scripted judge, for a pool of scripted members, and where nobody else can judge one of them.
        local: models on this machine, for when there is no key.
        services: the user's own.

    Raises `UserError` where there is nobody to judge.
    """
    if demo is not None and pool and all(ref.service == demo.service for ref in pool):
        return demo
    strong = list(_strong(has_key))
    own = [r for r in pool if r.service != PYTHON and (demo is None or r.service != demo.service)]
    # A pool that stays on this machine, or at a service of the user's own, is judged there.
    private = [r for r in own if r.service in (services or {}) or SERVICES.get(r.service, OPENROUTER).local]
    if own and len(private) == len(own):
        strong = [*local, *private]
    candidates = [*strong, *local, *own]
    if not candidates and demo is not None and any(ref.service == demo.service for ref in pool):
        return demo
    if not candidates:
        raise UserError("There is no model to judge with: name one with judge=, or set OPENROUTER_API_KEY.")
    rank = {None: 0, "family": 1, "member": 2}
    best = min(candidates, key=lambda ref: rank[family_relation(ref, pool)])
    return Ref(best.service, best.model, re.sub(r" #\d+$", "", best.label))


def _strong(has_key: Callable[[str], bool]) -> list[Ref]:
    """The strong models there are keys for, the strongest first."""
    strong = []
    for name in STRONG:
        alias = ALIASES[name]
        vendor = SERVICES.get(alias.service)
        if any(map(has_key, OPENROUTER.keys)):
            strong.append(Ref(OPENROUTER.name, alias.slug, name))
        elif vendor is not None and any(map(has_key, vendor.keys)):
            strong.append(Ref(vendor.name, alias.model, name))
    return strong
