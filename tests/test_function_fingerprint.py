"""`replay` with Python functions: the same function is served from the journal, in any process; another one never."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.resolve.function_fingerprint import function_fingerprint

ROOT = Path(__file__).parents[1]

CELLS = {
    "a closure": "def make(n):\n    def member(p):\n        return f'number {n}'\n    return member\nmember = make(1)",
    "a closure of closures": "def make(n):\n    def inner():\n        return [n]\n    def member(p):\n        return inner()\n    return member\nmember = make((1, {2: 'x'}))",
    "a default": "def member(p, n=1):\n    return f'number {n}'",
    "a keyword default": "def member(p, *, n={'a': [1, 2]}):\n    return f'number {n}'",
    "a partial": "import functools\ndef ask(n, p):\n    return f'number {n}'\nmember = functools.partial(ask, 1)",
    "a partial's keyword": "import functools\ndef ask(p, n):\n    return f'number {n}'\nmember = functools.partial(ask, n=1)",
    "a partial of a partial": "import functools\ndef ask(a, b, p):\n    return a\nmember = functools.partial(functools.partial(ask, 1), 2)",
    "a generator expression": "def member(p):\n    return ''.join(c for c in p)",
    "an inner function": "def member(p):\n    def shout(t):\n        return t.upper()\n    return shout(p)",
    "a lambda inside": "def member(p):\n    return sorted([p], key=lambda t: t.lower())[0]",
    "a lambda": "member = lambda p: p + '!'",
    "a set of texts": "def member(p):\n    return 'yes' if p in {'alpha', 'beta', 'gamma', 'delta'} else 'no'",
    "sets in sets": "def member(p, s=frozenset({frozenset({'a', 'b', 'c'}), 'd', 'e', 1, None})):\n    return 'x'",
    "a value of the notebook": "GREETING = 'Hello'\ndef member(p):\n    return GREETING",
    "a function of the notebook": "def help_me(p):\n    return p\ndef member(p):\n    return help_me(p)",
    "a function that calls itself": "def member(p, n=2):\n    return p if n == 0 else member(p, n - 1)",
    "two that call one another": "def other(p, n):\n    return member(p, n)\ndef member(p, n=2):\n    return p if n == 0 else other(p, n - 1)",
    "a method": "class Bot:\n    def __init__(self, name):\n        self.name = name\n    def ask(self, p):\n        return self.name\nmember = Bot('x').ask",
    "an object that is called": "class Bot:\n    def __init__(self, name):\n        self.name = name\n    def __call__(self, p):\n        return self.name\nmember = Bot('x')",
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass Bot:\n    name: str\n    tags: frozenset = frozenset({'a', 'b', 'c'})\n    def __call__(self, p):\n        return self.name\nmember = Bot('x')",
    "a decorated function": "import functools\ndef loud(fn):\n    @functools.wraps(fn)\n    def wrapper(p):\n        return fn(p).upper()\n    return wrapper\n@loud\ndef member(p):\n    return p",
    "a cached function": "import functools\n@functools.cache\ndef member(p):\n    return p",
    "a coroutine function": "async def member(p):\n    return p",
    "a generator function": "def member(p):\n    for word in p.split():\n        yield word",
    "modules, enums, patterns": "import re, enum, json\nclass Tone(enum.Enum):\n    KIND = 'kind'\nRULE = re.compile('a+', re.I)\ndef member(p):\n    return json.dumps([RULE.sub('', p), Tone.KIND.value])",
    "a client of the notebook": "import threading\nlock = threading.Lock()\ndef member(p):\n    with lock:\n        return p",
    "an array": "import array\ndef member(p, table=array.array('d', [1.0, 2.0])):\n    return p",
    "a module of one's own": "import types\nrules = types.ModuleType('rules')\nrules.TONE = 'kind'\ndef member(p):\n    return rules.TONE",
    "an attribute of the function": "def member(p):\n    return member.tone\nmember.tone = 'kind'",
    "a decorator of a library": "import contextlib\n@contextlib.contextmanager\ndef opened(p):\n    yield p\ndef member(p):\n    with opened(p) as text:\n        return text",
    "a try block": "def member(p):\n    try:\n        return p[0]\n    except IndexError:\n        return ''",
}  # fmt: skip
"""What a cell may hold that defines `member`."""

CHANGES = {
    "a closure": ("make(1)", "make(2)"),
    "a closure of closures": ("{2: 'x'}", "{2: 'y'}"),
    "a default": ("n=1", "n=2"),
    "a keyword default": ("[1, 2]", "[1, 3]"),
    "a partial": ("(ask, 1)", "(ask, 2)"),
    "a partial's keyword": ("n=1", "n=True"),
    "a partial of a partial": ("ask, 1), 2", "ask, 2), 1"),
    "a generator expression": ("c for c", "c + c for c"),
    "an inner function": ("upper", "lower"),
    "a lambda inside": ("lower", "upper"),
    "a lambda": ("'!'", "'?'"),
    "a set of texts": ("'delta'", "'deltas'"),
    "sets in sets": ("'b'", "'f'"),
    "a value of the notebook": ("'Hello'", "'Good day'"),
    "a function of the notebook": ("return p\ndef", "return p + p\ndef"),
    "a function that calls itself": ("n - 1", "n - 2"),
    "two that call one another": ("member(p, n)", "member(p + p, n)"),
    "a method": ("'x'", "'y'"),
    "an object that is called": ("return self.name", "return self.name + p"),
    "a dataclass": ("'b'", "'z'"),
    "a decorated function": ("upper", "title"),
    "a cached function": ("return p", "return p + p"),
    "a coroutine function": ("return p", "return p + p"),
    "a generator function": ("yield word", "yield word + word"),
    "modules, enums, patterns": ("re.I", "re.M"),
    "an array": ("2.0]", "3.0]"),
    "a module of one's own": ("'kind'", "'dry'"),
    "an attribute of the function": ("'kind'", "'dry'"),
    "a decorator of a library": ("yield p", "yield p + p"),
    "a try block": ("IndexError", "KeyError"),
}
"""What is changed in such a cell, so that it answers otherwise."""


def member_of(cell: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(cell, namespace)
    return namespace["member"]


PROCESS = """
import json, sys
from fusion_nb.resolve.function_fingerprint import function_fingerprint
digests = {}
for name, cell in json.load(sys.stdin).items():
    namespace = {"__name__": "__main__"}
    exec(compile("\\n" * int(sys.argv[1]) + cell, f"cell {sys.argv[1]}", "exec"), namespace)
    digests[name] = function_fingerprint(namespace["member"])
print(json.dumps(digests))
"""


def digests(seed: int) -> dict[str, str | None]:
    """The digests of all cells in a process of its own, in which they stand on other lines of other files."""
    env = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", PROCESS, str(seed)]
    done = subprocess.run(
        command, cwd=ROOT, env=env, input=json.dumps(CELLS), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_an_unchanged_cell_is_the_same_in_every_process() -> None:
    """Whatever the hash seed, the file and the line: one digest for each, and no two cells share one."""
    first, *others = (digests(seed) for seed in (1, 2, 3))
    assert None not in first.values()
    assert others == [first, first]
    assert len(set(first.values())) == len(CELLS)


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_cell_is_another(name: str) -> None:
    """Its code, or anything it is made of, is changed: another digest; the same text again: the same digest."""
    old, new = CHANGES[name]
    changed = CELLS[name].replace(old, new)
    assert changed != CELLS[name]
    digest = function_fingerprint(member_of(CELLS[name]))
    assert digest is not None
    assert function_fingerprint(member_of(CELLS[name])) == digest
    assert function_fingerprint(member_of(changed)) not in (None, digest)


def test_what_changes_nothing_is_no_change() -> None:
    """A comment, an annotation, another value of the notebook that it does not name: the same function."""
    plain = "def member(p):\n    return p"
    same = [
        "def member(p):\n    # a word\n\n    return p",
        "def member(p: str) -> str:\n    return p",
        "x = 5\ndef member(p):\n    return p",
    ]
    assert {function_fingerprint(member_of(cell)) for cell in (plain, *same)} == {
        function_fingerprint(member_of(plain))
    }


@pytest.mark.parametrize(
    "cell",
    [
        "import threading\ndef make(lock):\n    return lambda p: str(lock)\nmember = make(threading.Lock())",
        "import functools, io\nmember = functools.partial(lambda out, p: p, io.StringIO())",
        "import pandas as pd\ntable = pd.DataFrame({'a': [1]})\ndef member(p):\n    return str(table)",
        "import pandas as pd\ndef member(p, table=pd.Series([1])):\n    return str(table)",
        "deep = []\nfor _ in range(5000):\n    deep = [deep]\ndef member(p, deep=deep):\n    return 'x'",
        "def member(p, many=list(map(str, range(200_000)))):\n    return 'x'",
    ],
    ids=["a lock in a closure", "a stream in a partial", "a table of the notebook", "a table as default", "deep", "many"],
)  # fmt: skip
def test_what_cannot_be_compared(cell: str) -> None:
    """An object of which nobody knows whether it is the same tomorrow: no digest, and so no replay."""
    assert function_fingerprint(member_of(cell)) is None


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def answers(*members: Callable[..., Any], **options: Any) -> list[str | None]:
    """The answer of each, asked one after the other with `replay`."""
    return [fusion_nb.fuse("Hm?", [member], replay=True, **options).answer for member in members]


@pytest.mark.usefixtures("own_home")
def test_replay_serves_no_other_functions_answer() -> None:
    """Two functions of one name and one code, bound to other values: each answers for itself."""

    def make(n: int) -> Callable[[str], str]:
        def member(prompt: str) -> str:
            return f"I am number {n}"

        return member

    assert answers(make(1), make(2), make(1), make(2)) == ["I am number 1", "I am number 2"] * 2
    assert len(fusion_nb.runs()) == 2


SCRIPT = """
import fusion_nb

def member(prompt):
    print("asked")
    return " ".join(word for word in ("a", "b") if word in {"a", "b", "c", "d"})

print(fusion_nb.fuse("Hm?", [member], replay=True).answer)
"""


@pytest.mark.usefixtures("own_home")
def test_restart_and_run_all_asks_nobody(tmp_path: Path) -> None:
    """A cell with a generator expression and a set is asked once, and in no later process."""
    script = tmp_path / "cell.py"
    script.write_text(textwrap.dedent(SCRIPT))
    printed = []
    for seed in ("1", "2", "3"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, check=True)
        printed.append(done.stdout.split("\n")[:-1])
    assert printed == [["asked", "a b"], ["a b"], ["a b"]]


@pytest.mark.usefixtures("own_home")
def test_what_cannot_be_compared_is_asked_each_time() -> None:
    """A member that holds a lock in its closure answers anew every time."""
    import threading

    calls = []

    def make(lock: Any) -> Callable[[str], str]:
        def member(prompt: str) -> str:
            with lock:
                calls.append(prompt)
                return f"{len(calls)}"

        return member

    member = make(threading.Lock())
    results = [fusion_nb.fuse("Hm?", [member], replay=True) for _ in range(2)]
    assert [result.answer for result in results] == ["1", "2"]
    for result in results:
        assert "Asked, not replayed: member holds an object that cannot be compared" in " ".join(result.notes)
    assert fusion_nb.fuse("Hm?", [member]).notes == ()
