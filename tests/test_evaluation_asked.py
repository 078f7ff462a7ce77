"""`evaluate()` of questions that are asked: paid once, one cap for the whole, nothing sent that cannot be."""

from __future__ import annotations

import signal
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import UserError, evaluate
from fusion_nb.evaluation import EvaluationPlan, EvaluationReport
from tests.replay import Replay, recordings
from tests.shell import Shell

pytestmark = pytest.mark.skipif(bool(recordings.MISSING), reason=recordings.MISSING or "recordings")
MODELS = ("claude-3-haiku-20240307", "gemma-2-9b-it", "Qwen2-7B-Instruct")
POOL = [f"replay:gsm8k/{model}" for model in MODELS]
N = 8


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def options(replay: Replay) -> dict[str, Any]:
    services = {"replay": {"base_url": replay.url}}
    return {"pool": POOL, "judge": "replay:scripted-judge", "services": services, "show_progress": False}


@pytest.fixture(scope="module")
def questions() -> pd.DataFrame:
    problems = recordings.gsm8k()[:N]
    rows = [(p.question, p.gold, "long" if len(p.question) > 250 else "short") for p in problems]
    return pd.DataFrame(rows, columns=["prompt", "gold", "length"])


@pytest.fixture
def sent(replay: Replay) -> Any:
    """How many requests the service has had since the test began."""
    before = sum(replay.stats()["requests"].values())
    return lambda: sum(replay.stats()["requests"].values()) - before


def report_of(*args: Any, **options: Any) -> EvaluationReport:
    report = evaluate(*args, **options)
    assert isinstance(report, EvaluationReport)
    return report


def test_every_arm_from_one_set_of_candidates_and_paid_once(
    options: dict[str, Any], questions: pd.DataFrame, sent: Any
) -> None:
    """Members are asked once a question, the arms only for what they add; a second identical call sends nothing."""
    asked = report_of(
        questions, "gold", arms="vote,best-of,merge,check", check=lambda text: True, by="length", **options
    )
    assert sent() == N * (len(POOL) + 2)
    again = report_of(
        questions, "gold", arms="vote,best-of,merge,check", check=lambda text: True, by="length", **options
    )
    assert sent() == N * (len(POOL) + 2)
    assert str(again) == str(asked)
    assert list(asked.frame().index)[3:] == ["vote", "check", "best-of", "merge", "placebo", "any right"]
    assert set(asked.by_kind()["kind"]) == {"long", "short"}
    # What an arm costs holds the members' calls too, although another run has paid them.
    members = sum((arm.cost or Decimal(0) for arm in asked.table.members), Decimal(0))
    judged = [asked.arm(name).cost or Decimal(0) for name in ("best-of", "merge")]
    assert asked.arm("vote").cost == members
    assert all(cost > members for cost in judged)
    runs = fusion_nb.runs()
    assert runs["cost_usd"].sum() == pytest.approx(float(sum(judged) - members))
    # Past runs, by the same journal: the same figures, and nobody is asked.
    past = report_of(runs, dict(zip(questions.prompt, questions.gold, strict=True)))
    assert past.arm("merge").total_right == asked.arm("merge").total_right
    assert sent() == N * (len(POOL) + 2)


def test_more_arms_later_pay_for_themselves_alone(options: dict[str, Any], questions: pd.DataFrame, sent: Any) -> None:
    """A cascade, a debate, a jury and the same money on one member, after the vote: no member is asked again for a
    first answer."""
    few = questions.head(3)
    report_of(few, "gold", arms="vote", **options)
    assert sent() == 3 * len(POOL)
    strong = "replay:gsm8k/gpt-4o-2024-08-06"
    report = report_of(
        few, "gold", arms="vote,escalation,debate", escalate=strong, agree=1, baseline=POOL[2], **options
    )
    frame = report.frame()
    again = report.table.members[0].calls or 0
    assert again == 3
    assert {"escalation", "debate"} <= set(frame.index)
    first_answers = [r for table in fusion_nb.runs()["run"] for run in fusion_nb.runs(table)["run"] for r in fusion_nb.load(run).replies
                     if r.role == "candidate" and r.round == 0 and not r.kept_from and str(r.ref) in POOL]  # fmt: skip
    assert any("×" in arm.name for arm in report.table.fused)
    samples = 3 * max(int(arm.name.rpartition("×")[2]) for arm in report.table.fused if "×" in arm.name)
    assert len(first_answers) == 3 * len(POOL) + samples


def test_what_it_would_cost_is_told_before(options: dict[str, Any], questions: pd.DataFrame, sent: Any) -> None:
    """`dry_run` sends nothing and says the price by arm; `confirm_over` asks with the same figures."""
    planned = evaluate(questions, "gold", arms="vote,best-of,merge", dry_run=True, **options)
    assert isinstance(planned, EvaluationPlan)
    assert list(planned.frame().index) == ["members", "best-of", "merge"]
    assert planned.usd is None or planned.usd.low > 0
    assert "nothing has been sent" in str(planned)
    asked: list[EvaluationPlan] = []

    def no(plan: Any) -> bool:
        asked.append(plan)
        return False

    with pytest.raises(UserError, match="Nothing was sent"):
        evaluate(questions, "gold", confirm_over=0.0001, confirm=no, **options)
    assert len(asked) == 1
    assert sent() == 0


def test_one_cap_for_the_whole() -> None:
    """What is asked stays within it; questions left out are said, and going on pays for nothing twice."""
    prompts = [f"What is {n} + 1?" for n in range(30)]
    options: dict[str, Any] = {"pool": "demo:swift,demo:steady", "arms": "vote", "max_tokens": 400,
                               "show_progress": False}  # fmt: skip
    part = report_of(prompts, max_cost=0.008, **options)
    assert 0 < part.n < 30
    assert "max_cost ($0.008) is reached" in str(part)
    [table] = fusion_nb.runs()["run"]
    runs = fusion_nb.runs(table)
    spent = sum((reply.cost or Decimal(0) for run in runs["run"] for reply in fusion_nb.load(run).replies), Decimal(0))
    assert spent <= Decimal("0.008")
    kept = set(runs.query("status in ['ok', 'unjudged']")["run"])
    whole = report_of(prompts, **options)
    assert whole.n == 30
    assert {question.result.run for question in whole.table.questions} >= {q.result.run for q in part.table.questions}
    assert {question.result.run for question in part.table.questions} <= kept
    with pytest.raises(UserError, match="max_cost"):
        evaluate(["What is 99 + 1?"], max_cost=0.000001, **options)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_keeps_what_is_there_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while questions are asked: a report on those that are there, and the same call asks the rest alone."""
    prompts = [f"What is {n} + 1?" for n in range(60)]
    options: dict[str, Any] = {"pool": "demo:swift,demo:steady", "arms": "vote", "show_progress": False}
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "1")

    def interrupt() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and fusion_nb.runs()["calls"].sum() < 8:
            time.sleep(0.1)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    part = report_of(prompts, **options)
    assert 0 < part.n < 60
    assert "Interrupted" in str(part)
    there = {question.result.run for question in part.table.questions}
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "50")
    whole = report_of(prompts, **options)
    assert whole.n == 60
    assert there <= {question.result.run for question in whole.table.questions}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"mode": "merge"}, "does not take mode"),
    ({"quorum": 2}, "does not take quorum"),
    ({"replay": True}, "does not take replay"),
    ({"journal": False}, "leave journal out"),
    ({"arms": "vote,jury"}, "several judges"),
    ({"arms": "escalation"}, "a stronger model"),
    ({"arms": "check"}, "check=..."),
    ({"arms": "votes"}, "no arm 'votes'"),
    ({"baseline": "z"}, "is no member"),
    ({"agree": 0.5}, "without escalate"),
    ({"pool": POOL[:1]}, "two or more"),
    ({"pool": "nowhere:x,nowhere:y"}, "nowhere"),
    ({"judge": "nowhere:x"}, "nowhere"),
    ({"temperature": 9}, "temperature"),
    ({"max_cost": -1}, "max_cost"),
    ({"template": "{questoin}"}, "Unknown column 'questoin'"),
    ({"known": None, "template": "{prompt} {empty}"}, "Column 'empty' has no value in row 0"),
    ({"known": "golden"}, "is no column"),
    ({"smallest": 0}, "smallest"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=[words for _, words in BAD])
def test_what_cannot_be_asked_is_refused_unsent(
    change: dict[str, Any], words: str, options: dict[str, Any], questions: pd.DataFrame, sent: Any
) -> None:
    """One sentence, and not one request."""
    with pytest.raises(UserError, match=words):
        evaluate(questions.assign(empty=None), **{"known": "gold", **options, **change})
    assert sent() == 0


def test_one_member_several_times_takes_new_calls() -> None:
    """From answers that are there it is not available, and that is said."""
    rows = [(f"q{n}", model, str(n)) for n in range(12) for model in "ab"]
    report = report_of(
        pd.DataFrame(rows, columns=["prompt", "model", "text"]), {f"q{n}": n for n in range(12)}, baseline="a"
    )
    assert "a asked several times: not available" in str(report)


def test_options_that_mean_nothing_for_past_answers_are_refused(options: dict[str, Any]) -> None:
    """Where nobody is asked, a judge, a cap or a template cannot act."""
    answers = pd.DataFrame({"prompt": ["q", "q"], "model": ["a", "b"], "text": ["1", "2"]})
    for change, name in (({"judge": "x"}, "judge"), ({"max_cost": 1}, "max_cost"), ({"dry_run": True}, "dry_run")):
        with pytest.raises(UserError, match=f"{name} means nothing here"):
            evaluate(answers, {"q": 1}, **change)
    with pytest.raises(UserError, match="template"):
        evaluate(answers, {"q": 1}, template="{prompt}")
    with pytest.raises(UserError, match=r"no run\. To ask these"):
        evaluate(["How many?"], {"How many?": 3})


@pytest.mark.parametrize("form", ["list", "series", "template"])
def test_questions_in_any_form(form: str, options: dict[str, Any], questions: pd.DataFrame, sent: Any) -> None:
    """A list with a dict, a Series with a Series, a frame with a template: the same questions."""
    few = questions.head(2)
    gold: Any = dict(zip(few.prompt, few.gold, strict=True))
    asked: Any = {"list": list(few.prompt), "series": few.prompt, "template": few.rename(columns={"prompt": "text"})}[
        form
    ]
    known = {"list": gold, "series": few.gold, "template": "gold"}[form]
    more = {"template": "{text}"} if form == "template" else {}
    report = report_of(asked, known, arms="vote", **more, **options)
    assert report.n == 2
    assert [question.prompt for question in report.table.questions] == list(few.prompt)
    assert sent() == 2 * len(POOL)


CELLS: list[tuple[str, str]] = [
    ("%fuse --evaluate answers --known gold", "Over 6 questions"),
    ("%fuse --evaluate answers --known by_prompt --baseline a --arms vote", "named beforehand"),
    ("%fuse --evaluate answers --known is_right", "Over 6 questions"),
    ("%%fuse --evaluate words --known r --pool demo --arms vote --quiet\nHow many r has {word}?", "Over 2 questions"),
    ("%%fuse --evaluate words --known r --pool demo --dry-run\nHow many r has {word}?", "nothing has been sent"),
    ("%fuse --known gold what", "--known means nothing without --evaluate"),
    ("%fuse --evaluate nowhere", "Unknown variable 'nowhere'"),
    ("%fuse --evaluate answers --known nowhere", "Unknown variable 'nowhere'"),
    ("%fuse --evaluate words --pool demo", "no column prompt"),
    ("%fuse --evaluate answers --judge demo:judge", "judge means nothing here"),
    ("%fuse --evaluate answers --rejudge last", "--rejudge does not go with --evaluate"),
    ("%fuse --evaluate answers --background", "--background does not go with --evaluate"),
    ("%fuse_panel --evaluate answers", "does not go with %fuse_panel"),
]


@pytest.fixture(scope="module")
def shell() -> Any:
    shell = Shell()
    shell.run(
        "import pandas as pd\n"
        "answers = pd.DataFrame([(f'q{i}', m, str(i + (m == 'b' and i % 2)), i) for i in range(6) for m in 'abc'],\n"
        "                       columns=['prompt', 'model', 'text', 'gold'])\n"
        "by_prompt = {f'q{i}': i for i in range(6)}\n"
        "def is_right(result, text): return text == result.prompt[1:]\n"
        "words = pd.DataFrame({'word': ['strawberry', 'banana'], 'r': [3, 0]})"
    )
    yield shell
    shell.close()


@pytest.mark.parametrize(("cell", "words"), CELLS, ids=[cell for cell, _ in CELLS])
def test_on_a_line(cell: str, words: str, shell: Shell) -> None:
    """`--evaluate` names a variable of the notebook; its columns fill the prompt; what cannot be is one sentence."""
    ran = shell.run(cell)
    assert words in (str(ran.error) if ran.error else str(ran.value))
    bound = shell.run(cell.replace("--evaluate", "-o report --evaluate", 1) + ("" if "\n" in cell else ";"))
    if ran.error is None and "\n" not in cell:
        assert bound.value is None
        assert shell.run("report").value is not None
