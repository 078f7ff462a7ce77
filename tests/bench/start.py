"""How long until something happens."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.bench.ours import median
from tests.replay import Replay

BARE = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"
LOADED = f"{BARE}; shell.run_line_magic('load_ext', 'fusion_nb')"
OURS = """
import sys, fusion_nb
from fusion_nb.core.events import TextDelta
services = {"replay": {"base_url": sys.argv[1]}}
for event in fusion_nb.stream("Count.", pool=["replay:rate/0/3/100"], services=services):
    if isinstance(event, TextDelta):
        break
"""
OPENAI = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="none")
said = client.chat.completions.create(
    model="rate/0/3/100", stream=True, messages=[{"role": "user", "content": "Count."}])
for chunk in said:
    if chunk.choices and chunk.choices[0].delta.content:
        break
"""


def _seconds(code: str, *argv: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code, *argv], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def load_ext(replay: Replay) -> None:
    """`%load_ext fusion_nb` over a bare IPython, fresh processes."""
    bare, loaded = median(7, lambda: _seconds(BARE)), median(7, lambda: _seconds(LOADED))
    print(f"%load_ext fusion_nb       bare IPython {bare * 1000:.0f} ms", end=" | ")
    print(f"+{(loaded - bare) * 1000:.0f} ms (aim: at most 100)")


def fresh_process_to_first_token(replay: Replay) -> None:
    """From the start of a process to the first candidate token."""
    ours = median(7, lambda: _seconds(OURS, replay.url))
    theirs = median(7, lambda: _seconds(OPENAI, replay.url))
    print(f"process to first token    openai-python {theirs * 1000:.0f} ms | fusion_nb {ours * 1000:.0f} ms")
