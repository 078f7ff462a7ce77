"""Rows 87 to 89 through the real magic in a real kernel: loops of the notebook's own, reloads, forks, odd input."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.answer import TEXT
from tests.faults.desk import GOOD, OTHER, Desk, desk
from tests.faults.seen import saw
from tests.replay import Replay, replay_server

SLOW = "--pool replay:rate/0.001/20/20,replay:rate/0.002/20/20 --judge replay:scripted-judge --mode best-of"
"""A run of a second."""


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with replay_server() as found:
        yield found


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, replay: Replay) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("kernel"), replay.url) as found:
        found.works()
        yield found


LOOPS = {
    "await": "result = await _fusion.afuse('How?', P, mode='best-of', judge=J, services=_services)",
    "gather": "import asyncio\nresult, _ = await asyncio.gather(*(_fusion.afuse('How?', P, mode='best-of', judge=J, services=_services) for _ in 'ab'))",
    "asyncio.run on a thread": "import asyncio, threading\nbox = []\nasync def main(): box.append(await _fusion.afuse('How?', P, mode='best-of', judge=J, services=_services))\nt = threading.Thread(target=lambda: asyncio.run(main())); t.start(); t.join(); result = box[0]",
    "fuse inside a coroutine": "async def main(): return _fusion.fuse('How?', P, 'best-of', judge=J, services=_services)\nresult = await main()",
    "nested by nest_asyncio2": "import asyncio, nest_asyncio2\nnest_asyncio2.apply()\nasync def main(): return await _fusion.afuse('How?', P, mode='best-of', judge=J, services=_services)\nresult = asyncio.run(main())",
    "trio": "import trio\nasync def main(): return await trio.to_thread.run_sync(lambda: _fusion.fuse('How?', P, 'best-of', judge=J, services=_services))\nresult = trio.run(main)",
    "fuse inside trio": "import trio\nasync def main(): return _fusion.fuse('How?', P, 'best-of', judge=J, services=_services)\nresult = trio.run(main)",
    "an own coroutine as member": "async def mine(prompt): return 'Mine.'\nresult = _fusion.fuse('How?', [*P, mine], 'best-of', judge=J, services=_services)",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_87_loops_of_the_notebooks_own(loop: str, book: Desk) -> None:
    """Awaited, gathered, nested, on another thread, inside trio: the engine has a loop of its own, and none is harmed."""
    if "trio" in loop:
        pytest.importorskip("trio", reason="trio is not installed")
    pool, (judge,) = book.named([GOOD, OTHER]), book.named(["judge"], "well")
    ran = book.notebook.run(f"P, J = {pool!r}, {judge!r}\n{LOOPS[loop]}")
    assert ran.error is None, ran.error
    assert book.notebook.ask("[result.status, result.replies[0].text]") == ["ok", TEXT]
    assert "never awaited" not in ran.printed
    book.works()
    saw(87, loop, "`ok`")


_MAGICS = "sorted(n for kind in get_ipython().magics_manager.magics.values() for n in kind if n.startswith('fuse'))"
_HELD = (
    f"[len({_MAGICS}), len([c for c in get_ipython().configurables if type(c).__module__.startswith('fusion_nb')]), "
    "len(get_ipython().Completer.custom_matchers), len(get_ipython().input_transformers_cleanup), "
    "__import__('threading').active_count()]"
)


def test_88_loaded_again_and_again(book: Desk) -> None:
    """`%load_ext` and `%reload_ext` however often: the same magics, matchers, hooks and threads as after the first."""
    book.works()
    before = book.notebook.ask(_HELD)
    for line in ["%load_ext fusion_nb", *["%reload_ext fusion_nb"] * 5, "%load_ext autoreload", "%autoreload 2"]:
        assert book.notebook.run(line).error is None
    assert book.notebook.ask(_HELD) == before
    book.notebook.run("%config Fuse.services = _services")
    book.works()
    assert book.notebook.ask(_HELD) == before
    assert book.notebook.run("%autoreload 0").error is None
    saw(88, "load, reload, autoreload", "the same magics, hooks and threads")


def test_88_unloaded_in_the_middle(book: Desk) -> None:
    """`%unload_ext` while a run goes on: the run ends as ever, the magics are gone, and come back with `%load_ext`."""
    ran = book.notebook.run(f"""import threading
ip = get_ipython()
threading.Timer(0.3, ip.run_line_magic, ('unload_ext', 'fusion_nb')).start()
_ = ip.run_cell_magic('fuse', {SLOW!r}, 'Count.')""")
    assert ran.error is None
    assert book.result()["status"] == "ok"
    assert book.notebook.ask(_MAGICS) == []
    assert book.notebook.run("%load_ext fusion_nb\n%config Fuse.services = _services").error is None
    book.works()
    saw(88, "unloaded during a run", "the run ends `ok`, the magics are gone")


_FORK = """
import os
_pid = os.fork()
if _pid == 0:
    try:
        _said = _fusion.fuse('How?', P, 'best-of', judge=J, services=_services)
        os._exit(0 if _said.status == 'ok' else 3)
    except BaseException:
        os._exit(4)
_code = os.waitstatus_to_exitcode(os.waitpid(_pid, 0)[1])
"""


def test_88_a_fork(book: Desk) -> None:
    """A forked child asks with connections, engine and journal of its own; the parent's are unharmed."""
    pool, (judge,) = book.named([GOOD, OTHER]), book.named(["judge"], "well")
    before = len(book.notebook.ask("_fusion.runs().run.tolist()"))
    book.notebook.run(f"P, J = {pool!r}, {judge!r}")
    book.notebook.run(_FORK)
    assert book.notebook.ask("_code") == 0
    assert len(book.notebook.ask("_fusion.runs().run.tolist()")) == before + 1
    book.works()
    saw(88, "a fork", "`ok` in the child, `ok` in the parent")


# line of options after %%fuse, prompt, and words of the sentence
REFUSED = {
    "0 models": ("--pool ,", "How?", "The pool is empty"),
    "an empty prompt": ("--pool fault:6-pool~whole~x", " \n", "The prompt is empty"),
    "an unknown mode": ("--pool fault:6-pool~whole~x --mode poll", "How?", "Unknown mode"),
    "an unknown service": ("--pool nobody:6-pool~whole~x", "How?", "Unknown"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_89_what_cannot_be_sent_is_not_sent(what: str, book: Desk) -> None:
    """Nobody to ask, nothing to ask: one sentence with the remedy, and no request."""
    line, prompt, words = REFUSED[what]
    before = book.server.stats()["posts"]
    ran = book.notebook.run(f"%%fuse {line}\n{prompt}")
    assert ran.error is not None
    assert words in ran.error[1]
    assert len(ran.error[2]) == 1
    assert book.server.stats()["posts"] == before
    saw(89, what, "one sentence, 0 requests")


@pytest.mark.parametrize("members", [1, 2, 64])
def test_89_one_or_many(members: int, book: Desk) -> None:
    """One member is its own answer, without a judge; 64 are asked side by side and judged together."""
    ran = book.fuse([(GOOD, OTHER)[n % 2] for n in range(members)])
    result = book.result()
    assert ran.error is None, ran.error
    assert [r["status"] for r in result["replies"]] == ["ok"] * (members + (members > 1))
    assert book.posts(result) == members
    saw(
        89,
        f"{members} model{'s' * (members > 1)}",
        f"`ok`, {members} row{'s and the judge' * (members > 1)}",
    )


def test_89_the_same_model_twice(book: Desk) -> None:
    """The same member named twice is two members, told apart by a number, or is refused: never two rows of one name."""
    (name,) = book.named([GOOD])
    ran = book.notebook.run(
        f"%%fuse --pool {name},{name} --judge {book.named(['judge'], 'well')[0]} --mode best-of\nHow?"
    )
    assert ran.error is None, ran.error
    result = book.result()
    labels = [ref["label"] for ref in result["pool"]]
    assert len(set(labels)) == len(labels) == len(result["replies"])
    saw(89, "the same twice", f"`ok`, {len(labels)} row{'s' * (len(labels) > 1)}, each of its own name")


@pytest.mark.parametrize(("what", "value"), [("1 MB", "'x' * 1_000_000"), ("lone surrogates", "'a\\ud800b \\udfff'")])
def test_89_enormous_and_broken_prompts(what: str, value: str, book: Desk) -> None:
    """A prompt of a megabyte is sent whole; half a character, which no wire can carry, arrives as a question mark."""
    book.notebook.run(f"text = {value}")
    ran = book.fuse([GOOD, OTHER], prompt="{text}")
    result = book.result()
    assert ran.error is None, ran.error
    assert result["status"] == "ok"
    assert result["prompt"] == ("x" * 1_000_000 if what == "1 MB" else "a?b ?")
    saw(89, what, "`ok`")
