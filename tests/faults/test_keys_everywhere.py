"""Threats 1 to 6: random keys are planted, every kind of fault is run through, and all that is left behind is searched."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import pickle
import secrets
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import fusion_nb
from fusion_nb.core.events import to_json
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.http import Http
from fusion_nb.providers.http_response import StreamingResponse as Response
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.run.event_recorder import EventRecorder
from tests.faults.harness import KEY_ENV, WELL_ENV, Faults, faults
from tests.faults.rows import BY_NAME
from tests.faults.scanner import leaks
from tests.shell import Shell

SLOW = (3, 4, 5, 12, 61, 62, 64, 65)
PLAYED = [name for name, row in BY_NAME.items() if row.number not in SLOW and not row.split and row.posts < 3]
MODES = ("Plain", "Context", "Verbose", "Minimal")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with faults(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def left(server: Faults, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What every fault leaves behind, by kind."""
    log = io.StringIO()
    handler, root = logging.StreamHandler(log), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    try:
        with ThreadPoolExecutor(8) as pool:
            runs = [found for name in PLAYED for found in [pool.submit(server.play, BY_NAME[name], ["whole"], name)]]
            played = [run.result()[0] for run in runs]
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    kept: dict[str, list[bytes]] = {"log": [log.getvalue().encode()]}
    csv = tmp_path_factory.mktemp("csv") / "frame.csv"

    def keep(kind: str, found: bytes | str) -> None:
        kept.setdefault(kind, []).append(found if isinstance(found, bytes) else found.encode("utf-8", "replace"))

    for one in played:
        result, frame = one.result, one.result.frame()
        frame.to_csv(csv)
        keep("events", json.dumps([to_json(event) for event in one.events]))
        keep("repr", repr(result) + repr(result.replies) + repr(one.events) + str(result))
        keep("views", result.to_html() + result.to_markdown())
        keep("csv", csv.read_bytes())
        keep("attrs", json.dumps(frame.attrs) + repr(frame))
        keep("pickles", pickle.dumps(result) + pickle.dumps(frame) + pickle.dumps(one.events))
    home = Path(os.environ["FUSION_NB_HOME"])
    for path in sorted(home.rglob("*")):
        if path.is_file():
            keep("journal", path.read_bytes())
    return {kind: b"\n".join(pieces) for kind, pieces in kept.items()}


def test_the_scanner_finds_what_is_planted() -> None:
    """Every form the scanner knows is found where it is planted: a clean result means something."""
    key = f"sk-or-v1-{secrets.token_hex(32)}"
    planted = [
        key, f"Bearer {key}", key[:40], key[30:], quote(f"Bearer {key}"), json.dumps({"a": key}), key.encode().hex(), key[::-1],
        *(base64.b64encode(f"{'x' * n}{key}yy".encode()).decode() for n in range(6)),
        base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode(),
    ]  # fmt: skip
    for text in planted:
        assert leaks(f"...{text}...".encode(), [key]), text
    assert not leaks(b"sk-or-v1-" + secrets.token_hex(32).encode(), [key])


@pytest.mark.parametrize("kind", ["log", "events", "repr", "views", "csv", "attrs", "pickles", "journal"])
def test_nothing_left_behind_holds_a_key(kind: str, left: dict[str, bytes], server: Faults) -> None:
    """After every fault, no log, event, view, frame, pickle or journal file holds a key or half of one."""
    assert len(left[kind]) > 1000, "there was nothing to search"
    assert leaks(left[kind], list(server.keys.values())) == []


def raising(*_: Any, **__: Any) -> Any:
    raise RuntimeError("injected")


INJECTIONS: dict[str, tuple[type, str]] = {
    "nowhere": (object, ""),
    "attach": (KeyAuth, "attach"),
    "post": (Http, "_send"),
    "read": (Response, "read"),
    "feed": (ChatDecoder, "feed"),
    "end": (ChatDecoder, "end"),
    "hide": (KeyAuth, "hide"),
    "client": (Http, "_client"),
    "record": (EventRecorder, "emit"),
}


@pytest.mark.parametrize("where", INJECTIONS)
def test_no_traceback_holds_a_key(where: str, server: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever something breaks inside, no `%xmode` of IPython and no local variable of the traceback shows a key."""
    shell = Shell()
    try:
        services = {
            "fault": {"base_url": server.url(), "key_env": KEY_ENV},
            "well": {"base_url": server.url(), "key_env": WELL_ENV},
        }
        shell.ip.user_ns |= {"S": services, "T": secrets.token_hex(4)}
        owner, name = INJECTIONS[where]
        if name:
            monkeypatch.setattr(owner, name, raising)
        for mode in MODES:
            shell.run(f"%xmode {mode}")
            shown, errors = cells(shell)
            assert errors, "nothing was raised"
            text = shown + "".join(map(deep, errors))
            assert leaks(text.encode("utf-8", "replace"), list(server.keys.values())) == [], mode
    finally:
        shell.close()


def cells(shell: Shell) -> tuple[str, list[BaseException]]:
    """What failing cells show, and what they raise."""
    shell.run("import fusion_nb\ndef broken(result): raise ZeroDivisionError(result)")
    ran = [
        shell.run(
            f"fusion_nb.fuse('Hi?', ['fault:{row}~whole~' + T, *{beside}], judge='well:judge~whole~' + T, services=S{more})"
        )
        for row, beside, more in (
            ("20-401", [], ""),
            ("13-reset-half", [], ""),
            ("6-pool", [], ", progress=broken"),
            ("6-pool", ["well:6-pool~whole~a"], ", mode='best-of', progress=broken"),
        )
    ]
    ran += [
        shell.run(f"%%fuse --pool fault:{row}~whole~x --judge well:judge~whole~x\nHi?") for row in ("20-401", "6-pool")
    ]
    return "".join(r.text + repr(r.value) for r in ran), [r.error for r in ran if r.error is not None]


def deep(error: BaseException) -> str:
    """All that a traceback can show: messages, frames with their variables, causes, and what hangs on the exception."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return shown + repr(vars(error)) + repr(error.args)


@pytest.mark.parametrize("take", [repr, str, pickle.dumps, vars, dir])
def test_the_run_object_shows_no_key(take: Callable[[Any], Any], server: Faults) -> None:
    """A run under way, taken apart from outside, shows no key."""
    run = server.start([f"6-pool~whole~{secrets.token_hex(4)}"])
    try:
        shown = repr(take(run))
    except Exception as error:
        shown = deep(error)
    list(run)
    assert leaks(shown.encode(), list(server.keys.values())) == []
    assert isinstance(run.result, fusion_nb.FusionResult)
