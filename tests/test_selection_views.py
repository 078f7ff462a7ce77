"""How an answer was found beside a judge, as every view shows it: checks, votes, agreement, a cascade, a jury."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Agreement, JurorVerdict, RunState, Selection, Verdict
from fusion_nb.views import bundle, run_html, verdict_wording
from fusion_nb.views.run_text import headline
from tests import states
from tests.page import Page
from tests.shell import Shell


def words(state: RunState) -> str:
    """What a person reads of the HTML view."""
    return Page(re.sub(r"<style>.*?</style>", "", run_html.render_html(state, now=4.0), flags=re.DOTALL)).text


def forms(state: RunState) -> dict[str, str]:
    """Every form of a run, as it is read: without Markdown's backslashes."""
    markdown = re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", bundle(state)["text/markdown"])
    return {"html": words(state), "markdown": markdown, "text": bundle(state)["text/plain"]}


def agreeing(*groups: tuple[int, ...], **more: Any) -> RunState:
    script = states.Script(pool=(*states.POOL, states.LLAMA, states.OPUS)[: more.pop("pool", 3)])
    script.members(["x"] * len(script.state.pool))
    script.agreed(*groups, **more)
    return script.state


# ---- the headline


@pytest.mark.parametrize(
    ("build", "head"),
    [
        (states.merge, "merge: 3 models, judge gpt5, 6.4 s"),
        (states.jury, "merge: 3 models, judges gpt5, opus and llama3.3, 7.1 s"),
        (states.vote, "vote: 3 models, 3.4 s"),
        (states.checks_decide, "best-of: 3 models, 3.9 s"),
        (states.stopped_at_the_vote, "merge: 3 models, not escalated, 3.4 s"),
        (states.last_word, "merge: 4 models, escalated to gpt4o, 6.0 s"),
        (states.escalated_and_judged, "best-of: 4 of 5 models, judge gpt5, escalated to gpt4o and claude, 8.0 s"),
        (states.in_shadow, "best-of: 4 of 5 models, judge gpt5, escalated to gpt4o and claude in shadow, 8.0 s"),
        (states.first_members, "merge: 3 models, $0.0031 so far"),
    ],
)
def test_the_headline_names_who_decided(build: Callable[[], RunState], head: str) -> None:
    """One judge, a jury, nobody in a vote and where no judge had to be asked; whether a cascade went on, and to whom."""
    state = build()
    assert headline(state).startswith(head)
    said = head.replace(": ", " · ", 1)
    for part in re.split(r", (?!opus)", said):
        assert part in words(state)


def test_a_judge_that_broke_a_tie_is_named() -> None:
    """A vote names its judge only where the judge was asked."""
    script = states.Script(mode="vote", prompt=states.EGGS)
    script.members(states.ASKED)
    assert "judge" not in headline(script.state)
    script.reply(states.JUDGE, "{}", role="judge")
    assert "judge gpt5" in headline(script.state)


# ---- agreement


@pytest.mark.parametrize(
    ("state", "phrase"),
    [
        (agreeing((1, 2, 3)), "3 of 3 agree"),
        (agreeing((2, 3), (1,)), "2 of 3 agree: claude differs"),
        (agreeing((1, 2), (3, 4), tied=True, pool=4), "2 of 4 agree, a tie: gpt4o and llama3.3 differ"),
        (agreeing((1, 2), unknown=(3,)), "2 of 3 agree; gpt4o gave no short answer"),
        (agreeing((1,), (2,), (3,), tied=True), "no two agree, a tie"),
        (agreeing((1, 2), asked=3), "2 of 3 agree"),
        (agreeing((1,), unknown=(2, 3)), ""),
        (agreeing(unknown=(1, 2, 3)), ""),
    ],
)
def test_agreement_in_one_phrase(state: RunState, phrase: str) -> None:
    """Who agrees and who does not, ties and silence said; nothing, and no number, where it is not known."""
    assert verdict_wording.agreement(state) == phrase
    said = words(state)
    assert (phrase in said) if phrase else ("agree" not in said)


@pytest.mark.parametrize("build", [states.vote, states.vote_tied, states.last_word, states.lone_dissenter])
def test_the_dissenter_is_always_shown(build: Callable[[], RunState]) -> None:
    """In every form the phrase names whoever differs, and its tab has a badge; nobody else's has."""
    state = build()
    assert state.agreement is not None
    names = [state.reply(call).ref.name for call in state.agreement.dissenters]
    for form, text in forms(state).items():
        line = next(line for line in re.split(r"\n| · ", text) if "agree" in line)
        assert all(name[:8] in line for name in names), form
        assert "differ" in line
    badged = re.findall(r"<summary>(?:(?!</summary>).)*fnb-differs", run_html.render_html(state))
    assert len(badged) == len(names)
    markdown = bundle(state)["text/markdown"]
    assert len(re.findall(r"^### .*· differs$", markdown, re.MULTILINE)) == len(names)


def test_many_dissenters_leave_room_for_the_answer() -> None:
    """Of more names than a line holds three are said and the rest counted."""
    state = states.many(8)
    found = Agreement(8, ((1, 2), *((call,) for call in range(3, 9))), ("1",))
    phrase = verdict_wording.agreement(replace(state, agreement=found))
    assert phrase == "2 of 8 agree: model-3, model-4, model-5 and 3 more differ"


def test_each_tab_says_its_short_answer() -> None:
    """`says 18` stands on the tab; in the row of tabs only where the answers differ and are short."""
    tabs = re.findall(r"<summary>(.*?)</summary>.*?fnb-meta\">(.*?)</p>", run_html.render_html(states.vote()))[:3]
    assert [("says 18" in head, "says 26" in head) for head, _ in tabs] == [(True, False), (False, True), (True, False)]
    assert ["says 26" in meta for _, meta in tabs] == [False, True, False]
    agreed = re.findall(
        r"<summary>(.*?)</summary>.*?fnb-meta\">(.*?)</p>", run_html.render_html(states.stopped_at_the_vote())
    )
    assert [("says" in head, "says 18" in meta) for head, meta in agreed[:3]] == [(False, True)] * 3
    long = agreeing((1, 2), (3,), answers=("z" * 150, "no"))
    assert "z" * 61 not in run_html.render_html(replace(long, status="ok"))


# ---- checks


def test_checks_have_a_mark_and_a_reason() -> None:
    """Each candidate is marked where its name stands; which check failed and why, and the scores, stand on its tab."""
    state = states.checks_decide()
    for form, text in forms(state).items():
        for piece in (
            "adds_up raised ValueError: 13 × 2 is not what 16 - 3 - 4 gives",
            "is_short: 0.90 (weight 2)",
            "2.4 s",
        ):
            assert piece in text, form
    tabs = re.findall(r"<summary>.*?</summary>", run_html.render_html(state))[:3]
    assert ['<span class="fnb-pass">✓ passed (0.90)</span>' in tab for tab in tabs] == [True, False, False]
    assert ['<span class="fnb-fail">✗ failed</span>' in tab for tab in tabs] == [False, True, False]
    markdown = bundle(state)["text/markdown"]
    assert "### gemini · ✗ failed · 2.6 s" in markdown
    assert "Checks: No judge was asked. claude has the highest score" in bundle(state)["text/plain"]


def test_where_no_check_ran_there_is_no_mark() -> None:
    """A run without checks looks as before."""
    for text in forms(states.best_of()).values():
        assert not set("✓✗") & set(text)


def test_earlier_tries_and_the_merged_text_are_shown_with_their_checks() -> None:
    """What a member wrote before it was told to try again is kept below, with why it failed; the merge has its own."""
    state = states.tried_again()
    said = words(state)
    assert re.search(r"First try.*✗ is_short said no", said, re.DOTALL)
    assert "Your checks of the merged answer:" in said
    assert "candidate, try 2" in said
    assert "the merged answer: ✓ is_short" in bundle(state)["text/plain"]
    assert "Your checks of the merged answer:\n\n- ✓ is\\_short" in bundle(state)["text/markdown"]


# ---- what is left to do


@pytest.mark.parametrize(
    ("build", "why", "step"),
    [
        (states.none_passed, "No candidate passed your checks", "%fuse --rejudge RUN --check none"),
        (states.jury_split, "the judges disagree", "%fuse --rejudge RUN --judge NAME"),
        (states.uncounted, "No short answer was found", "%fuse --rejudge RUN --mode best-of --judge NAME"),
        (states.unread, "there is no verdict", "%fuse --rejudge RUN"),
    ],
)
def test_a_run_without_an_answer_says_what_to_do(build: Callable[[], RunState], why: str, step: str) -> None:
    """Why there is none, once, and the command that goes on from there, in every form."""
    state = build()
    step = step.replace("RUN", state.run)
    for form, text in forms(state).items():
        assert why in text, form
        assert step in text, form
    for sentence in ("so no answer is claimed", "No short answer was found"):
        assert words(state).count(sentence) <= 1
    assert f"<code>{step}</code>" in run_html.render_html(state)


@pytest.fixture
def shell() -> Iterator[Shell]:
    started = Shell()
    yield started
    started.close()


def test_the_commands_for_failed_checks_work(shell: Shell) -> None:
    """What a card advises is what a person can type next, and it gives an answer."""
    shell.run("def never(text): return False")
    shell.run(
        "%%fuse --pool demo --check never -o first\nHow many times does the letter r occur in the word strawberry?"
    )
    state = shell.run("import fusion_nb; fusion_nb.last()").value
    assert state.verdict.state == "none-passed"
    (command,) = re.findall(r"`(%fuse [^`]*)`", verdict_wording.next_step(state))
    ran = shell.run(command)
    assert ran.error is None
    again = shell.run("fusion_nb.last()").value
    assert again.of == state.run
    assert again.answer is not None


# ---- the cascade


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (states.stopped_at_the_vote, "3 of 3 members agree, no less than 80 %: gpt4o was not asked."),
        (
            states.last_word,
            "2 of 3 members agree, less than 80 %, so gpt4o was asked, and its answer stands, unjudged.",
        ),
        (states.escalated_and_judged, "2 of 3 members agree, less than 80 %, so gpt4o and claude were asked."),
        (states.in_shadow, "3 of 3 members agree, no less than 80 %; gpt4o and claude were asked all the same"),
    ],
)
def test_a_cascade_says_what_it_found_and_whom_it_asked(build: Callable[[], RunState], sentence: str) -> None:
    """In every form, and once: the verdict's own note is not repeated."""
    for form, text in forms(build()).items():
        assert text.count(sentence) == 1, form
        assert text.count("members agree") == 1, form


def test_an_unknown_agreement_is_said_to_be_unknown() -> None:
    """No share is made up where the members' answers cannot be compared."""
    script = states.Script(pool=states.CHEAP, selection=states.CASCADE)
    script.members()
    script.agreed(unknown=(1, 2, 3))
    script.escalated(None, states.GPT4O, voted=None)
    for state in (script.state, script.close("cancelled")):
        assert "Whether the members agree is not known, so gpt4o was asked." in words(state)
        assert "of 3 members" not in words(state)


def test_the_lanes_of_a_cascade_keep_their_places() -> None:
    """Whom it may ask has a lane from the start, the same one when it is asked; it says that it may never be."""
    before = states.first_members()
    script = states.Script(pool=states.CHEAP, judge=None, selection=states.CASCADE)
    script.members(states.ASKED)
    script.escalated(2 / 3, states.GPT4O)
    script.start(states.GPT4O)
    orders = [
        re.findall(r"<li class=\"fnb-o[a-z]+\".*?>([^<]+)</b>", run_html.render_html(s)) for s in (before, script.state)
    ]
    assert orders == [["llama3.3", "gemini", "qwen", "gpt4o"]] * 2
    hues = [re.search(r'fnb-name (fnb-m\d)">gpt4o', run_html.render_html(s)) for s in (before, script.state)]
    assert [hue and hue[1] for hue in hues] == ["fnb-m3"] * 2
    assert "gpt4o · asked only where the others differ" in words(before)
    assert "asked only where the others differ" in bundle(before)["text/plain"]


# ---- the jury


def test_each_judge_has_its_own_verdict() -> None:
    """Name, whom it puts first, whom it may not score and why, scores and reasons of each, in every form; its reasons
    once."""
    state = states.jury()
    for form, text in forms(state).items():
        for piece in ("gemini is right, and", "at its second try", "It may not score claude, of its own family."):
            assert text.count(piece) == 1, (form, piece)
        assert text.count("is the most complete: it gives the law") == 1
    jurors = re.findall(r'<details class="fnb-juror">(.*?)</details>', run_html.render_html(state), re.DOTALL)
    assert [re.search(r">([^<]+)</b>", one)[1] for one in jurors] == ["gpt5", "opus", "llama3.3"]  # type: ignore[index]
    assert ["fnb-scores" in one for one in jurors] == [True] * 3
    together = re.findall(r"gemini\s+9\.3\s+8\.7\s+5\.5\s+9\.2", bundle(state)["text/plain"])
    assert len(together) == 1
    assert "claude9.810.29.48.5–9.3" in words(state)


def test_an_own_model_is_told_from_its_family() -> None:
    """Why a judge may not score a candidate: it is the very model, or akin to it."""
    script = states.Script(pool=(states.OPUS, states.CLAUDE), judge=replace(states.OPUS, label="opus judge"))
    script.members(["a", "b"])
    juror = JurorVerdict("opus judge", (), "judged", recused=(1, 2))
    script.decide("a", jury=(juror,), note="One.")
    said = words(script.close())
    assert "It may not score opus, of its own model; nor claude, of its own family." in said


def test_judges_that_disagree_are_a_result() -> None:
    """It is said where the answer would stand, in the headline and beside the judges; an empty seat is said too."""
    state = states.jury_split()
    page = run_html.render_html(state)
    assert '<p class="fnb-warn">No answer, because the judges disagree.' in page
    assert '<span class="fnb-unjudged">the judges disagree</span>' in page
    assert '<p class="fnb-warn">The judges disagree: gpt5 finds claude best, opus finds gemini best' in page
    assert re.search(r'fnb-isbad"[^>]*>llama3\.3</b><span class="fnb-facts"><i> · </i>failed', page)
    for form, text in forms(state).items():
        assert "The seat of llama3.3 is empty." in text, form
        assert text.count("The judges disagree: gpt5") == 1, form


def test_judges_that_disagree_beside_a_written_answer() -> None:
    """A merge stands although its judges disagree who is best, and that is as prominent."""
    note = "The judges disagree: a finds x best, b finds y best, so none of the candidates counts as best."
    script = states.Script(jury=(states.OPUS,))
    script.members()
    script.decide("Blue.", note=note, jury=(JurorVerdict("gpt5", (4,), "judged"),))
    page = run_html.render_html(script.close())
    assert f'<p class="fnb-warn">{note}</p>' in page
    assert page.count("The judges disagree") == 1


def test_every_judge_has_a_lane() -> None:
    """While a jury reads each of its judges has a place, behind the members; only the first writes the answer."""
    said = words(states.jury_reading())
    assert "gpt5 · judge · writing the answer" in said
    assert "opus · judge · writing the verdict" in said
    assert "llama3.3 · judge · reading" in said
    assert "gpt4o · done, differs" in said
    lines = bundle(states.jury_reading())["text/plain"].split("\n")
    assert [line.split()[0] for line in lines[2:8]] == ["claude", "gemini", "gpt4o", "gpt5", "opus", "llama3.3"]


def test_a_lane_shows_why_a_check_failed() -> None:
    """A member that failed a check says so while the others still write."""
    script = states.Script(selection=Selection(checks=("adds_up",), deeper=1))
    script.members()
    script.checked(1, states.barred("adds_up", "adds_up raised ValueError: <no>"))
    script.checked(2, states.passed("adds_up"))
    again = script.start(states.CLAUDE, round=1)
    script.say(again, "Once more")
    said = words(script.state)
    assert "claude · try 2, writing" in said
    assert "gemini · done, ✓ passed" in said
    script.end(again)
    script.checked(again, states.barred("adds_up", "adds_up raised ValueError: <no>"))
    assert "claude · try 2, done, ✗ failed" in words(script.state)
    assert "✗ adds_up raised ValueError: <no>" in words(script.state)


# ---- who served it, and how it was asked


def test_a_tab_says_who_served_it_and_how_it_was_asked() -> None:
    """The upstream a router names, the weights it used, and a member's own settings stand above its text."""
    said = words(states.lone_dissenter())
    assert "instruct-72b · via DeepInfra (fp8) · temperature=0, reasoning=high · 210 tokens" in said
    assert " · via Together · temperature=0" in said


def test_a_judges_own_settings_are_shown() -> None:
    """How a judge was asked stands with its name."""
    script = states.Script(judge=replace(states.JUDGE, options=(("reasoning", "low"),)))
    script.members()
    script.judged()
    assert "gpt5 (reasoning=low)" in words(script.close())


def test_a_verdict_of_any_state_is_told_in_words() -> None:
    """No state leaves a view without words, and none says twice that no judge was asked."""
    state = states.merge()
    for kind in ("split", "voted", "checked", "none-passed", "undecided", "not-needed", "failed", "unread", "by-hand"):
        for note in ("", "All are the same text, so no judge was asked.", "Its answer stands, unjudged."):
            verdict = Verdict(answer=None, state=kind, note=note)  # type: ignore[arg-type]
            ended = replace(state, verdict=verdict, status="unjudged")
            assert "No answer" in words(ended) or note in words(ended) or "No candidate" in words(ended)
            assert len(re.findall(r"no judge was asked", words(ended), re.IGNORECASE)) <= 1


def test_one_member_and_eight() -> None:
    """The smallest and a large pool look alike: one phrase, one tab each."""
    one = states.Script(pool=(states.CLAUDE,), judge=None, selection=Selection(checks=("is_short",)))
    one.members(["42"])
    one.checked(1, states.passed())
    one.agreed((1,), answers=("42",))
    one.decide("42", chosen=(1,), state="not-needed", note="claude was asked alone.")
    assert "agree" not in words(one.close())
    assert "✓ passed" in words(one.state)
    assert "7 of 8 agree: some-rather-lon…e-8-instruct-78b differs" in words(states.lone_dissenter())


@pytest.mark.parametrize("option", ["--check len", "--check bool", "--extract str"])
def test_a_function_of_pythons_own_is_no_check(shell: Shell, option: str) -> None:
    """What it gives says nothing of an answer: the sentence says how it becomes one, and nothing is asked."""
    before = len(fusion_nb.runs())
    told = shell.run(f"%fuse --pool demo:swift {option} Hi").text
    assert f"{option.partition(' ')[2]} is Python's own" in told
    assert "write a function of yours that calls it" in told
    assert len(fusion_nb.runs()) == before
