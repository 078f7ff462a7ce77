"""The options of `%%fuse`, once: argparse, Tab and the line reader all look here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from IPython.core.magic_arguments import argument, magic_arguments

from fusion_nb._errors import UserError


class Option(NamedTuple):
    names: tuple[str, ...]
    help: str
    type: Callable[[str], Any] = str
    flag: bool = False


OPTIONS = (
    Option(
        ("-p", "--pool"),
        "members, by comma: an alias (claude, gemini, gpt4o), a slug (openai/gpt-4o), service:model, name*3, demo, "
        "local, or the name of a Python function of this notebook",
    ),
    Option(
        ("-m", "--mode"),
        "best-of picks one candidate; merge writes one answer from all of them; debate[:rounds] lets them challenge "
        "each other first",
    ),
    Option(("-j", "--judge"), "the model that compares"),
    Option(("--then",), "how a debate ends: best-of or merge"),
    Option(("--criteria",), "what the judge scores, e.g. 'accuracy, brevity'"),
    Option(
        ("--orders",), "2 asks the judge twice, the second time with the candidates in reverse; it may disagree", int
    ),
    Option(("-s", "--system"), "system prompt of every member"),
    Option(("-t", "--temperature"), "sampling temperature of every member", float),
    Option(("--seed",), "makes labels, order and, where a service honours it, sampling repeatable", int),
    Option(("--reasoning",), "effort: minimal, low, medium, high, or a number of tokens"),
    Option(("--max-cost",), "USD the run may cost at most; reserved before each call"),
    Option(("--dry-run",), "say what it would cost and how long it would take; nothing is sent", flag=True),
    Option(("--confirm-over",), "ask first where the run may cost more than so much USD"),
    Option(("--max-tokens",), "completion tokens of each call", int),
    Option(("--timeout",), "seconds each call may take", float),
    Option(("--ttft",), "seconds to wait for a reply's first text; reasoning models may need more", float),
    Option(("--idle",), "seconds a reply may fall silent", float),
    Option(("--quorum",), "go on once so many candidates are there", int),
    Option(("--grace",), "seconds the others still have then", float),
    Option(("--concurrency",), "calls in flight at once", int),
    Option(("--allow-unpriced",), "ask models of unknown price although --max-cost is set", flag=True),
    Option(("--base-url",), "a chat-completions service of your own: bare names in the pool are its models"),
    Option(("--key-env",), "the environment variable that holds the key for --base-url"),
    Option(
        ("--replay",), "serve this very cell from the journal where it has run before: nothing asked or paid", flag=True
    ),
    Option(("--rejudge",), "a past run's id, or last: its candidates before a judge again; no candidate is asked"),
    Option(("--add",), "with --rejudge (default: last): ask these new members too"),
    Option(("--retry",), "with --rejudge (default: last): ask the members that failed once more", flag=True),
    Option(("--resume",), "a crashed or stopped run's id: ask what is missing, then the judge"),
    Option(
        ("--background",),
        "return at once with a handle: .result, .frame, .wait(), .stop(); -o and name << bind the handle then",
        flag=True,
    ),
    Option(("--raw",), "leave every {name} in the prompt as it is", flag=True),
    Option(("-q", "--quiet"), "show nothing, only return the DataFrame", flag=True),
    Option(("-o", "--out"), "bind the DataFrame to this name; also: %%fuse name << ..."),
    Option(("--debug",), "show the traceback of an error", flag=True),
    Option(("-h", "--help"), "show this", flag=True),
)
VALUED = frozenset(name for option in OPTIONS if not option.flag for name in option.names)
FLAGS = frozenset(name for option in OPTIONS if option.flag for name in option.names)
AGAIN = ("rejudge", "add", "retry", "resume")
NOT_FOR_THE_RUN = frozenset({"prompt", "raw", "quiet", "out", "debug", "help", "dry_run", "background", *AGAIN})


def fuse_arguments(magic: Any) -> Any:
    """Declare `OPTIONS` the way IPython's magics do, so that `%fuse?` and `%%fuse?` are the manual."""
    for option in reversed(OPTIONS):
        how: dict[str, Any] = {"action": "store_true"} if option.flag else {}
        # Values are read by `values`, whose sentences name the remedy; argparse's do not.
        magic = argument(*option.names, help=option.help.replace("%", "%%"), **how)(magic)
    magic = argument("prompt", nargs="*", help="%%fuse: the prompt as it stands; %%%%fuse: none, the cell is it")(magic)
    return magic_arguments()(magic)


def values(parsed: argparse.Namespace) -> dict[str, Any]:
    """What was given on the line, as arguments of `fusion_nb.fuse`; what was not given is absent."""
    given: dict[str, Any] = {}
    for option in OPTIONS:
        name = option.names[-1].lstrip("-").replace("-", "_")
        value = getattr(parsed, name)
        if name in NOT_FOR_THE_RUN or value is None or value is False:
            continue
        try:
            given[name] = value if option.flag else option.type(value)
        except ValueError:
            kind = {int: "a whole number", float: "a number"}[option.type]  # type: ignore[index]
            raise UserError(f"{option.names[-1]} takes {kind}, not {value!r}.") from None
    return given


def manual(parser: argparse.ArgumentParser) -> str:
    """What `--help` prints: IPython's own begins with the marks of a code block."""
    return parser.format_help().removeprefix("::").lstrip("\n")
