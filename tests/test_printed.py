"""Whatever is printed: no text of a model, a service, a name or a prompt can act on a terminal."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import errors
from fusion_nb.accounts.forecast_types import ContextProblem, Forecast, ForecastLine
from fusion_nb.accounts.token_counts import Range
from fusion_nb.core import Ref, RunState
from fusion_nb.journal.run_rows import RunRow
from fusion_nb.resolve import estimate
from fusion_nb.views import bundle, escape
from fusion_nb.views.dataframes import frame, models_frame, runs_frame
from tests import states
from tests.attacks import CONTROLS
from tests.shell import Shell
from tests.site import Site

ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
ALL = "".join(CONTROLS)
GROUPS = (
    " ".join(CONTROLS[:32]),
    " ".join(CONTROLS[32:63]),
    " ".join(CONTROLS[63:]),
    ALL,
    CONTROLS[0],
    "\x1b]52;c;ZXZpbA==\x07",
    "\ud800",
)
each = pytest.mark.parametrize("attack", GROUPS, ids=["c0", "c1", "sequences", "all", "nul", "clipboard", "surrogate"])


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    """As wide as it gets: nothing is saved by a column that is left out, or a text that is cut."""
    names = ("display.width", "display.max_columns", "display.max_colwidth", "display.max_rows")
    with pd.option_context(*(part for name in names for part in (name, None))):
        yield


def hostile(attack: str) -> list[RunState]:
    return [states.hostile(attack), states.hostile_running(attack)]


@pytest.mark.parametrize("attack", CONTROLS, ids=range(len(CONTROLS)))
def test_each_control_is_shown(attack: str) -> None:
    """One by one, in text, on a line, in a table: what would act is shown, and the letters around it are all there."""
    for made in (escape.safe_text(attack), escape.safe_line(attack), escape.safe_cell(attack)):
        assert not ACTING.search(made)
        assert "[U+" in made or "\ufffd" in made
        letters = re.sub(r"[^a-zA-Z0-9;:.?]", "", ACTING.sub("", attack))
        assert re.sub(r"[^a-zA-Z0-9;:.?]", "", re.sub(r"\[U\+[^\]]*\]|\ufffd", "", made)) == letters


@each
def test_a_frame_can_be_printed(attack: str) -> None:
    """`df`, its texts one by one, its attributes and what `df.fusion` makes of it."""
    for state in hostile(attack):
        df = frame(state)
        said = [
            repr(df),
            str(df),
            df.to_string(),
            df.T.to_string(),
            str(df.attrs),
            *df.text,
            *df.label,
            df.fusion.by_member().to_string(),
        ]
        said += [
            df.fusion.timeline().to_string(),
            repr(df.fusion.cost()),
            *map(str, df.attrs.values()),
            json.dumps(df.attrs, ensure_ascii=False),
        ]
        assert [text for text in said if ACTING.search(text)] == []
        assert "[U+" in str(df.text[0]) or "\ufffd" in str(df.text[0])


@each
def test_a_result_can_be_printed(attack: str) -> None:
    """`print(result)`, its Markdown, and the `repr` of it, its replies, its verdict and every event."""
    for state in hostile(attack):
        result = fusion_nb.FusionResult(**{name: getattr(state, name) for name in state.__dataclass_fields__})
        said = [
            str(result),
            repr(result),
            result.to_markdown(),
            *map(repr, result.replies),
            repr(result.verdict),
            repr(result.analysis),
            repr(result.pool),
        ]
        assert [text for text in said if ACTING.search(text)] == []
        assert not ACTING.search(bundle(state)["text/plain"])


@each
def test_past_runs_and_models_can_be_printed(attack: str) -> None:
    """What `%fuse_runs` and `%fuse_models` give, whoever wrote the journal or the catalogue."""
    row = RunRow(attack, "2026-03-01T10:15:00+00:00", attack, attack, (attack,), attack, attack, Decimal(1), of=attack)

    class Model:
        ref = Ref("acme", attack)
        name = source = created = alias = attack
        modalities = (attack,)
        context = prompt_usd_per_mtok = completion_usd_per_mtok = None

    for df in (runs_frame([row]), models_frame([Model()])):
        assert not ACTING.search(df.to_string())
        assert not ACTING.search("".join(str(value) for value in df.iloc[0]))


def estimate_of(attack: str) -> estimate.Estimate:
    """An estimate whose every word is somebody else's."""
    many: Range[int] = Range(1, 2)
    line = ForecastLine(attack, "candidate", Ref("acme", attack), Range(1, 1), many, many, None, None, attack, attack)
    return estimate.Estimate(Forecast((line,), (ContextProblem(attack, True, attack),)), (attack,))


@each
def test_an_estimate_can_be_printed(attack: str) -> None:
    """`%%fuse --dry-run`: table, notes and problems."""
    found = estimate_of(attack)
    for text in (str(found), repr(found), found.frame().to_string()):
        assert not ACTING.search(text)


TABLES = r"""
import io, sys
print("pandas" in sys.modules)
import fusion_nb, pandas as pd
formula = r"$\def\pi{4}$"
def evil(prompt): return formula
def judge(prompt): return formula
result = fusion_nb.fuse(formula, pool=[evil, evil], judge=judge)
df = result.frame()
runs = fusion_nb.runs()
pickled = io.BytesIO(); df.to_pickle(pickled); pickled.seek(0)
shown = {
    "calls": df, "one column": df[["text"]], "joined": pd.concat([df, df]), "sorted": df.sort_values("call").head(2),
    "grouped": df.groupby("label")[["text"]].first().reset_index(), "merged": df.merge(df, on="run", suffixes=("", "_2")),
    "pickled": pd.read_pickle(pickled), "runs": runs, "models": fusion_nb.models(), "styled": df[["label", "text"]].style,
}
others = {"a person's own": pd.DataFrame({"x": [formula]}), "styled": pd.DataFrame({"x": [formula]}).style}
"""


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def html_of(shell: Shell, expression: str) -> str:
    return str(shell.ip.display_formatter.format(shell.ip.ev(expression))[0]["text/html"])


def test_a_table_of_ours_is_no_place_for_formulas(shell: Shell) -> None:
    """Calls, parts of them, runs and models stand where MathJax does not look; a person's own tables as without us."""
    ran = shell.run(TABLES)
    assert ran.error is None, ran.text
    for name in shell.ip.user_ns["shown"]:
        assert html_of(shell, f"shown[{name!r}]").startswith('<div class="mathjax_ignore tex2jax_ignore">'), name
    for name in shell.ip.user_ns["others"]:
        assert "mathjax_ignore" not in html_of(shell, f"others[{name!r}]").split(">")[0]


def test_a_formatter_of_a_persons_own_stays(shell: Shell) -> None:
    """One that a person sets before or after us shows every table; what it says of ours is kept from MathJax."""
    html = shell.ip.display_formatter.formatters["text/html"]
    html.for_type(pd.DataFrame, lambda table: "<p>early</p>")
    shell.run(TABLES)
    assert html_of(shell, "df") == '<div class="mathjax_ignore tex2jax_ignore"><p>early</p></div>'
    assert html_of(shell, """others["a person's own"]""") == "<p>early</p>"
    html.for_type(pd.DataFrame, lambda table: "<p>late</p>")
    assert html_of(shell, "df") == "<p>late</p>"
    assert html_of(shell, "result.frame()") == '<div class="mathjax_ignore tex2jax_ignore"><p>late</p></div>'


def test_the_extension_does_not_load_pandas_for_it() -> None:
    """In a fresh process `%load_ext` knows tables by their name alone, and the first one is shown as it should."""
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance()\n"
        "s.run_line_magic('load_ext', 'fusion_nb'); assert 'pandas' not in sys.modules and 'markdown_it' not in sys.modules\n"
        "import pandas; df = pandas.DataFrame({'run': ['r'], 'call': [1], 'text': ['$x$']})\n"
        "html = s.display_formatter.format(df)[0]['text/html']; assert html.startswith('<div class=\"mathjax_ignore'), html\n"
        "s.run_line_magic('reload_ext', 'fusion_nb'); assert s.display_formatter.format(df)[0]['text/html'] == html\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@each
def test_an_error_can_be_printed(attack: str) -> None:
    """A sentence that quotes a name or a service is shown with what would act by its number, in every `%xmode`."""
    for error in (fusion_nb.UserError(attack), fusion_nb.RunFailed(attack), errors.ProviderError("auth", attack)):
        for text in (str(error), repr(error), *error._render_traceback_()):
            assert not ACTING.search(text)
    unknown = errors.UnknownName("model", attack, [attack, f"{attack}x"], attack)
    assert not ACTING.search(str(unknown))


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@each
def test_a_service_cannot_write_to_the_log_or_the_catalogue(attack: str, site: Site, caplog: Any) -> None:
    """A model list full of escapes, over real HTTP with the client's log at its loudest: none comes out anywhere."""
    rows = [
        {"id": f"acme/{attack}", "name": attack},
        {"id": "acme/ok", "name": attack, "architecture": {"input_modalities": [attack]}},
    ]
    body = json.dumps({"data": [row | {"created": attack} for row in rows]})
    site.answers["/v1/models"] = body.encode("utf-8", "replace")
    caplog.set_level(logging.DEBUG)
    df = fusion_nb.models(services={"acme": {"base_url": site.url}})
    df = df[df.ref.str.startswith("acme:")]
    assert list(df.ref) == ["acme:acme/ok"]
    assert not ACTING.search(df.to_string() + caplog.text)


FAILURES: dict[str, Callable[[str], Any]] = {
    "no such model": lambda attack: fusion_nb.fuse("x", pool=f"cluade{attack}"),
    "no such service": lambda attack: fusion_nb.fuse("x", pool=f"{attack}corp:m"),
    "no such mode": lambda attack: fusion_nb.fuse("x", pool="demo", mode=attack),
    "no such run": fusion_nb.load,
    "no such demo": lambda attack: fusion_nb.fuse("x", pool=f"demo:{attack}"),
    "bad address": lambda attack: fusion_nb.fuse("x", pool="m", base_url=f"https://x{attack}/"),
    "bad key variable": lambda attack: fusion_nb.fuse("x", pool="m", base_url="http://127.0.0.1:9/v1", key_env=attack),
    "bad number": lambda attack: fusion_nb.fuse("x", pool="demo", max_cost=attack),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_refusal_can_be_printed(what: str) -> None:
    """What was asked wrongly is quoted without acting."""
    for attack in GROUPS:
        with pytest.raises(fusion_nb.FusionError) as caught:
            FAILURES[what](attack)
        assert not ACTING.search(str(caught.value))


def test_a_member_that_raises_escapes_fails_quietly() -> None:
    """What a function raises, yields and is called is on record and in the error, harmless."""

    def evil(prompt: str) -> str:
        raise ValueError(ALL)

    evil.__name__ = f"evil{ALL}"
    with pytest.raises(fusion_nb.RunFailed) as caught:
        fusion_nb.fuse("x", pool=[evil])
    assert not ACTING.search(str(caught.value))
    assert not ACTING.search(str(caught.value.result))
    assert not ACTING.search(caught.value.result.frame().to_string())


HERE = Path(__file__).parent


def test_what_hides_is_shown_as_the_panel_shows_it() -> None:
    """The cases that the panel passes too: what hides is named, and what scripts and emoji need stays."""
    cases = HERE / "fixtures/hidden_characters.json"
    if not cases.exists():
        pytest.skip("needs the cases shared with the panel")
    for case in json.loads(cases.read_text(encoding="utf-8")):
        assert escape.safe_text(case["text"]) == case["shown"], case["why"]


def test_both_languages_have_one_table() -> None:
    """The ranges of Unicode in Python are those that the panel is built with."""
    table = HERE.parent / "js/src/generated/hidden-characters.json"
    if not table.exists():
        pytest.skip("needs the panel's sources")
    panel = json.loads(table.read_text(encoding="utf-8"))
    for name, ours in {"ignorable": escape.IGNORABLE, "joining": escape.JOINING, "emoji": escape.EMOJI}.items():
        ranges = [[int(edge, 16) for edge in one.split("-")] for one in ours.split()]
        assert [[one[0], one[-1]] for one in ranges] == panel[name], name


def test_every_invisible_character_is_named() -> None:
    """All that Unicode calls a format character, and every selector and filler, is shown by number beside Latin letters."""
    formats = [
        chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf" and chr(code) not in VISIBLE
    ]
    others = [
        chr(code)
        for first, last in (
            (0xFE00, 0xFE0F),
            (0x180B, 0x180F),
            (0xE0100, 0xE01EF),
            (0xFFF0, 0xFFF8),
            (0x1160, 0x1160),
            (0x3164, 0x3164),
            (0x34F, 0x34F),
        )
        for code in range(first, last + 1)
    ]
    assert len(formats) > 100
    for character in (*formats, *others):
        assert escape.safe_text(f"a{character}b") == f"a[U+{ord(character):04X}]b"
        assert "fnb-hidden" in escape.markup(f"a{character}b")


VISIBLE = {
    *map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)))
}
"""Format characters that are seen: signs that stand around Arabic numbers, and joints of hieroglyphs."""


@pytest.mark.parametrize("text", [
    "👩‍💻 🏳️‍🌈 ❤️ ☎︎ 1️⃣ #️⃣ 👨‍👩‍👧‍👦 👍🏽 🇩🇪", "می‌خواهم کتاب‌ها", "क्‍ष श्रीमान्‌", "ශ්‍රී ලංකා", "മലയാളം അവൻ‍", "עברית C++ עדיף!", "cafe\u0301 naïve ﬁ ½ — “quoted” … 漢字",
])  # fmt: skip
def test_writing_of_every_script_is_left_alone(text: str) -> None:
    """Emoji with their joiners and selectors, conjuncts, half forms, accents and quotation marks come out as they are."""
    assert escape.safe_text(text) == text
