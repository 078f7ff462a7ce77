"""Rows 65 to 74 through the real magic in a real kernel: what becomes of a run whose members or judge go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.faults.answer import COST, OTHER_TEXT, TEXT
from tests.faults.desk import GOOD, OTHER, Desk, desk
from tests.faults.judge import LONG
from tests.faults.seen import saw

TEXTS = (TEXT, OTHER_TEXT)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("kernel")) as found:
        yield found


@pytest.mark.parametrize("member", ["65-long-header", "65-many-headers"])
def test_65_enormous_headers(member: str, book: Desk) -> None:
    """A member with a header of 1 MB, or 10,000 of them, is a row with an error; the other member is the answer."""
    ran = book.fuse([member, GOOD])
    result = book.result()
    assert ran.error is None
    assert [(r["status"], r.get("error")) for r in result["replies"]] == [("error", "protocol"), ("ok", None)]
    assert result["verdict"]["answer"] == TEXT
    saw(65, member, "`error/protocol`")


# (judge, row of the matrix, judge requests, state of the verdict in best-of)
JUDGES = [
    ("fenced", 66, 1, "judged"),
    ("prose_once", 66, 2, "repaired"),
    ("broken_once", 66, 2, "repaired"),
    ("prose", 66, 2, "unread"),
    ("broken", 66, 2, "unread"),
    ("unknown_once", 67, 2, "repaired"),
    ("twice_once", 67, 2, "repaired"),
    ("missing_once", 67, 2, "repaired"),
    ("unknown", 67, 2, "unread"),
    ("twice", 67, 2, "unread"),
    ("missing", 67, 2, "unread"),
    ("empty", 68, 1, "failed"),
    ("cut_once", 68, 2, "repaired"),
    ("cut", 68, 2, "unread"),
    ("refused", 68, 1, "failed"),
    ("long", 68, 2, "unread"),
]


@pytest.mark.parametrize(("judge", "row", "asked", "state"), JUDGES, ids=[judge for judge, *_ in JUDGES])
@pytest.mark.parametrize("mode", ["best-of", "merge"])
def test_a_judge_that_goes_wrong(judge: str, row: int, asked: int, state: str, mode: str, book: Desk) -> None:
    """A judge in prose, of wrong labels, cut off or mute is asked once more at most; then the candidates stand, and the
    cell says so: never a winner nobody named, never an exception."""
    ran = book.fuse([GOOD, OTHER], f"judge_{judge}", f"--mode {mode}")
    result = book.result()
    assert ran.error is None, ran.error
    assert book.posts(result) == 2
    assert book.posts(result, "judge") == asked
    verdict = result["verdict"]
    assert verdict.get("state", "judged") == state
    candidates = [r for r in result["replies"] if r.get("role") != "judge"]
    assert [(r["status"], r["text"], r["cost"]) for r in candidates] == [("ok", text, COST) for text in TEXTS]
    if state in ("judged", "repaired"):
        assert result["status"] == "ok"
        assert len(verdict["ranking"]) == 2
        assert verdict["answer"] in (TEXTS if mode == "best-of" else ("Merged by the judge.",))
    else:
        assert result["status"] == "unjudged"
        assert not verdict.get("scores")
        assert verdict["note"]
        assert verdict.get("answer") in ((None,) if mode == "best-of" else TEXTS)
    assert len(verdict.get("rationale", "")) <= LONG // 4
    saw(row, f"{judge} {mode}", f"`{result['status']}`, verdict {state}, {asked} judge request{'s' * (asked > 1)}")


@pytest.mark.parametrize("judge", ["down", "silent", "stall"])
def test_69_a_judge_that_fails_costs_no_candidate(judge: str, book: Desk) -> None:
    """Every candidate stays, in the frame too; `--rejudge` with another judge asks no member again."""
    ran = book.fuse([GOOD, OTHER], f"judge_{judge}", "--mode best-of --ttft 1 --idle 1 -o df")
    first = book.result()
    assert ran.error is None
    assert (first["status"], first["verdict"]["state"]) == ("unjudged", "failed")
    assert book.notebook.ask("[len(df), df.text[0], df.text[1]]") == [3, *TEXTS]
    other = book.named(["judge"], "well")[0]
    assert book.notebook.run(f"%fuse --rejudge {first['run']} --judge {other}").error is None
    second = book.result()
    assert (second["status"], second["of"]) == ("ok", first["run"])
    assert second["verdict"]["answer"] in TEXTS
    assert book.posts(first) == 2
    assert book.posts(second, "judge") == 1
    saw(69, judge, "`unjudged`; judged again by another: 0 candidate requests")


def test_70_a_merge_that_says_something_else(book: Desk) -> None:
    """An answer that contradicts every candidate is shown as what it is: no share of it is anybody's."""
    ran = book.fuse([GOOD, OTHER], "judge", "--mode merge -o df")
    assert ran.error is None
    result = book.result()
    assert result["verdict"]["answer"] == "Merged by the judge."
    assert "Merged by the judge." in ran.shown
    assert any(text in ran.shown for text in TEXTS)
    assert book.notebook.ask("[float(s) for s in df.share.fillna(0)]") == [0.0, 0.0, 0.0]
    saw(70, "merge", "the answer as written, the candidates beside it, no share of it called theirs")


def test_71_one_member_fails(book: Desk) -> None:
    """The judge weighs the others; the missing one is named, with its reason."""
    ran = book.fuse([GOOD, "19-400", OTHER])
    result = book.result()
    assert ran.error is None
    assert result["status"] == "ok"
    assert [r["status"] for r in result["replies"]] == ["ok", "error", "ok", "ok"]
    assert len(result["verdict"]["ranking"]) == 2
    assert book.posts(result, "judge") == 1
    assert result["pool"][1]["label"] in ran.shown
    saw(71, "one of three", "`ok`, judged over two, the third named")


def test_72_all_members_fail(book: Desk) -> None:
    """No judge is asked; a row for each, and the cell raises one sentence without a frame of ours."""
    ran = book.fuse(["19-400", "20-401", "13-reset-half"], options="--mode merge -o df")
    result = book.result()
    assert ran.error is not None
    name, said, traceback = ran.error
    assert name == "RunFailed"
    assert len(traceback) == 1
    assert all(ref["label"] in said for ref in result["pool"])
    assert book.posts(result, "judge") == 0
    assert book.notebook.ask("df.status.tolist()") == ["error"] * 3
    assert book.notebook.ask("[__import__('sys').last_value.__cause__, __import__('sys').last_value.__context__]") == [
        None,
        None,
    ]
    book.works()
    saw(72, "all of three", "one `RunFailed`, 3 rows, 0 judge requests")


def test_73_one_member_answers(book: Desk) -> None:
    """The only candidate is the answer; no judge is paid, and the cell says why."""
    ran = book.fuse([GOOD, "19-400", "34-page-404"])
    result = book.result()
    assert ran.error is None
    assert (result["status"], result["verdict"]["state"], result["verdict"]["answer"]) == ("ok", "not-needed", TEXT)
    assert book.posts(result, "judge") == 0
    assert "no judge was asked" in ran.shown.casefold()
    saw(73, "one of three", "`ok`, verdict not-needed, 0 judge requests")


def test_74_the_cap_is_reached_in_the_middle(book: Desk) -> None:
    """What fits under `--max-cost` is asked and kept; the rest is denied with what was left; the spend stays under it."""
    before = Decimal(book.server.stats()["spent"])
    cap = "0.0060"
    ran = book.notebook.run(
        f"%%fuse --pool openrouter:openai/gpt-4o-mini*8 --judge openrouter:openai/gpt-4o --max-cost {cap}\nHow?"
    )
    result = book.result()
    assert ran.error is None or ran.error[0] == "RunFailed"
    members = [r for r in result["replies"] if r.get("role") != "judge"]
    denied = [r for r in members if r.get("error") == "budget"]
    assert 0 < len(denied) < 8
    assert all(f"of max_cost ${cap} was left" in r["detail"] for r in denied)
    spent = Decimal(book.server.stats()["spent"]) - before
    assert 0 < spent <= Decimal(cap)
    assert sum(Decimal(r["cost"]) for r in members if "cost" in r) == spent
    saw(74, "eight for two", "some denied unasked, the others kept; spent by the server's own count: under the cap")
