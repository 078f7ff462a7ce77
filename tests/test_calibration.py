"""`calibrate()`: published figures of recorded judges, what is claimed of a judge, and what is asked."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fusion_nb
from fusion_nb import UserError, calibrate
from fusion_nb.evaluation import CalibrationReport, EvaluationPlan
from fusion_nb.evaluation.judge_figures import label_kappa
from fusion_nb.evaluation.statistics import corrected_rate
from fusion_nb.views.agreement_statistics import krippendorff_alpha
from tests.replay import Replay
from tests.shell import Shell

DATA = Path(__file__).parents[1] / "../shared/data"
recorded = pytest.mark.skipif(not DATA.exists(), reason="the recorded verdicts are not here")


def report_of(*args: Any, **options: Any) -> CalibrationReport:
    report = calibrate(*args, **options)
    assert isinstance(report, CalibrationReport)
    return report


@functools.cache
def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    text = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


# ---- published figures


@functools.cache
def llmbar(subset: str, strategy: str) -> CalibrationReport:
    prompts = {row["pid"]: row for row in rows("llmbar/prompts.jsonl.gz") if row["subset"] == subset}
    labels = {row["pid"]: row["pick"] for row in rows("llmbar/labels.jsonl.gz") if row["pid"] in prompts}
    texts = {row["aid"]: row["text"] for row in rows("llmbar/answers.jsonl.gz")}
    pairs = pd.DataFrame(
        {"pair": pid, "prompt": row["prompt"], "a": texts[f"{pid}/o1"], "b": texts[f"{pid}/o2"], "label": labels[pid]}
        for pid, row in prompts.items()
    )
    verdicts = pd.DataFrame(
        {"judge": row["judge"], "pair": row["pid"], "order": row["order"], "pick": row["pick"]}
        for row in rows("llmbar/verdicts.jsonl.gz")
        if row["pid"] in prompts and row["strategy"] == strategy
    )
    return report_of(pairs=pairs, verdicts=verdicts)


@recorded
def test_all_accuracies_and_agreements_of_llmbar() -> None:
    """32 published figures to the digit, by the source's convention: no verdict is wrong, two of one pair the same."""
    published = rows("llmbar/published.jsonl")
    assert len(published) == 16
    for row in published:
        figures = llmbar(row["subset"], row["strategy"]).judge(row["judge"])
        assert 100 * (figures.agreement or 0) == pytest.approx(float(row["acc_average"].rstrip("%")), abs=0.005)
        told = float(row["positional_agreement"].split("=")[1].strip(" %"))
        assert 100 * (figures.consistency or 0) == pytest.approx(told, abs=0.005)


@recorded
@pytest.mark.parametrize(
    ("subset", "judge", "agreement", "consistency", "first"),
    [
        ("FairEval", "GPT-4", 72.73, 69.70, 62.12),
        ("FairEval", "ChatGPT", 57.58, 18.18, 90.91),
        ("MT-Bench", "GPT-4", 81.00, 87.00, 51.00),
        ("MT-Bench", "ChatGPT", 71.25, 57.50, 70.25),
    ],
)
def test_judges_shown_pairs_in_both_orders(
    subset: str, judge: str, agreement: float, consistency: float, first: float
) -> None:
    """Agreement with people, with itself, and the share of first-shown picks."""
    figures = llmbar(subset, "Vanilla_NoRules").judge(judge)
    shares = [figures.agreement, figures.consistency, figures.first_shown]
    assert [round(100 * (value or 0), 2) for value in shares] == [agreement, consistency, first]
    assert figures.interval is not None
    assert figures.interval.low < (figures.agreement or 0) < figures.interval.high


@recorded
@pytest.mark.parametrize(("ill_formed", "agreement"), [("tie", 71.07), ("dropped", 71.56), ("wrong", 69.77)])
def test_each_convention_for_verdicts_that_could_not_be_read(ill_formed: Any, agreement: float) -> None:
    """PandaLM's GPT-3.5: three figures for one judge, and the report names the convention."""
    labels = rows("pandalm/labels.jsonl.gz")
    verdicts = [
        {"judge": row["judge"], "pair": row["idx"], "pick": row["pick"]} for row in rows("pandalm/verdicts.jsonl.gz")
    ]
    report = report_of(verdicts=verdicts, labels={row["idx"]: row["pick"] for row in labels}, ill_formed=ill_formed)
    assert round(100 * (report.judge("gpt-3.5-turbo").agreement or 0), 2) == agreement
    assert {"tie": "as a tie", "dropped": "left out", "wrong": "as wrong"}[ill_formed] in str(report)
    assert report.base == ("b", pytest.approx(472 / 999))


@recorded
def test_annotators_beside_one_another() -> None:
    """Cohen's kappa over a, b and tie, unweighted: .85, .88, .86."""
    each = [row["annotators"] for row in rows("pandalm/labels.jsonl.gz")]
    kappas = [label_kappa([a[i] for a in each], [a[j] for a in each]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert [round(kappa or 0, 2) for kappa in kappas] == [0.85, 0.88, 0.86]


@recorded
def test_two_judges_of_the_same_pairs() -> None:
    """Vicuna's GPT-4 and GPT-3.5 on 319 pairs: 71.79 % by the place shown, kappa 0.247."""
    verdicts = [
        {"judge": row["judge"], "pair": "~".join(row["shown"]), "pick": row["pick"]}
        for row in rows("vicuna_bench/verdicts.jsonl.gz")
        if row["run"] == "new-hp" and row["judge"] in ("gpt-4", "gpt-3.5-turbo") and row["shown"][0] != row["shown"][1]
    ]
    (two,) = report_of(verdicts=verdicts).comparisons
    assert (two.n, round(100 * two.agreement, 2), round(two.kappa or 0, 3)) == (319, 71.79, 0.247)


@recorded
def test_people_and_a_judge_that_is_hardly_better_than_always_the_same() -> None:
    """Vicuna's blog, 80 pairs: GPT-4 agrees with 52.5 %, the commonest label alone with 51.25."""
    people = {row["pid"]: row for row in rows("vicuna_bench/labels.jsonl.gz")}
    verdicts = []
    for row in rows("vicuna_bench/verdicts.jsonl.gz"):
        label = people.get(row["pid"])
        if label and row["judge"] == "gpt-4" and row["run"] == "blog" and set(row["shown"]) == {label["a"], label["b"]}:
            order = "ab" if row["shown"][0] == label["a"] else "ba"
            verdicts.append({"judge": "gpt-4", "pair": row["pid"], "order": order, "pick": row["pick"]})
    report = report_of(verdicts=verdicts, labels={pid: row["pick"] for pid, row in people.items()})
    assert round(100 * (report.judges[0].agreement or 0), 2) == 52.5
    assert report.base == ("a", pytest.approx(0.5125))
    assert "52.5 %" in str(report)
    assert "51.2 %" in str(report)


def test_krippendorffs_own_example() -> None:
    """4 coders, 12 units, some missing ("Computing Krippendorff's Alpha-Reliability"): .743, .815, .849."""
    none = None
    coders = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]
    units = [[float(value) for value in unit if value is not None] for unit in zip(*coders, strict=True)]
    alphas = [krippendorff_alpha(units, metric) for metric in ("nominal", "ordinal", "interval")]
    assert alphas == [pytest.approx(value, abs=0.0005) for value in (0.743, 0.815, 0.849)]


# ---- what is said of a judge


def made_up(n: int, says: Any, seed: int = 0) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Pairs with random labels, and the verdicts of `says(rng, label, order)` by place shown, in both orders."""
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame(
        {"pair": k, "prompt": f"q{k}", "a": "x" * int(rng.integers(1, 50)), "b": "y" * int(rng.integers(1, 50)),
         "label": str(rng.choice(["a", "b"])), "model_a": "one", "model_b": "two"}
        for k in range(n)
    )  # fmt: skip
    verdicts = [
        {"judge": "j", "pair": row.pair, "order": order, "pick": says(rng, row.label, order)}
        for row in pairs.itertuples()
        for order in ("ab", "ba")
    ]
    return pairs, verdicts


def place(side: str, order: str) -> str:
    return "first" if (side == "a") == (order == "ab") else "second"


def test_a_judge_that_always_picks_the_first_says_nothing() -> None:
    """Half right, never consistent, kappa 0; its win rates cannot be corrected."""
    pairs, verdicts = made_up(80, lambda rng, label, order: "first")
    figures = (report := report_of(pairs=pairs, verdicts=verdicts)).judges[0]
    assert (figures.agreement, figures.consistency, figures.first_shown) == (0.5, 0.0, 1.0)
    assert abs(figures.kappa or 0) < 1e-9
    corrected = report.corrected("j", "one", "two")
    assert corrected is not None
    assert corrected.rate is None
    assert report.win_rates()["corrected"].isna().all()


def test_exchanging_the_names_of_the_answers_changes_nothing() -> None:
    """Whatever is called a or b: every figure stays."""
    pairs, verdicts = made_up(
        60, lambda rng, label, order: None if rng.random() < 0.1 else place(label if rng.random() < 0.8 else "a", order)
    )
    flip = {"a": "b", "b": "a"}
    other = pairs.assign(
        a=pairs.b, b=pairs.a, model_a=pairs.model_b, model_b=pairs.model_a, label=pairs.label.map(flip)
    )
    turned = [{**v, "order": {"ab": "ba", "ba": "ab"}[v["order"]]} for v in verdicts]
    one, two = report_of(pairs=pairs, verdicts=verdicts), report_of(pairs=other, verdicts=turned)
    assert one.judges[0] == two.judges[0]
    assert one.corrected("j", "one", "two") == two.corrected("j", "one", "two")


def test_the_corrected_rate_holds_the_truth() -> None:
    """In 95 of 100 of made-up sets, within what 300 leave to chance; and swapping X and Y turns it around."""
    rng, inside, n = np.random.default_rng(1), 0, 300
    for _ in range(n):
        truth, sens, spec = 0.62, 0.85, 0.7
        positives = int(rng.binomial(120, 0.5))
        hits, rejections = int(rng.binomial(positives, sens)), int(rng.binomial(120 - positives, spec))
        wins = int(rng.binomial(400, truth * sens + (1 - truth) * (1 - spec)))
        found = corrected_rate(wins, 400, hits, positives, rejections, 120 - positives, draws=2_000)
        assert found is not None
        inside += found.low is not None and found.low <= truth <= (found.high or 0)
    assert 0.90 <= inside / n <= 0.985


def test_a_cheaper_judge_would_do_only_where_that_is_shown() -> None:
    """Two judges alike on many pairs: it would do, at a fifth of the price. On few pairs: that n is too small."""
    rng = np.random.default_rng(0)
    for n, word in ((900, "would do in place of"), (12, "is not shown")):
        labels = {k: str(rng.choice(["a", "b"])) for k in range(n)}
        verdicts = [
            {"judge": judge, "pair": k, "order": order, "cost": cost,
             "pick": place(label if rng.random() < 0.995 else "a", order)}
            for judge, cost in (("opus", 0.05), ("haiku", 0.01))
            for k, label in labels.items() for order in ("ab", "ba")
        ]  # fmt: skip
        report = report_of(verdicts=verdicts, labels=labels)
        assert word in str(report)
        if n == 900:
            assert "at 0.20 times the price" in str(report)
            assert report.alpha is not None


def test_leanings_are_told_beside_what_people_lean_to() -> None:
    """A judge that picks the longer answer, where people do not: told, with both shares. One like people: not."""
    pairs, _ = made_up(120, lambda *_: None)
    longer = {row.pair: "a" if len(row.a) > len(row.b) else "b" for row in pairs.itertuples()}
    labels = dict(zip(pairs.pair, pairs.label, strict=True))
    for by, leans in ((longer, True), (labels, False)):
        verdicts = [{"judge": "j", "pair": k, "order": o, "pick": place(by[k], o)} for k in by for o in ("ab", "ba")]
        report = report_of(pairs=pairs, verdicts=verdicts)
        assert ("the longer answer" in str(report)) is leans


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "Give pairs"),
    ({"pairs": []}, "no pair"),
    ({"pairs": 5}, "Pairs are a frame"),
    ({"pairs": [("q", "x")]}, "A pair is"),
    ({"pairs": pd.DataFrame({"prompt": ["q"]})}, "columns prompt, a and b"),
    ({"pairs": [("q", "x", "y")]}, "Nobody says"),
    ({"pairs": [("q", "x", "y")], "labels": ["a", "b"]}, "labels has 2 for 1"),
    ({"pairs": [("q", "x", "y")], "labels": ["c"]}, "write a, b or tie"),
    ({"pairs": [("q", "x", "y")], "labels": {"7": "a"}}, "No pair stands in labels"),
    ({"pairs": [("q", "x", "y", "a")]}, "Name a judge"),
    ({"pairs": [("q", "x", "y", "a")], "judges": "a,a"}, "stands twice"),
    ({"pairs": [("q", "x", "y", "a")], "judges": ""}, "judges takes"),
    ({"pairs": [("q", "x", "y", "a")], "judges": "nowhere:x"}, "nowhere"),
    ({"pairs": [("q", "x", "y", "a")], "judges": "demo:judge", "temperature": 1}, "does not take temperature"),
    ({"pairs": [("q", "x", "y", "a")], "judges": "demo:judge", "orders": 2}, "does not take orders"),
    ({"pairs": [("q", "x", "y", "a")], "ill_formed": "left"}, "ill_formed"),
    ({"pairs": [("q", "x", "y", "a")], "smallest": 2}, "smallest"),
    ({"pairs": [("q", "x", "y", "a")], "max_cost": 1}, "Nobody is asked without judges"),
    ({"verdicts": [{"judge": "j", "pair": 1, "pick": "third"}]}, "picks first, second or tie"),
    ({"verdicts": [{"judge": "j", "pair": 1, "pick": "first", "order": "xy"}]}, "ab or ba"),
    ({"verdicts": [{"judge": "j", "pair": 1, "pick": "first"}], "known": {"q": 1}}, "judges that are asked"),
    ({"verdicts": [{"judge": "j"}]}, "pick is not there"),
    ({"verdicts": [{"judge": "j", "pair": 1, "pick": "first"}], "judges": "demo:judge"}, "recorded already"),
    ({"runs": [], "pairs": []}, "not both"),
    ({"runs": []}, "In none of these runs"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words for _, words in BAD])
def test_what_cannot_be_compared_is_refused_in_a_sentence(options: dict[str, Any], words: str) -> None:
    """One sentence with the remedy."""
    with pytest.raises(UserError, match=words):
        calibrate(**options)


def test_the_views_are_safe_and_whole() -> None:
    """A hostile name of a judge is text in every view; tables and the picture are there."""
    name = "<img src=x onerror=alert(1)>|$x$\u202e\x1b[31m"
    pairs, verdicts = made_up(30, lambda rng, label, order: place(label, order))
    report = report_of(pairs=pairs, verdicts=[{**v, "judge": name} for v in verdicts])
    html = report.to_html()
    assert "<img" not in html
    assert html.count("<svg") == 1
    for text in (html, report.to_markdown(), str(report)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert report.frame().shape[0] == 1
    assert report.verdicts()["right"].all()
    assert len(report.win_rates()) == 1


# ---- asking


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def options(replay: Replay) -> dict[str, Any]:
    return {"services": {"replay": {"base_url": replay.url}}, "show_progress": False}


PAIRS = pd.DataFrame(
    [(f"What is {n} + 1?", f"Answer: {n + 1}", f"Answer: {n}", "a") for n in range(4)],
    columns=["prompt", "a", "b", "label"],
)


def test_a_judge_is_asked_in_both_orders_and_once(options: dict[str, Any], replay: Replay) -> None:
    """Two requests a pair and judge; the second call sends nothing; other answers to the same prompt are other pairs."""
    before = replay.stats()["requests"].get("scripted-judge", 0)

    def sent() -> int:
        return int(replay.stats()["requests"].get("scripted-judge", 0) - before)

    report = report_of("replay:scripted-judge", PAIRS, **options)
    assert sent() == 2 * len(PAIRS)
    assert report.judges[0].verdicts == 2 * len(PAIRS)
    assert set(report.verdicts()["order"]) == {"ab", "ba"}
    assert report.judges[0].usd is not None
    again = report_of("replay:scripted-judge", PAIRS, **options)
    assert sent() == 2 * len(PAIRS)
    assert str(again) == str(report)
    report_of("replay:scripted-judge", PAIRS.assign(b="Answer: 99"), **options)
    assert sent() == 4 * len(PAIRS)
    shown = [body["messages"][-1]["content"] for body in replay.requests() if body["model"] == "scripted-judge"][-8:]
    firsts = [text.index("Answer: 99") > text.index(f"Answer: {n}") for text in shown for n in range(1, 5)
              if f"Answer: {n}\n" in text or f"Answer: {n} " in text]  # fmt: skip
    assert 0 < sum(firsts) < len(firsts)


def test_what_judges_would_cost_is_told_before(options: dict[str, Any], replay: Replay) -> None:
    """A row a judge; nothing is sent, and `max_cost` keeps the whole within it."""
    before = sum(replay.stats()["requests"].values())
    plan = calibrate(["replay:scripted-judge", "demo:judge"], PAIRS, dry_run=True, **options)
    assert isinstance(plan, EvaluationPlan)
    assert list(plan.frame()["runs"]) == [8, 8]
    assert "Calibration on 4 pairs: nothing has been sent." in str(plan)
    with pytest.raises(UserError, match="max_cost"):
        calibrate("demo:judge", PAIRS, max_cost=0.000001, **options)
    assert sum(replay.stats()["requests"].values()) == before


def test_choices_that_a_person_made(options: dict[str, Any]) -> None:
    """A candidate taken over the judge's is a label against each other one; that it depends on the verdict is said."""
    prompt = "How many times does the letter r occur in the word strawberry?"
    result = fusion_nb.fuse(prompt, pool="demo", mode="best-of")
    picked = next(r.call for r in result.candidates if r.call not in (result.verdict.chosen if result.verdict else ()))
    fusion_nb.choose(result, picked)
    report = report_of(runs=fusion_nb.runs())
    assert report.judges[0].pairs == 2
    assert "not independent" in str(report)
    asked = report_of("demo:strict", runs=fusion_nb.runs(), show_progress=False)
    assert asked.judges[0].verdicts == 4
    assert "DEMO" in str(asked)


def test_a_judge_that_is_asked_to_solve(options: dict[str, Any], replay: Replay) -> None:
    """With `known` each judge is asked each prompt once; a second call asks nobody."""
    known = {f"What is {n} + 1?": n + 1 for n in range(4)}
    before = sum(replay.stats()["requests"].values())
    report = report_of("replay:scripted-judge", PAIRS, known=known, **options)
    asked = sum(replay.stats()["requests"].values()) - before
    assert asked == 3 * len(PAIRS)
    figures = report.judges[0]
    assert (figures.own_right is None) + (figures.own_wrong is None) < 2
    report_of("replay:scripted-judge", PAIRS, known=known, **options)
    assert sum(replay.stats()["requests"].values()) - before == asked


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def test_its_report_is_shown_in_a_notebook(shell: Shell) -> None:
    """The last expression of a cell is the report."""
    ran = shell.run(
        "import fusion_nb\n"
        "both = [(n, o) for n in range(3) for o in ('ab', 'ba')]\n"
        "fusion_nb.calibrate(pairs=[(str(n), 'x', 'y', 'a') for n in range(3)],\n"
        "                    verdicts=[{'judge': 'j', 'pair': n, 'order': o, 'pick': 'first'} for n, o in both])"
    )
    assert ran.error is None
    assert "Calibration" in ran.value._repr_html_()
