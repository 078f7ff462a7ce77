"""The table of options: one row an option, and everything that is said about options derives from it.

A row holds the name, the type, the default, the check, one line of help, the calls that take it, whether `%config Fuse`
can set it, its flags on a magic's line, and where a run's record keeps it. From the table come the signatures
(`option_signatures`, and `core/option_types.py` for editors), the magic's parser and Tab, `%config Fuse` (the object
`fusion_nb.defaults`), the panel's traits and the settings of derived runs.

`settle()` is the one way from what a call was given to the values it works with. An option acts in a call or is refused
before anything is sent. A value comes, in this order, from the call, from the record of the run that is continued, from
`fusion_nb.defaults`, from the table; of the caps of session and day the smallest holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusion_nb.core import Limits, Selection
from fusion_nb.core import option_checks as check
from fusion_nb.core import selection_option_checks as selecting
from fusion_nb.core.option_definition import ASKING, CALLS, DERIVED, LINE, Option
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.option_defaults import Settled, configurable_class
from fusion_nb.storage.pyproject_table import project_table

Settings = Mapping[str, Any]
"""Every option of one call, checked; `None` where nothing was given and the table says nothing."""

_RUNNING = ("fuse", "afuse", "stream", "fuse_frame", *DERIVED)
_SAMPLED = (*ASKING, "add", "retry")
_JUDGED = (*ASKING, "rejudge", "add", "retry")
_LIMITS, _SELECTION = Limits(), Selection()

TABLE: tuple[Option, ...] = (
    Option("pool", "str | Sequence[str | Callable[..., Any]] | None", None, check.pool,
           "members, by comma or as a list: an alias (claude, gemini, gpt4o), a slug (openai/gpt-4o), service:model, "
           "name*3, demo, local, a saved pool, or Python functions; not given: what the keys at hand allow",
           ASKING, ("-p", "--pool"), configurable=True, record="pool"),
    Option("mode", "str", "merge", check.mode,
           "best-of picks one candidate; merge writes one answer from all of them; debate[:rounds] lets them challenge "
           "each other first; vote takes the answer that most members share, without a judge",
           (*ASKING, "rejudge", "add"), ("-m", "--mode"), configurable=True, record="mode",
           values=("best-of", "merge", "debate", "debate:2", "debate:3", "vote")),
    Option("judge", "str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None", None, check.judge,
           "the model that compares; several by comma are a jury; not given: a strong one outside the pool's families",
           _JUDGED, ("-j", "--judge"), configurable=True, record="judge"),
    Option("then", "str", "merge", check.then, "how a debate ends: best-of or merge",
           ASKING, ("--then",), configurable=True, record="then", values=("best-of", "merge")),
    Option("criteria", "str | Sequence[str]", (), check.criteria,
           "what the judge scores from 1 to 10, e.g. 'accuracy, brevity'; default: correctness, completeness, clarity",
           _JUDGED, ("--criteria",), configurable=True, record="criteria"),
    Option("orders", "int", 1, check.orders,
           "2 asks the judge twice, the second time with the candidates in reverse; where it contradicts itself, that "
           "is said",
           _JUDGED, ("--orders",), configurable=True, record="orders", values=("1", "2")),
    Option("check", "Callable[..., Any] | Sequence[Any] | None", None, selecting.checks,
           "your own function of one text, True or False, or a score from 0 to 1: only candidates that pass reach the "
           "judge, and the highest score wins without one",
           flags=("--check",), configurable=True, record="selection.checks"),
    Option("check_timeout", "float", _SELECTION.check_timeout, check.number("check_timeout", 0.001, 86_400),
           "seconds one check, or a function for extract, may take for one text", flags=("--check-timeout",),
           configurable=True, record="selection.check_timeout", needs="check or extract"),
    Option("deeper", "int", 0, check.whole("deeper", 0, 5),
           "how often a member that failed your checks tries again, told what they said",
           ASKING, ("--deeper",), configurable=True, record="selection.deeper", needs="check"),
    Option("extract", "str | Callable[[str], Any] | None", None, selecting.extract,
           "how the short answer in a text is found, for votes and agreement: your function, or number, choice, "
           "label:yes,no, json:field, text; not given: by a cautious reading",
           (*ASKING, *DERIVED), ("--extract",), configurable=True, record="selection.extract",
           values=("number", "choice", "text")),
    Option("weights", "Mapping[str, float] | Sequence[float] | None", None, selecting.weights,
           "of the members' votes, by name or in pool order", (*ASKING, "rejudge"), record="selection.weights"),
    Option("escalate", "str | Sequence[str | Callable[..., Any]] | None", None, selecting.escalate,
           "members that are asked only where the pool does not agree; one alone then gives the answer",
           ASKING, ("--escalate",), configurable=True, record="selection.escalate"),
    Option("agree", "float | str", _SELECTION.agree, selecting.agree,
           "the share of the pool that must give one answer, 0.8 or 4/5, or escalate's members are asked",
           ASKING, ("--agree",), configurable=True, record="selection.agree", needs="escalate"),
    Option("escalate_shadow", "bool", False, check.switch("escalate_shadow"),
           "ask escalate's members in any case, to learn what stopping would have saved and changed",
           ASKING, ("--escalate-shadow",), configurable=True, record="selection.escalate_shadow", needs="escalate",
           switch=True),
    Option("system", "str | None", None, check.text("system"), "system prompt of every member",
           ASKING, ("-s", "--system"), configurable=True, record="params.system"),
    Option("temperature", "float | None", None, check.number("temperature", 0, 2), "sampling temperature of members",
           _SAMPLED, ("-t", "--temperature"), configurable=True, record="params.temperature"),
    Option("seed", "int | None", None, check.whole("seed", 0, 2**63 - 1),
           "makes labels and order before the judge and, where a service honours it, sampling repeatable",
           _JUDGED, ("--seed",), record="params.seed"),
    Option("reasoning", "str | int | None", None, check.reasoning,
           "effort of every member: minimal, low, medium, high, or a number of tokens",
           _SAMPLED, ("--reasoning",), configurable=True, record="params.reasoning", values=check.EFFORTS),
    Option("max_cost", "float | str | Decimal | None", None, check.usd("max_cost"),
           "USD the run may cost at most; the worst case of a call is reserved before it is sent",
           flags=("--max-cost",), configurable=True, record="limits.max_cost"),
    Option("max_cost_per_session", "float | str | Decimal | None", None, check.usd("max_cost_per_session"),
           "USD all runs of this kernel may cost", flags=("--max-cost-per-session",), configurable=True),
    Option("max_cost_per_day", "float | str | Decimal | None", None, check.usd("max_cost_per_day"),
           "USD of a day (UTC), all kernels together", flags=("--max-cost-per-day",), configurable=True),
    Option("confirm_over", "float | str | Decimal | None", None, check.usd("confirm_over"),
           "ask first where the run may cost more than so much USD", flags=("--confirm-over",), configurable=True),
    Option("confirm", "Callable[[Any], bool] | None", None, check.function("confirm"),
           "who is asked then: called with the estimate; not given: the person, in this terminal or notebook",
           _RUNNING),
    Option("max_tokens", "int", _LIMITS.max_tokens, check.whole("max_tokens", 1, 10_000_000),
           "completion tokens of each call", flags=("--max-tokens",), configurable=True, record="limits.max_tokens"),
    Option("timeout", "float", _LIMITS.timeout, check.number("timeout", 0.001, 86_400), "seconds each call may take",
           flags=("--timeout",), configurable=True, record="limits.timeout"),
    Option("ttft", "float", _LIMITS.ttft, check.number("ttft", 0.001, 86_400),
           "seconds to wait for a reply's first text; reasoning models may need more",
           flags=("--ttft",), configurable=True, record="limits.ttft"),
    Option("idle", "float", _LIMITS.idle, check.number("idle", 0.001, 86_400), "seconds a reply may fall silent",
           CALLS, ("--idle",), configurable=True, record="limits.idle"),
    Option("quorum", "int | None", None, check.whole("quorum", 1, 64), "go on once so many candidates are there",
           ASKING, ("--quorum",), record="limits.quorum"),
    Option("grace", "float", _LIMITS.grace, check.number("grace", 0, 86_400), "seconds the others still have then",
           ASKING, ("--grace",), record="limits.grace"),
    Option("concurrency", "int", _LIMITS.concurrency, check.whole("concurrency", 1, 1024), "calls in flight at once",
           flags=("--concurrency",), configurable=True, record="limits.concurrency"),
    Option("allow_unpriced", "bool", False, check.switch("allow_unpriced"), flags=("--allow-unpriced",), switch=True,
           record="limits.allow_unpriced", help="ask models of unknown price although a cap is set"),
    Option("batch", "bool", False, check.switch("batch"), "hand the members' calls over as one batch a service: "
           "half the price, within 24 hours, at OpenAI and Anthropic", ("fuse_frame",), ("--batch",), switch=True),
    Option("base_url", "str | None", None, check.text("base_url"), flags=("--base-url",),
           help="a chat-completions service of your own: bare names are its models"),
    Option("key_env", "str | None", None, check.text("key_env"),
           "the environment variable that holds the key for base_url", flags=("--key-env",)),
    Option("aliases", "Mapping[str, str] | None", None, check.aliases,
           'names of your own: {"mini": "openai/gpt-4o-mini"}', configurable=True),
    Option("services", "Mapping[str, Mapping[str, Any]] | None", None, check.services,
           'services of your own: {"corp": {"base_url": "https://...", "key_env": "CORP_KEY"}}', configurable=True),
    Option("functions", "Sequence[Callable[..., Any]]", (), check.functions,
           "Python functions by name: those of the run that is continued, or those a panel may name",
           ("panel", *DERIVED)),
    Option("call", "int | None", None, check.whole("call", 1, 1_000_000),
           "ask the member of this call alone, whether it failed or not", ("retry",)),
    Option("tag", "str | None", None, check.label("tag"), "whose account it is on: spending(by='tag') sums by it",
           (*_RUNNING, "panel"), ("--tag",), configurable=True, record="tag"),
    Option("journal", "bool", True, check.switch("journal"),
           "keep the run on disk: off, a crash loses what was paid, and nothing can be replayed", configurable=True),
    Option("replay", "bool", False, check.switch("replay"),
           "serve the very same request from the journal where it is there: nothing is asked or paid",
           ("fuse", "afuse", "estimate", "panel"), ("--replay",), configurable=True, switch=True),
    Option("progress", "Callable[[Any], None] | None", None, check.function("progress"),
           "called on this thread with the result so far while the run goes on, and once at its end",
           ("fuse", *DERIVED)),
    Option("dry_run", "bool", False, check.switch("dry_run"),
           "say what it would cost and how long it would take; nothing is sent", (LINE,), ("--dry-run",), switch=True),
    Option("rejudge_run", "str | None", None, check.text("rejudge"),
           "a past run's id, or last: its candidates before a judge again; no candidate is asked",
           (LINE,), ("--rejudge",)),
    Option("add_members", "str | None", None, check.text("add"),
           "with --rejudge (default: last): ask these new members too", (LINE,), ("--add",)),
    Option("retry_failed", "bool", False, check.switch("retry"),
           "with --rejudge (default: last): ask the members that failed once more", (LINE,), ("--retry",), switch=True),
    Option("resume_run", "str | None", None, check.text("resume"),
           "a crashed or stopped run's id: ask what is missing, then the judge", (LINE,), ("--resume",)),
    Option("each", "str | None", None, check.text("each"),
           "a frame of this notebook: the cell, with {column} filled in, is asked for each row; its value is the frame "
           "with the answers", (LINE,), ("--each",)),
    Option("prefix", "str | None", None, check.text("prefix"),
           "with --each: goes before the names of the columns that are added", (LINE,), ("--prefix",), needs="each"),
    Option("pilot", "int | None", None, check.whole("pilot", 1, 1_000_000), flags=("--pilot",), needs="each",
           help="with --each: pay for so many random rows, say what the rest may cost, and stop", calls=(LINE,)),
    Option("fresh", "bool", False, check.switch("fresh"), "with --each: ask anew what the journal has",
           (LINE,), ("--fresh",), needs="each", switch=True),
    Option("repeat", "bool", False, check.switch("repeat"),
           "with --each: ask rows with the same prompt once each, not once for all of them",
           (LINE,), ("--repeat",), needs="each", switch=True),
    Option("evaluate", "str | None", None, check.text("evaluate"),
           "a frame or list of questions, recorded answers or runs of this notebook: was fusing worth it? The cell is "
           "then the prompt, with {column} of the frame", (LINE,), ("--evaluate",)),
    Option("known", "str | None", None, check.text("known"),
           "with --evaluate: the right answers, a column of its frame or a variable; or a function that tells",
           (LINE,), ("--known",), needs="evaluate"),
    Option("arms", "str | None", None, check.text("arms"),
           "with --evaluate: the ways to compare, like vote,merge; not given: all", (LINE,), ("--arms",),
           needs="evaluate"),
    Option("baseline", "str | None", None, check.text("baseline"),
           "with --evaluate: the member to test against, named beforehand", (LINE,), ("--baseline",), needs="evaluate"),
    Option("by", "str | None", None, check.text("by"),
           "with --evaluate: the column that says of which kind a question is", (LINE,), ("--by",), needs="evaluate"),
    Option("background", "bool", False, check.switch("background"),
           "return at once with a handle: .result, .frame, .wait(), .stop(); -o and name << bind the handle then",
           (LINE,), ("--background",), switch=True),
    Option("raw", "bool", False, check.switch("raw"), "leave every {name} in the prompt as it is",
           (LINE,), ("--raw",), switch=True),
    Option("quiet", "bool", False, check.switch("quiet"), "show nothing, only return the DataFrame",
           (LINE,), ("-q", "--quiet"), configurable=True, switch=True),
    Option("out", "str | None", None, check.text("out"),
           "bind the DataFrame to this name; also: %%fuse name << ...", (LINE,), ("-o", "--out")),
    Option("debug", "bool", False, check.switch("debug"), "show the traceback of an error",
           (LINE,), ("--debug",), switch=True),
    Option("help", "bool", False, check.switch("help"), "show this", (LINE,), ("-h", "--help"), switch=True),
)  # fmt: skip
ROWS: Mapping[str, Option] = {row.name: row for row in TABLE}
CAPS_OF_ALL_RUNS = ("max_cost_per_session", "max_cost_per_day")


def of(call: str) -> list[Option]:
    """The rows that a call takes."""
    return [row for row in TABLE if call in row.calls]


def settle(call: str, given: Mapping[str, Any], recorded: Settings | None = None) -> Settled:
    """Every option of one call, checked. Raises `UserError` for what the call does not take, or a value that is none.

    Args:
        call: one of `CALLS`.
        given: what the call itself was given; `None` is "not given".
        recorded: what the record of the run that is continued says (`recorded_options`).
    """
    for name in given:
        if name not in ROWS or ROWS[name].calls == (LINE,):
            hint = f"{call}() does not have it.".replace("panel", "Panel")
            raise UnknownName("option", name, [row.name for row in of(call)], hint)
        if call not in ROWS[name].calls and given[name] is not None:
            raise UserError(refusal(call, name))
    settings = Settled(name for name, value in given.items() if value is not None)
    path, project = project_options()
    for row in of(call):
        own, project_says = configured(row.name), project.get(row.name)
        values = (given.get(row.name), (recorded or {}).get(row.name), own, project_says)
        value = next((value for value in values if value is not None), row.default)
        # A resumed run's record may say that nothing of its cap was left: no person would give a cap of zero.
        spent_cap = row.record == "limits.max_cost" and value == 0 and given.get(row.name) is None
        settings[row.name] = value if value is None or spent_cap else row.check(value)
        if row.name in CAPS_OF_ALL_RUNS:
            settings[row.name] = min((row.check(cap) for cap in values if cap is not None), default=None)
        elif row.name == "max_cost" and own is not None and value is own and project_says is not None:
            # A project may lower a cap of the person's, never raise it.
            settings[row.name] = min(settings[row.name], row.check(project_says))
        if project_says is not None and settings[row.name] == row.check(project_says):
            settings.from_project += (row.name,)
    settings.project_file = path
    for name, row in ((name, ROWS[name]) for name in given if given[name] is not None and ROWS[name].needs):
        if not row.can_act(settings):
            raise UserError(f"{name} means nothing without {row.needs}: give {row.needs}, or leave {name} out.")
    return settings


def refusal(call: str, name: str, *, line: str = "") -> str:
    """Why a call does not take an option, with the remedy. `line`: the call as a magic's line has it (`--retry`)."""
    row = ROWS[name]
    if line:
        return f"{row.flags[-1] if row.flags else name} does not go with {line}: leave it out."
    call, *others = [f"{taker}()".replace("panel", "Panel") for taker in (call, *row.calls)][:4]
    return f"{call} does not take {name}: leave it out. {', '.join(others)} take{'s' * (len(others) == 1)} it."


def recorded_options(record: Any) -> dict[str, Any]:
    """What the record of a run (a `RunState` or `RunStarted`) says of each option."""

    def value(path: str) -> Any:
        found = record
        for step in path.split("."):
            found = getattr(found, step)
        return found or None if isinstance(found, str | tuple) else found

    # Who is asked, and the functions of a notebook, are looked up by those who continue the run.
    apart = ("pool", "mode", "judge", "check", "extract", "weights", "escalate")
    return {row.name: value(row.record) for row in TABLE if row.record and row.name not in apart}


_NEVER_OF_A_PROJECT = ("aliases", "services", "journal", "confirm_over", "replay", "quiet", "check")


def project_options() -> tuple[str, Mapping[str, Any]]:
    """(the file, what `[tool.fusion_nb]` of the nearest `pyproject.toml` says).

    Raises `UserError` for what a project may not say: whoever sent it must not choose addresses, keys or consent.
    """
    path, table = project_table("fusion_nb") or ("", {})
    for name, value in table.items():
        where = f"[tool.fusion_nb] in {path}"
        if name not in ROWS or not ROWS[name].configurable or name in _NEVER_OF_A_PROJECT:
            allowed = [row.name for row in TABLE if row.configurable and row.name not in _NEVER_OF_A_PROJECT]
            raise UnknownName("project option", name, allowed, f"{where} may not set it: take it out there.")
        try:
            ROWS[name].check(value)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
    return str(path), table


_defaults: Any = None


def configured(name: str) -> Any:
    """What `fusion_nb.defaults` says of an option; `None` where it was not set, or cannot be."""
    value = getattr(_defaults, name) if _defaults is not None and _defaults.was_set(name) else None
    return None if value in ("", (), [], {}) else value


def defaults() -> Any:
    """The defaults of this process, one object behind every door: `%config Fuse` and `fusion_nb.defaults`."""
    global _defaults  # noqa: PLW0603  one object for the process is the point
    if _defaults is None:
        _defaults = configurable_class({row.name: row for row in TABLE if row.configurable})()
    return _defaults
