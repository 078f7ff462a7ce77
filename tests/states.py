"""Example runs in every phase and shape, made the only way a run comes into being: by folding events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fusion_nb.core import (
    Agreement,
    Analysis,
    CheckOutcome,
    Escalation,
    JurorVerdict,
    Params,
    Ref,
    Reply,
    Round,
    RunState,
    Selection,
    Usage,
    Verdict,
)
from fusion_nb.core.citations import read_citations
from fusion_nb.core.events import (
    AgreementFound,
    CallEnded,
    CallRetried,
    CallStarted,
    ChecksEnded,
    Escalated,
    Event,
    RoundEnded,
    RunEnded,
    RunStarted,
    TextDelta,
    VerdictReached,
)
from fusion_nb.core.fold import fold

CLAUDE = Ref("openrouter", "anthropic/claude-sonnet-4.5", "claude")
GEMINI = Ref("openrouter", "google/gemini-2.5-pro", "gemini")
GPT4O = Ref("openrouter", "openai/gpt-4o", "gpt4o")
JUDGE = Ref("openrouter", "openai/gpt-5", "gpt5")
POOL = (CLAUDE, GEMINI, GPT4O)
OPUS = Ref("openrouter", "anthropic/claude-opus-4.1", "opus")
LLAMA = Ref("openrouter", "meta-llama/llama-3.3-70b-instruct", "llama3.3")
EGGS = "Janet's ducks lay 16 eggs a day. She eats three and bakes with four. How many are left to sell at $2 each?"

SKY = """**The sky is blue because air scatters short waves far more than long ones.**

Sunlight holds all colours. On its way through the air it meets molecules much smaller than its wavelength, and these \
scatter light with an intensity that grows with the fourth power of the frequency (*Rayleigh scattering*):

$$I \\propto \\frac{1}{\\lambda^4}$$

Blue light at 450 nm is therefore scattered about $(650/450)^4 \\approx 4.4$ times as much as red light at 650 nm. \
Wherever you look in the sky, some of that blue comes back to your eye.

- Violet is scattered even more, but the sun sends less of it and our eyes are less sensitive to it.
- At sunset the light comes a long way through the air: the blue is gone before it arrives.
"""
GEMINI_SKY = """Because of **Rayleigh scattering**. Molecules of nitrogen and oxygen scatter blue light in all directions, \
so it reaches us from everywhere.

| colour | wavelength | scattered (red = 1) |
|:--|--:|--:|
| red | 650 nm | 1.0 |
| green | 530 nm | 2.3 |
| blue | 450 nm | 4.4 |

See [Wikipedia](https://en.wikipedia.org/wiki/Rayleigh_scattering) for the derivation.
"""
GPT_SKY = """The sky looks blue due to the way the atmosphere scatters sunlight.

```python
def scattered(wavelength: float, reference: float = 650) -> float:
    \"\"\"How much more than the reference, by Rayleigh's law.\"\"\"
    return (reference / wavelength) ** 4  # a steep law


print(f"{scattered(450):.1f} times as much")
```

1. Sunlight reaches the atmosphere.
2. Gas molecules scatter it; shorter waves are scattered more.
3. We see the scattered blue from all sides.
"""
FUSED = """**The sky is blue because the molecules of the air scatter short waves of sunlight far more than long ones** \
[K7, Q2, R4].

This is Rayleigh scattering: the intensity goes as $1/\\lambda^4$, so blue light at 450 nm is scattered about 4.4 times \
as much as red at 650 nm [K7, Q2]. You can check that in one line [R4]:

```python
(650 / 450) ** 4  # 4.4
```

Violet is scattered even more, but the sun sends less of it and our eyes are less sensitive to it [K7]. At sunset the \
light crosses so much air that the blue is gone before it arrives [K7].
"""
RATIONALE = """**claude** is the most complete: it gives the law, the figure that follows from it, and answers the question \
that comes next, why the sky is not violet. **gemini** is just as correct and has the clearest table, but stops at blue. \
**gpt4o** is right and lets one check the figure, yet explains the least."""
ANALYSIS: Analysis = {
    "consensus": [
        "Rayleigh scattering by air molecules is the cause.",
        "Blue is scattered about `4.4` times as much as red.",
    ],
    "contradictions": [
        {
            "topic": "Why not violet?",
            "stances": [
                {"model": "claude", "stance": "Less of it in sunlight, and eyes less sensitive to it."},
                {"model": "gpt4o", "stance": "Says nothing: its steps would make the sky violet."},
            ],
        }
    ],
    "partial_coverage": [{"models": ["claude", "gemini"], "point": "The law of the fourth power is stated."}],
    "unique_insights": [{"model": "gpt4o", "insight": "Code to check the figure with."}],
    "blind_spots": ["Nobody mentions that the sky seen from the Moon is black."],
}
SCORES = {
    1: {"correctness": 10.0, "completeness": 9.0, "clarity": 9.0},
    2: {"correctness": 10.0, "completeness": 7.0, "clarity": 9.0},
    3: {"correctness": 8.0, "completeness": 6.0, "clarity": 7.5},
}


class Script:
    """Writes the events of a run and folds them."""

    def __init__(self, pool: Sequence[Ref] = POOL, mode: str = "merge", judge: Ref | None = JUDGE, **more: Any) -> None:
        self.events: list[Event] = []
        self.state = RunState()
        self._calls = 0
        more = {"prompt": "Why is the sky blue?", "run": "20260301T101500-5f2a9c01de", "seed": 7, **more}
        self.emit(RunStarted, when="2026-03-01T10:15:00+00:00", mode=mode, pool=tuple(pool), judge=judge, **more)

    def emit(self, kind: Callable[..., Event], at: float = 0.0, **fields: Any) -> None:
        event = kind(seq=len(self.events), at=at, **fields)
        self.events.append(event)
        self.state = fold(self.state, event)

    def start(self, ref: Ref, at: float = 0.0, **fields: Any) -> int:
        self._calls += 1
        self.emit(CallStarted, at, call=self._calls, ref=ref, **fields)
        return self._calls

    def say(self, call: int, text: str, channel: str = "content") -> None:
        for begin in range(0, len(text), 40):
            self.emit(TextDelta, call=call, text=text[begin : begin + 40], channel=channel)

    def end(
        self, call: int, status: str = "ok", cost: str | None = "0.0031", tokens: int | None = 210, **fields: Any
    ) -> None:
        known = cost is not None
        usage = Usage(48, tokens, 0, 0) if tokens is not None else Usage()
        fields = {"ttft": 0.42, "latency": 1.9, "finish": "stop", **fields}
        paid = {"cost": Decimal(cost) if cost is not None else None, "cost_source": "reported" if known else None}
        self.emit(CallEnded, call=call, status=status, usage=usage, **paid, **fields)

    def reply(
        self, ref: Ref, text: str, role: str = "candidate", round: int = 0, at: float = 0.0, **fields: Any
    ) -> Reply:
        call = self.start(ref, at, role=role, round=round)
        self.say(call, text)
        self.end(call, **fields)
        return self.state.reply(call)

    def members(self, texts: Sequence[str] = (SKY, GEMINI_SKY, GPT_SKY), round: int = 0) -> None:
        for i, (ref, text) in enumerate(zip(self.state.pool, texts, strict=False)):
            took = {"latency": 1.9 + 0.7 * i, "ttft": 0.42 + 0.1 * i, "tokens": len(text) // 4}
            self.reply(ref, text, round=round, cost=f"0.00{31 + 7 * i}", generation_id=f"gen-{ref.name}", **took)

    def judged(self, answer: str = FUSED, labels: Mapping[str, int] | None = None, **fields: Any) -> None:
        """A judge that writes the answer (cited by label) and its verdict."""
        labels = labels or {"K7": 1, "Q2": 2, "R4": 3}
        call = self.start(JUDGE if self.state.judge is None else self.state.judge, 2.6, role="judge", labels=labels)
        self.say(call, '{"scores": {}}\n')
        self.say(call, answer, "answer")
        self.end(call, cost="0.0094", tokens=430, ttft=0.6, latency=3.1)
        text, citations = read_citations(answer, labels)
        given = {"rationale": RATIONALE, "ranking": (1, 2, 3), "scores": SCORES, "analysis": ANALYSIS, **fields}
        self.emit(VerdictReached, verdict=Verdict(answer=text, labels=labels, citations=citations, **given))

    def agreed(self, *groups: tuple[int, ...], answers: Sequence[str] = ("18", "26", "9"), **more: Any) -> None:
        """Who gave the same short answer. `asked`: of all who were, unless told otherwise."""
        asked = more.pop("asked", len({reply.ref.name for reply in self.state.replies if reply.role == "candidate"}))
        self.emit(AgreementFound, agreement=Agreement(asked, groups, tuple(answers[: len(groups)]), **more))

    def checked(self, call: int, *outcomes: CheckOutcome) -> None:
        self.emit(ChecksEnded, call=call, checks=outcomes)

    def escalated(self, share: float | None, *to: Ref, needed: bool = True, voted: int | None = 1) -> None:
        agree = self.state.selection.agree
        self.emit(Escalated, escalation=Escalation(agree, share, needed, to, voted))

    def decide(self, answer: str | None, **fields: Any) -> None:
        self.emit(VerdictReached, verdict=Verdict(answer=answer, **fields))

    def close(self, status: str = "ok", at: float = 6.4, **fields: Any) -> RunState:
        self.emit(RunEnded, at, status=status, **fields)
        return self.state


def merge() -> RunState:
    script = Script()
    script.members()
    script.judged()
    return script.close()


def best_of() -> RunState:
    script = Script(mode="best-of")
    script.members()
    script.reply(JUDGE, "{}", role="judge", cost="0.0044")
    script.emit(VerdictReached, verdict=Verdict(answer=SKY, rationale=RATIONALE, chosen=(1,), ranking=(1, 2, 3), scores=SCORES, labels={"K7": 1, "Q2": 2, "R4": 3}))  # fmt: skip
    return script.close()


def debate() -> RunState:
    script = Script(mode="debate", then="merge", prompt="Should I switch doors in the Monty Hall problem?")
    script.members(
        ["**It makes no difference**: 1/2 each.", "Two doors, so 1/2.", "**Switch**: it wins in 2 of 3 cases."]
    )
    script.emit(RoundEnded, ended=Round(0, False))
    script.members(["**Switch.** I was wrong: 2/3.", "Two doors are left, so 1/2.", "**Switch**, as before."], round=1)
    script.emit(RoundEnded, ended=Round(1, False, ("claude",)))
    script.members(["**Switch**: 2/3.", "I am convinced: **switch**.", "**Switch.**"], round=2)
    script.emit(RoundEnded, ended=Round(2, True, ("gemini",)))
    moved = {9: SCORES[1], 7: SCORES[2], 8: SCORES[3]}
    script.judged(
        "**Switch**: it wins in 2 of 3 cases [K7, Q2, R4].",
        {"K7": 7, "Q2": 8, "R4": 9},
        ranking=(9, 7, 8),
        scores=moved,
    )
    return script.close(at=14.2)


def running() -> RunState:
    """One done, one writing, one waiting for its second attempt."""
    script = Script()
    calls = [script.start(ref) for ref in POOL]
    script.say(calls[0], SKY)
    script.end(calls[0])
    script.say(calls[1], GEMINI_SKY[:300])
    script.emit(CallRetried, call=calls[2], attempt=2, error="rate_limit", wait=1.0)
    return script.state


def judging() -> RunState:
    """The judge is writing the answer."""
    script = Script()
    script.members()
    call = script.start(JUDGE, 2.6, role="judge", labels={"K7": 1, "Q2": 2, "R4": 3})
    script.say(call, '{"scores": {}}\n')
    script.say(call, FUSED[:420], "answer")
    return script.state


def begun() -> RunState:
    return Script().state


def one_failed() -> RunState:
    script = Script(notes=("gpt5 judges and is the only model of its family here.",))
    script.reply(CLAUDE, SKY)
    script.reply(GEMINI, "", status="error", error="rate_limit", detail="OpenRouter: too many requests for gemini-2.5-pro. Wait a minute, or use --pool without it.", cost=None, tokens=None, ttft=None, latency=2.2, finish=None, attempts=3)  # fmt: skip
    script.reply(
        GPT4O, GPT_SKY[:200], status="incomplete", finish="length", error="length", detail="Cut off at max_tokens=200."
    )
    script.judged(
        "**Rayleigh scattering** [K7, R4].",
        {"K7": 1, "R4": 3},
        ranking=(1, 3),
        scores={1: SCORES[1], 3: SCORES[3]},
        analysis=None,
    )
    return script.close()


def all_failed() -> RunState:
    script = Script()
    for ref, (status, error, detail) in zip(
        POOL,
        [
            ("error", "auth", "OpenRouter refused the key. Check OPENROUTER_API_KEY."),
            ("timeout", "ttft", "gemini said nothing for 120 s. Raise --timeout or leave it out."),
            ("refused", "refusal", "gpt4o refused to answer."),
        ],
        strict=True,
    ):
        script.reply(ref, "", status=status, error=error, detail=detail, cost=None, tokens=None, ttft=None, finish=None)
    said = "None of the 3 members answered. claude: OpenRouter refused the key. Check OPENROUTER_API_KEY.; gemini: ..."
    return script.close("error", error=said)


def cancelled() -> RunState:
    script = Script()
    script.reply(CLAUDE, SKY)
    call = script.start(GEMINI)
    script.say(call, GEMINI_SKY[:150])
    script.end(call, status="cancelled", error="cancelled", cost=None, tokens=None, latency=2.0, finish=None)
    return script.close("cancelled", at=2.0)


def single_survivor() -> RunState:
    script = Script(pool=(CLAUDE, GEMINI))
    script.reply(CLAUDE, SKY)
    script.reply(GEMINI, "", status="empty", error="empty", detail="gemini sent no text.", cost="0.0001", tokens=0)
    note = "Only claude answered, so no judge was paid."
    script.emit(VerdictReached, verdict=Verdict(answer=SKY, chosen=(1,), state="not-needed", note=note))
    return script.close()


def unread() -> RunState:
    script = Script(mode="best-of")
    script.members()
    for turn in (0, 1):
        script.reply(JUDGE, "I like them all.", role="judge", round=turn)
    note = "It wrote no JSON, twice. Its words are kept; all candidates are below."
    script.emit(VerdictReached, verdict=Verdict(rationale="I like them all.", state="unread", note=note))
    return script.close("unjudged")


def unknown_costs() -> RunState:
    script = Script(pool=(CLAUDE, Ref("ollama", "llama3.3", "llama3.3")))
    script.reply(CLAUDE, SKY)
    script.reply(script.state.pool[1], GEMINI_SKY, cost=None, tokens=None, ttft=0.2)
    script.judged(
        "Rayleigh scattering [K7].",
        {"K7": 1, "Q2": 2},
        ranking=(1, 2),
        scores={1: SCORES[1], 2: SCORES[2]},
        analysis=None,
    )
    return script.close()


def no_costs() -> RunState:
    script = Script(pool=(Ref("corp", "mine", "mine"),), judge=None)
    script.reply(script.state.pool[0], "42", cost=None, tokens=None)
    script.emit(
        VerdictReached, verdict=Verdict(answer="42", chosen=(1,), state="not-needed", note="The pool has one member.")
    )
    return script.close()


def many(count: int = 8) -> RunState:
    pool = [Ref("openrouter", f"vendor/model-{i}", f"model-{i}") for i in range(1, count + 1)]
    script = Script(pool=pool)
    script.members([SKY, GEMINI_SKY, GPT_SKY, *[f"Answer {i}." for i in range(4, count + 1)]])
    labels = {f"{letter}{1 + i % 9}": i + 1 for i, letter in enumerate("ABCDEFGHJKLMNPQRSTUVWXYZ"[:count])}
    cited = " ".join(f"Sentence of {label} [{label}]." for label in labels)
    ranking = tuple(range(1, count + 1))
    scores = {call: {"correctness": 10 - call / 2, "clarity": 9.0} for call in ranking}
    script.judged(cited, labels, ranking=ranking, scores=scores)
    return script.close()


def one() -> RunState:
    script = Script(pool=(CLAUDE,), judge=None)
    script.reply(CLAUDE, SKY)
    script.emit(
        VerdictReached, verdict=Verdict(answer=SKY, chosen=(1,), state="not-needed", note="The pool has one member.")
    )
    return script.close()


def long_texts() -> RunState:
    script = Script()
    script.members([f"# Part {i}\n\n" + (SKY + "\n\n" + GPT_SKY) * 12 for i in range(3)])
    script.judged(FUSED * 6)
    return script.close()


def demo() -> RunState:
    pool = [Ref("demo", name, name) for name in ("swift", "steady", "careful")]
    script = Script(pool=pool, judge=Ref("demo", "judge", "judge"))
    script.members()
    script.judged()
    return script.close()


def demo_running() -> RunState:
    script = Script(pool=[Ref("demo", name, name) for name in ("swift", "steady")], judge=Ref("demo", "judge", "judge"))
    script.say(script.start(script.state.pool[0]), "Hello")
    return script.state


def hostile(payload: str) -> RunState:
    """The same hostile text wherever anyone but us may write."""
    pool = [Ref("openrouter", payload, f"{payload}1"), Ref("openrouter", payload, f"{payload}2")]
    script = Script(pool=pool, prompt=payload, notes=(payload,), params=Params(system=payload))
    names = [ref.name for ref in pool]
    script.reply(pool[0], payload, model=payload, finish=payload, generation_id=payload)
    script.reply(pool[1], payload, status="incomplete", error=payload, detail=payload)
    analysis: Analysis = {
        "consensus": [payload],
        "contradictions": [{"topic": payload, "stances": [{"model": names[0], "stance": payload}]}],
        "partial_coverage": [{"models": names, "point": payload}],
        "unique_insights": [{"model": payload, "insight": payload}],
        "blind_spots": [payload],
    }
    script.emit(RoundEnded, ended=Round(1, False, (payload,)))
    script.judged(
        f"{payload} [K7]",
        {"K7": 1, "Q2": 2},
        rationale=payload,
        ranking=(1, 2),
        scores={1: {payload: 5.0}, 2: {payload: 4.0}},
        analysis=analysis,
        note=payload,
    )
    return script.close(error=payload)


def hostile_running(payload: str) -> RunState:
    script = Script(pool=[Ref("openrouter", payload, f"{payload}1"), GEMINI], notes=(payload,))
    script.say(script.start(script.state.pool[0]), payload)
    script.say(script.start(GEMINI), payload, "reasoning")
    call = script.start(JUDGE, role="judge", labels={"K7": 1})
    script.say(call, f"{payload} [K7]", "answer")
    return script.state


# ---- an answer found beside, or without, a judge

ASKED = ("16 - 3 - 4 = 9, and 9 × $2 = **$18**.", "She sells 13 eggs for **$26**.", "9 eggs are left: **$18** a day.")


def passed(name: str = "is_short", score: float | None = None, **more: Any) -> CheckOutcome:
    return CheckOutcome(name, True, score, **{"seconds": 0.002, **more})


def barred(name: str = "adds_up", error: str = "", **more: Any) -> CheckOutcome:
    return CheckOutcome(name, False, error=error, **{"seconds": 0.004, **more})


def vote() -> RunState:
    """Two of three say the same, and no judge is asked."""
    script = Script(mode="vote", judge=None, prompt=EGGS)
    script.members(ASKED)
    script.agreed((1, 3), (2,))
    script.decide(ASKED[0], chosen=(1,), state="voted", note="2 of 3 members say 18.")
    return script.close(at=3.4)


def vote_tied() -> RunState:
    """Two against two: the member named first decides."""
    script = Script(mode="vote", judge=None, prompt=EGGS, pool=(*POOL, LLAMA))
    script.members([*ASKED, "The answer is **$26**."])
    script.agreed((1, 3), (2, 4), tied=True)
    note = "2 of 4 members say 18, 2 say 26: a tie, taken by claude, which is named first."
    script.decide(ASKED[0], chosen=(1,), state="voted", note=note)
    return script.close(at=3.4)


def uncounted() -> RunState:
    """A vote over essays: nothing to count."""
    script = Script(mode="vote", judge=None)
    script.members()
    script.agreed(unknown=(1, 2, 3))
    note = "No short answer was found in any candidate: no vote. extract= says how short answers are found."
    script.decide(None, state="undecided", note=note)
    return script.close("unjudged")


def checks_decide() -> RunState:
    """One fails a gate; of two that pass, the higher score wins, unjudged."""
    script = Script(mode="best-of", selection=Selection(checks=("adds_up", "is_short"), deeper=0), prompt=EGGS)
    script.members(ASKED)
    script.checked(1, passed("adds_up"), passed("is_short", 0.9, weight=2.0))
    script.checked(
        2,
        barred("adds_up", "adds_up raised ValueError: 13 × 2 is not what 16 - 3 - 4 gives."),
        passed("is_short", 0.95),
    )
    script.checked(3, passed("adds_up"), passed("is_short", 0.7, weight=2.0, seconds=2.4))
    script.agreed((1, 3), (2,))
    script.decide(ASKED[0], chosen=(1,), state="checked", note="claude has the highest score of your checks, 0.9.")
    return script.close(at=3.9)


def none_passed() -> RunState:
    script = Script(selection=Selection(checks=("adds_up",)), prompt=EGGS)
    script.members(ASKED)
    script.checked(1, barred())
    script.checked(2, barred(error="adds_up took more than 10 s."))
    script.checked(3, barred())
    script.agreed((1, 3), (2,))
    who = "claude: adds_up said no; gemini: adds_up failed (adds_up took more than 10 s); gpt4o: adds_up said no"
    note = f"No candidate passed your checks, so no answer is claimed; all are kept. {who}."
    script.decide(None, state="none-passed", note=note)
    return script.close("unjudged")


def tried_again() -> RunState:
    """A member that failed a check is told so, and passes at its second try; then the merged text is checked too."""
    script = Script(selection=Selection(checks=("is_short",), deeper=1))
    script.members()
    for call in (1, 2):
        script.checked(call, passed())
    script.checked(3, barred("is_short"))
    script.reply(GPT4O, "Air scatters blue light most.", round=1)
    script.checked(4, passed())
    labels = {"K7": 1, "Q2": 2, "R4": 4}
    script.judged("**Rayleigh scattering** [K7, R4].", labels, ranking=(1, 4, 2), scores={1: SCORES[1]}, analysis=None)
    script.checked(5, passed())
    return script.close()


JURY = (JUDGE, OPUS, LLAMA)


def jurors(script: Script, *, failed: bool = False) -> tuple[JurorVerdict, ...]:
    """What three judges decided; one of them may not score its own family, the last may fail."""
    labels = {"K7": 1, "Q2": 2, "R4": 3}
    calls = [script.start(ref, 2.6, role="judge", labels=labels if ref is JUDGE else {}) for ref in JURY]
    for call in calls[:2] if failed else calls:
        script.say(call, '{"scores": {}}')
        script.end(call, cost="0.0094", tokens=430, ttft=0.6, latency=3.1)
    if failed:
        script.end(
            calls[2], "timeout", None, None, error="ttft", detail="llama3.3 said nothing for 120 s.", finish=None
        )
    harsh = {2: {"correctness": 6.0, "clarity": 5.0}, 3: {"correctness": 5.5, "clarity": 5.0}}
    own = {
        1: {"correctness": 9.0, "clarity": 8.0},
        2: {"correctness": 9.5, "clarity": 9.0},
        3: {"correctness": 7.0, "clarity": 7.5},
    }
    last = JurorVerdict("llama3.3", (6,), "judged", "**gemini** has the table.", "", (2, 1, 3), own, (), 3.1)
    silent = "The judge (llama3.3) failed: llama3.3 said nothing for 120 s."
    return (
        JurorVerdict("gpt5", (4,), "judged", RATIONALE, "", (1, 2), {1: SCORES[1], 2: SCORES[2]}, (3,), 3.1),
        JurorVerdict("opus", (5,), "repaired", "gemini is right, and **short**.", "", (2, 3), harsh, (1,), 4.2),
        JurorVerdict("llama3.3", (6,), "failed", "", silent, seconds=120.0) if failed else last,
    )


FITTED = {
    1: {"correctness": 10.2, "clarity": 9.4},
    2: {"correctness": 9.6, "clarity": 9.1},
    3: {"correctness": 8.1, "clarity": 8.0},
}


def jury() -> RunState:
    """Three judges; two find the same candidate best, and the first writes the merge."""
    script = Script(jury=(OPUS, LLAMA))
    script.members()
    note = "Three judges: opus and llama3.3 find gemini best, gpt5 finds claude best. Their scores of one candidate spread over 2.6 points on average. Recused: gpt5 from gpt4o, opus from claude."
    verdicts = jurors(script)
    labels = {"K7": 1, "Q2": 2, "R4": 3}
    text, citations = read_citations(FUSED, labels)
    script.decide(
        text, citations=citations, labels=labels, jury=verdicts, note=note, rationale=RATIONALE, analysis=ANALYSIS,
        ranking=(2, 1, 3), scores=FITTED,
    )  # fmt: skip
    return script.close(at=7.1)


def jury_split() -> RunState:
    """Two judges disagree, and a third one has failed: no winner."""
    script = Script(mode="best-of", jury=(OPUS, LLAMA))
    script.members()
    note = "The judges disagree: gpt5 finds claude best, opus finds gemini best, so there is no winner. The seat of llama3.3 is empty. The judge (llama3.3) failed: llama3.3 said nothing for 120 s. No candidate was chosen; all of them are kept."
    script.decide(
        None,
        state="split",
        note=note,
        jury=jurors(script, failed=True),
        scores=FITTED,
        labels={"K7": 1, "Q2": 2, "R4": 3},
    )
    return script.close("unjudged", at=123.0)


def jury_reading() -> RunState:
    """The judges of a jury are at work."""
    script = Script(jury=(OPUS, LLAMA))
    script.members()
    script.agreed((1, 2), (3,), answers=("Rayleigh", "scattering"))
    calls = [script.start(ref, 2.6, role="judge", labels={"K7": 1, "Q2": 2, "R4": 3}) for ref in JURY]
    script.say(calls[0], FUSED[:200], "answer")
    script.say(calls[1], '{"scores"')
    return script.state


CASCADE = Selection(escalate=(GPT4O,), agree=0.8)
CHEAP = (LLAMA, GEMINI, Ref("openrouter", "qwen/qwen-2.5-7b-instruct", "qwen"))


def stopped_at_the_vote() -> RunState:
    """The cheap pool agrees: nobody else is asked."""
    script = Script(pool=CHEAP, judge=None, prompt=EGGS, selection=CASCADE)
    script.members([ASKED[0], ASKED[2], "$18"])
    script.agreed((1, 2, 3))
    script.escalated(1.0, needed=False)
    note = "3 of 3 members agree, no less than 80 %: gpt4o was not asked."
    script.decide(ASKED[0], chosen=(1,), state="voted", note=note)
    return script.close(at=3.4)


def last_word() -> RunState:
    """The cheap pool does not agree: the one named for that is asked, and its answer stands."""
    script = Script(pool=CHEAP, judge=None, prompt=EGGS, selection=CASCADE)
    script.members(ASKED)
    script.agreed((1, 3), (2,))
    script.escalated(2 / 3, GPT4O)
    script.reply(GPT4O, ASKED[1], cost="0.02", latency=2.0, at=3.4)
    script.agreed((1, 3), (2, 4), tied=True)
    note = "2 of 3 members agree, less than 80 %, so gpt4o was asked, and its answer stands, unjudged."
    script.decide(ASKED[1], chosen=(4,), state="not-needed", note=note)
    return script.close(at=6.0)


def escalated_and_judged(*, needed: bool = True) -> RunState:
    """Several are asked then, and a judge decides over all."""
    selection = Selection(escalate=(GPT4O, CLAUDE), agree=0.8, escalate_shadow=not needed)
    script = Script(pool=CHEAP, mode="best-of", prompt=EGGS, selection=selection)
    script.members(ASKED if needed else [ASKED[0]] * 3)
    script.agreed(*([(1, 3), (2,)] if needed else [(1, 2, 3)]))
    script.escalated(2 / 3 if needed else 1.0, GPT4O, CLAUDE, needed=needed)
    script.reply(GPT4O, ASKED[1], cost="0.02", latency=2.0, at=3.4)
    script.reply(CLAUDE, "", status="error", error="rate_limit", detail="OpenRouter: too many requests.", cost=None)
    script.agreed(*([(1, 3), (2, 4)] if needed else [(1, 2, 3), (4,)]), tied=needed)
    call = script.start(JUDGE, 5.5, role="judge", labels={"K7": 1, "Q2": 2, "R4": 3, "S5": 4})
    script.say(call, "{}")
    script.end(call, cost="0.0044", latency=2.5)
    script.decide(
        ASKED[1], chosen=(4,), ranking=(4, 1, 2, 3), scores={4: {"correctness": 9.0}, 1: {"correctness": 4.0}}
    )
    return script.close(at=8.0)


def in_shadow() -> RunState:
    """Asked although the cheap pool agrees, to learn what stopping would have saved."""
    return escalated_and_judged(needed=False)


def first_members() -> RunState:
    """A cascade whose cheap members are still writing."""
    script = Script(pool=CHEAP, judge=None, prompt=EGGS, selection=CASCADE)
    calls = [script.start(ref) for ref in CHEAP]
    script.say(calls[0], ASKED[0])
    script.end(calls[0])
    script.say(calls[1], ASKED[1][:10])
    return script.state


def lone_dissenter(count: int = 8) -> RunState:
    """All but one of many say the same, under long names; who served them is told."""
    pool = [
        Ref(
            "openrouter",
            f"vendor/some-rather-long-model-name-{i}-instruct-{70 + i}b",
            f"some-rather-long-model-name-{i}-instruct-{70 + i}b",
            (("temperature", 0), ("reasoning", "high")),
        )
        for i in range(1, count + 1)
    ]
    script = Script(pool=pool, mode="best-of", selection=Selection(checks=("adds_up",)), prompt=EGGS)
    for i, ref in enumerate(pool):
        served: dict[str, Any] = {
            "provider": "DeepInfra" if i % 2 else "Together",
            "quantization": "fp8" if i % 2 else None,
        }
        script.reply(ref, ASKED[1] if i == count - 1 else ASKED[0], **served)
        script.checked(i + 1, passed("adds_up", 0.9 - i / 20))
    script.agreed(tuple(range(1, count)), (count,))
    script.reply(JUDGE, "{}", role="judge")
    scores = {call: {"correctness": 9.0 - call / 4, "clarity": 8.0} for call in range(1, count + 1)}
    script.decide(
        ASKED[0], chosen=(1,), ranking=tuple(range(1, count + 1)), scores=scores, rationale="All but one have it right."
    )
    return script.close()


def hostile_selection(payload: str) -> RunState:
    """Hostile text in what checks, routers, short answers and the judges of a jury say."""
    pool = [Ref("openrouter", payload, f"{payload}{i}", (("system", payload),)) for i in (1, 2, 3)]
    judges = [Ref("openrouter", payload, f"{payload}j{i}") for i in (1, 2)]
    selection = Selection(checks=(payload,), extract=payload, escalate=(Ref("s", payload, f"{payload}e"),))
    script = Script(pool=pool, judge=judges[0], jury=tuple(judges[1:]), selection=selection, prompt=payload)
    for ref in pool:
        reply = script.reply(ref, payload, provider=payload, quantization=payload)
        script.checked(reply.call, barred(payload, payload), CheckOutcome(payload, True, 0.5, 2.0))
    script.agreed((1, 2), (3,), answers=(payload, f"{payload}x"))
    script.escalated(2 / 3, *selection.escalate)
    calls = [script.reply(ref, payload, role="judge").call for ref in judges]
    script.checked(calls[0], barred(payload, payload))
    jury = (
        JurorVerdict(judges[0].name, (calls[0],), "judged", payload, payload, (1,), {1: {payload: 5.0}}, (2, 3), 1.0),
        JurorVerdict(judges[1].name, (calls[1],), "failed", payload, payload),
    )  # fmt: skip
    script.decide(None, state="split", note=payload, rationale=payload, jury=jury, scores={1: {payload: 5.0}})
    return script.close("unjudged", error=None)


EXAMPLES: dict[str, Callable[[], RunState]] = {
    f.__name__: f
    for f in (
        merge, best_of, debate, begun, running, judging, one_failed, all_failed, cancelled, single_survivor, unread,
        unknown_costs, no_costs, many, one, long_texts, demo, demo_running, vote, vote_tied, uncounted, checks_decide,
        none_passed, tried_again, jury, jury_split, jury_reading, stopped_at_the_vote, last_word, escalated_and_judged,
        in_shadow, first_members, lone_dissenter,
    )
}  # fmt: skip


def examples() -> Iterator[tuple[str, RunState]]:
    for name, build in EXAMPLES.items():
        yield name, build()
