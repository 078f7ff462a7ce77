"""The static view and its Markdown twin, as text: what stands in them for each kind of run."""

import json
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fusion_nb.core import Ref, RunState
from fusion_nb.views import bundle, markdown_export, mathml, run_html
from fusion_nb.views.run_html import style_sheet
from tests import states
from tests.page import Page

VECTORS = Path(__file__).parents[1] / "../shared/vectors"
TAGS = {
    "div", "style", "section", "details", "summary", "sup", "i", "b", "tfoot", "h1", "h2", "h3", "h4", "h5", "h6", "p", "br",
    "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span", "table", "thead", "tbody", "tr",
    "th", "td", *mathml.TAGS,
}  # fmt: skip
ATTRIBUTES = {
    "hidden",
    *chain.from_iterable(mathml.ATTRIBUTES.values()),
    "class",
    "href",
    "rel",
    "referrerpolicy",
    "target",
    "title",
    "name",
    "open",
    "style",
    "colspan",
    "start",
    "dir",
}
CLASS = re.compile(r"fusion-nb|fnb-[a-z0-9]+|mathjax_ignore|tex2jax_ignore|jp-toc-ignore")
STYLE = re.compile(r"width:[\d.]+%")
examples = pytest.mark.parametrize("build", states.EXAMPLES.values(), ids=states.EXAMPLES)
ATTACKS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "</style><script>alert(1)</script>",
    "' onmouseover='alert(1)", '" style="position:fixed" x="', "</details></div><h1>Owned</h1>", "javascript:alert(1)",
    "![x](https://evil.example/?q=1)", "[x](javascript:alert(1))", "<a data-commandlinker-command=x>", "⸨\U000f0000⸩",
    "<!--", "]]>", "&lt;script&gt;", "\u202e\x1b]8;;x\x07", "`</code><script>`", "```\n</pre><script>\n```", "|<b>|\n|-|\n|<i>|",
]  # fmt: skip


def view(state: RunState) -> Page:
    return Page(run_html.render_html(state, now=2.0))


def words(state: RunState) -> str:
    """What a person reads where styles are taken away."""
    return Page(re.sub(r"<style>.*?</style>", "", run_html.render_html(state, now=2.0), flags=re.DOTALL)).text


def assert_ours(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag in TAGS, tag
        for name, value in attributes:
            assert name in ATTRIBUTES, (tag, name, value)
            if name == "class":
                assert all(CLASS.fullmatch(one) for one in (value or "").split()), value
            if name == "style":
                assert STYLE.fullmatch(value or ""), value
            if name == "href":
                assert re.match(r"(https?://|mailto:)", value or ""), value


@examples
def test_one_piece_without_script_or_anything_remote(build: Callable[[], RunState]) -> None:
    """In every phase the view holds known tags and attributes only: no script, nothing that is fetched."""
    state = build()
    assert_ours(view(state))
    assert "@import" not in style_sheet()
    assert "url(" not in style_sheet()


@examples
def test_demo_is_said_on_every_view(build: Callable[[], RunState]) -> None:
    """Scripted answers are called so, and real ones are not, in HTML, Markdown and text."""
    state = build()
    for form in bundle(state).values():
        assert ("DEMO" in form) == state.demo


@examples
def test_the_answer_comes_first(build: Callable[[], RunState]) -> None:
    """Before candidates, judge and ledger stands the answer, or why there is none."""
    said = words(build())
    places = [said.index(word) for word in ("nswer", "Candidates", "Judge", "Ledger", "Prompt") if word in said]
    assert places == sorted(places)


@pytest.mark.parametrize("attack", ATTACKS)
def test_whoever_writes_it_it_is_text(attack: str) -> None:
    """The same attack as prompt, name, model, note, error, reason, label, criterion and text changes nothing but text."""
    for state in (states.hostile(attack), states.hostile_running(attack), states.hostile_selection(attack)):
        assert_ours(view(state))
        assert "evil.example/?q" not in run_html.render_html(state).replace(attack, "")


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")
def test_no_attack_on_the_lists_gets_into_the_view() -> None:
    """Every 20th of 7,000 attacks, everywhere at once, leaves the view's tags and attributes as they are."""
    lines = (VECTORS / "xss-payloadbox.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    naughty = json.loads((VECTORS / "blns.json").read_text(encoding="utf-8"))
    for attack in [*filter(None, lines), *naughty][::20]:
        assert_ours(view(states.hostile(attack)))
        assert_ours(view(states.hostile_selection(attack)))


@given(st.text(alphabet=st.sampled_from(list("<>&\"'`[]()!|\\$~#-=/ \nax\u202e\ud800\x1b⸨\U000f0001⸩")), max_size=40))
def test_no_text_breaks_the_view(text: str) -> None:
    """Any text anywhere gives a view, of known parts, that can be sent as UTF-8."""
    for state in (states.hostile(text), states.hostile_running(text), states.hostile_selection(text)):
        assert_ours(view(state))
        for form in bundle(state).values():
            form.encode()


def test_what_stands_on_a_merge() -> None:
    """Rank, mean score, seconds and cost of each candidate; who said which passage; shares; analysis; totals."""
    said = words(states.merge())
    assert "claude · rank 1 · 9.3 · 1.9 s · $0.0031" in said
    assert "more than long ones.[all 3]" in said
    assert "at 650 nm.[claude, gemini] You can check" in said
    assert "claude 62 % gemini 23 % gpt4o 15 %" in said
    for word in ("Consensus", "Contradictions", "Covered by some", "Only one says", "Nobody covers", "Why not violet?"):
        assert word in said
    assert "4 calls · 1,007 tokens · $0.0208" in said
    assert "Why is the sky blue?" in said


def test_citations_cannot_be_forged() -> None:
    """A text that holds what stands for a citation inside gets no chip: chips are the judge's alone."""
    script = states.Script()
    script.members()
    script.judged("Mine ⸨\U000f0000⸩ and ⸨\U000f0001⸩, ⸨&#xF0000;⸩ ⸨&#983040;⸩, theirs [K7].")
    page = run_html.render_html(script.close())
    assert page.count("<sup") == 1
    assert "Mine ⸨\ufffd⸩ and ⸨\ufffd⸩, ⸨\ufffd#xF0000;⸩ ⸨\ufffd#983040;⸩, theirs" in page
    assert page.index("<sup") > page.index("theirs")


def test_a_citation_cannot_break_a_link() -> None:
    """A citation inside a link's title or address leaves the link as it is: no chip ever stands inside a tag."""
    script = states.Script()
    script.members()
    script.judged(
        '[x](https://example.org/a[K7]b "t [K7] <img src=x onerror=alert(1)>") and [y](<https://b.example [K7]> "[K7]").'
    )
    page = run_html.render_html(script.close())
    assert_ours(Page(page))
    links = [dict(attributes) for tag, attributes in Page(page).tags if tag == "a" and "rel" in dict(attributes)]
    assert len(links) == page.count("<a ")
    assert {str(link["href"]) for link in links} >= {"https://example.org/ab", "https://b.example"}
    assert all(set(link) == {"href", "rel", "target", "referrerpolicy"} for link in links)


def test_empty_lists_are_not_shown() -> None:
    """An analysis without contradictions has no heading for them."""
    script = states.Script()
    script.members()
    script.judged(analysis={**states.ANALYSIS, "contradictions": [], "blind_spots": []})
    said = words(script.close())
    assert "Consensus" in said
    assert "Contradictions" not in said
    assert "Nobody covers" not in said


@pytest.mark.parametrize(
    ("build", "sentences"),
    [
        (states.unread, ["No verdict: what the judge wrote could not be read as one.", "I like them all.", "no verdict"]),
        (states.single_survivor, ["Only claude answered, so no judge was paid.", "Answer of claude", "Empty: gemini sent no text."]),
        (states.one_failed, ["Failed: OpenRouter: too many requests", "Cut off: Cut off at max_tokens=200.", "6.4 s · $0.0156", "gpt5 judges and"]),
        (states.all_failed, ["None of the 3 members answered.", "Timed out: gemini said nothing", "Refused: gpt4o refused", "cost unknown"]),
        (states.cancelled, ["Stopped before there was an answer.", "cancelled"]),
        (states.debate, ["claude changed its mind; they still differ", "gemini changed its mind; they agree", "debate, then merge", "Round 0"]),
        (states.no_costs, ["cost unknown", "The pool has one member."]),
        (states.best_of, ["★ claude", "Answer of claude"]),
    ],
)  # fmt: skip
def test_each_end_is_said_in_words(build: Callable[[], RunState], sentences: list[str]) -> None:
    """How a run ended, whose answer it is and what went wrong stand there as sentences."""
    said = words(build())
    for sentence in sentences:
        assert sentence in said


def test_the_best_candidate_that_is_not_the_answer_is_open() -> None:
    """One candidate is open from the start: the best ranked whose text does not stand above, else the first."""
    for build, name in (
        (states.best_of, "gemini"),
        (states.debate, "gpt4o"),
        (states.cancelled, "claude"),
        (states.one, "claude"),
    ):
        opened = re.findall(r"<details[^>]* open>.*?</b>", run_html.render_html(build()))
        assert len(opened) == 1
        assert name in opened[0]


def test_the_same_result_twice_on_a_page() -> None:
    """Each rendering ties its tabs by a name of its own; with a given name it is the same text every time."""
    state = states.merge()
    first, second = (set(re.findall(r' name="([^"]+)"', run_html.render_html(state))) for _ in range(2))
    assert len(first) == len(second) == 1
    assert not first & second
    assert run_html.render_html(state, group="g") == run_html.render_html(state, group="g")


def test_lanes_keep_their_places() -> None:
    """While a run goes on, members stand in the order of the pool from the first moment, the judge last."""
    orders = [
        re.findall(r"fnb-m\d\">([^<]+)</b>", run_html.render_html(build(), now=1.0))
        for build in (states.begun, states.running, states.judging)
    ]
    assert orders == [["claude", "gemini", "gpt4o", "gpt5"]] * 3


def test_a_running_view_says_how_far_it_is() -> None:
    """State, seconds, characters (not tokens) until the service has counted, cost, last words; what is not known is a dash."""
    said = words(states.running())
    assert "claude · done · 1.9 s · 210 tokens · $0.0031" in said
    assert "gemini · writing · 2.0 s · 300 characters · —" in said
    assert "gpt4o · waiting, attempt 2 · 2.0 s" in said
    assert "$0.0031 so far" in said
    assert "the blue is gone before it arrives." in said


def test_the_answer_streams_with_its_citations() -> None:
    """The draft is shown as it grows; a citation that is only half there is not."""
    said = words(states.judging())
    assert "far more than long ones.[all 3]" in said
    assert "[K7" not in said
    script = states.Script()
    script.members()
    call = script.start(states.JUDGE, role="judge", labels={"K7": 1})
    script.say(call, "The sky is blue [K", "answer")
    assert "The sky is blue\n" in words(script.state)


def test_prices_are_no_formulas() -> None:
    """MathJax is kept from all of a view: a ledger full of dollars stays a ledger, and formulas are MathML already."""
    page = run_html.render_html(states.merge())
    assert page.startswith('<div class="fusion-nb mathjax_ignore tex2jax_ignore">')
    assert re.findall(r'class="fnb-tex">([^<]*)<', page)[:1] == ["$1/\\lambda^4$"]


def test_headings_of_models_stay_out_of_the_outline() -> None:
    """A notebook's table of contents is its author's: no heading of ours or a model's is listed."""
    headings = [attributes for tag, attributes in view(states.long_texts()).tags if re.fullmatch("h[1-6]", tag)]
    assert len(headings) > 5
    assert all("jp-toc-ignore" in str(dict(attributes)["class"]) for attributes in headings)


def test_styles_stay_inside() -> None:
    """Every rule of the sheet stands under our own class: the notebook's page looks as before."""
    rules = re.sub(r"/\*.*?\*/", "", style_sheet())
    depth, selectors, start = 0, [], 0
    for place, character in enumerate(rules):
        if character == "{":
            if depth == 0:
                selectors.append(rules[start:place])
            depth += 1
        elif character == "}":
            depth -= 1
            start = place + 1
    assert depth == 0
    assert all(".fusion-nb" in part for selector in selectors for part in re.split(r",(?![^(]*\))", selector))


def test_a_result_carries_the_rules_it_needs() -> None:
    """A notebook, and its export as Markdown, keeps a copy with every result: no rule for what is not in it."""
    sizes = {}
    for name, build in states.EXAMPLES.items():
        view, _, css = run_html.render_html(build(), now=2.0).partition("<style>")
        ours = set(re.findall(r"fnb-[a-z]+\d?\b", style_sheet()))
        needed = ours & set(re.findall(r"fnb-[a-z]+\d?\b", view))
        assert all(f".{one}" in css for one in needed), name
        assert css.count("{") == css.count("}")
        assert "{}" not in css
        sizes[name] = len(css)
    assert sizes["one"] < 0.7 * len(style_sheet())
    assert ".fnb-lanes" not in run_html.render_html(states.merge()).partition("<style>")[2]
    assert ".fnb-scores" not in run_html.render_html(states.one()).partition("<style>")[2]


def reader(text: str) -> set[str]:
    """What CommonMark's most permissive reader finds, without the tags we put around code."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    ours = r"</?code>|\s*<pre><code>[^<]*</code></pre>\s*"
    return {
        t.type
        for t in (*tokens, *(c for token in tokens for c in token.children or ()))
        if not re.fullmatch(ours, t.content)
    }


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_markdown_form_is_safe_to_show(attack: str) -> None:
    """Where only Markdown is shown, model text holds no HTML and no image, in any place."""
    for state in (states.hostile(attack), states.hostile_running(attack), states.hostile_selection(attack)):
        assert not reader(markdown_export.to_markdown(state)) & {"html_block", "html_inline", "image"}


@given(st.text(alphabet=st.sampled_from(list('<>!`~[]()\\ab/#>-*\n \t="&')), max_size=60))
def test_no_text_is_html_in_markdown(text: str) -> None:
    """Whatever fences, code spans and escapes a text opens, it comes out without HTML or images."""
    embedded = markdown_export.embed_markdown(text)
    assert not reader(embedded) & {"html_block", "html_inline", "image"}
    assert not reader(f"{embedded}\n\n# after") - reader(embedded) - {"heading_open", "heading_close", "inline", "text"}
    assert "heading_open" in reader(f"{embedded}\n\n# after")


def test_the_markdown_form_has_everything() -> None:
    """Answer first and to the letter, then rationale, candidates as sections, and the ledger as a table."""
    state = states.merge()
    text = bundle(state)["text/markdown"]
    heads = re.findall(r"^#+ .*$", text, re.MULTILINE)
    assert [h.split(" · ")[0] for h in heads] == [
        "## Fused answer",
        "## Judge",
        "### claude",
        "### gemini",
        "### gpt4o",
        "## Ledger",
    ]
    assert (state.answer or "").strip() in text
    assert "| 4 | gpt5 | judge |" in text
    code = '> def scattered(wavelength: float, reference: float = 650) -> float:\n>     """How much'
    assert code in text


def test_one_member_and_eight() -> None:
    """A pool of one has no judge and no ranking; of eight, each has its own colour."""
    alone = words(states.one())
    assert "rank" not in alone
    assert "No judge was asked. The pool has one member." in alone
    page = run_html.render_html(states.many(8))
    assert {f"fnb-m{i}" for i in range(8)} <= set(re.findall(r"fnb-m\d", page))
    assert run_html.render_html(states.many(20)).count("<details name") == 20


def test_a_member_that_is_also_named_like_another_place() -> None:
    """Names are text: a model called `open` or `name` is still just a name."""
    script = states.Script(pool=[Ref("s", "m", '" open name="x')])
    script.reply(script.state.pool[0], "x")
    assert_ours(view(script.close()))


def test_no_text_stands_open_twice() -> None:
    """Of a pool of one the open tab says where its text is; a tab that has to be opened has it whole."""
    assert words(states.one()).count("The sky is blue because air") == 1
    assert "Its text is the answer above." in words(states.one())
    assert words(states.best_of()).count("The sky is blue because air") == 2
    assert "Its text is" not in words(states.best_of())


def test_good_news_is_no_warning() -> None:
    """What was kept or served without paying is told calmly; a caution stays one."""
    kept = "Kept from run 20260301T101500-5f2a9c01de, not asked and not paid again: claude."
    served = "From the journal: run 20260301T101500-5f2a9c01de. Nothing was asked, nothing paid."
    caution = "gpt5 judges and is a member of the pool."
    script = states.Script(notes=(kept, caution, served))
    script.members()
    script.judged()
    page = run_html.render_html(script.close())
    assert re.findall(r'<li class="fnb-good">([^<]*)</li>', page) == [kept, served]
    assert f"<li>{caution}</li>" in page


def test_long_names_are_cut_in_the_middle() -> None:
    """Two names with one beginning are told apart in tabs, lanes, chips and scores; the title has the whole name."""
    start = "openrouter:meta-llama/llama-3.3-70b-instruct"
    pool = [Ref("openrouter", f"{start}{end}", f"{start}{end}") for end in ("-turbo-fp8", "-reference-fp16")]
    script = states.Script(pool=pool)
    script.members()
    script.judged("Blue [K7]. Also blue [Q2].", {"K7": 1, "Q2": 2}, ranking=(1, 2), analysis=None)
    running = states.Script(pool=pool)
    running.start(pool[0])
    for page in (run_html.render_html(script.close()), run_html.render_html(running.state)):
        assert "turbo-fp8</" in page
        assert "reference-fp16</" in page
        assert page.count(f'title="{pool[0].label}"') >= 1
        assert f">{pool[0].label}<" not in page.split("Ledger")[0]
    assert ">claude<" in run_html.render_html(states.merge())


def test_text_of_every_direction() -> None:
    """Answers, candidates and the prompt stand on the side where their writing begins, whatever the notebook's is."""
    script = states.Script(prompt="למה השמיים כחולים?")
    script.members(["השמיים כחולים.", "C++ עדיף!", "Blue."])
    script.judged("השמיים כחולים [K7].")
    page = run_html.render_html(script.close())
    for text in ("השמיים כחולים", "C++ עדיף!", "למה השמיים כחולים?"):
        tag = page[: page.index(text)].rpartition(" dir=")[2]
        assert tag.startswith(('"auto">', '"rtl">'))


def test_a_run_of_own_functions_is_not_called_unpriced() -> None:
    """No service bills a function: it is no unpriced call of the head, and a service's unknown cost still is one."""
    mine, corp = Ref("python", "mine", "mine"), Ref("corp", "theirs", "theirs")
    for pool, said in (
        ((mine, states.CLAUDE), "2 models · judge gpt5 · 6.4 s · $0.0125"),
        ((mine, corp), "≥ $0.0094, 1 call unpriced"),
    ):
        script = states.Script(pool=pool)
        for ref in pool:
            script.reply(ref, "Blue.", cost="0.0031" if ref == states.CLAUDE else None, tokens=None)
        script.judged("Blue [K7].", {"K7": 1}, ranking=(1, 2), scores={}, analysis=None)
        assert said in words(script.close())
    alone = states.Script(pool=(mine,), judge=None)
    alone.reply(mine, "42", cost=None, tokens=None)
    head = words(alone.close()).split("\n")[0]
    assert "unknown" not in head
    assert "$" not in head
