"""`df.fusion`: what people ask of the calls in a frame, of one run or of many put together with `pd.concat`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from fusion_nb.errors import UserError
from fusion_nb.views import (
    agreement_table,
    cost_plot,
    formatting,
    frame_sums,
    run_facts,
    spreadsheet_files,
)
from fusion_nb.views.agreement_statistics import jury_alpha
from fusion_nb.views.frame_sums import exact, exact_sum, is_missing

if TYPE_CHECKING:
    from fusion_nb.views.agreement_statistics import EffectiveVotes

NEEDED = ("run", "call", "role", "label", "cost_usd")
_TABLES = (("run", "when", "prompt", "pool"), ("ref", "name", "context", "source"))
"""What tells the other tables of ours: past runs, and models. They have no calls, but texts of others."""


class Cost(NamedTuple):
    """What calls cost, and what the sum leaves out."""

    usd: Decimal | None
    """Sum of every known cost, to the last digit; `None` where none is known."""
    calls: int
    unpriced: int
    """Calls whose cost nobody reported or could compute."""
    computed: int
    """Calls whose cost was computed from a price list, because their service did not report it."""
    demo: bool
    """Whether some of it is the demo's play money."""

    def __str__(self) -> str:
        if self.usd is None:
            return f"cost unknown ({formatting.plural(self.calls, 'call')})"
        left_out = f", {self.unpriced} of them unpriced" if self.unpriced else ""
        listed = f", {self.computed} computed from price lists" if self.computed else ""
        play = "; play money: demo" if self.demo else ""
        calls = formatting.plural(self.calls, "call")
        return f"{'≥ ' if self.unpriced else ''}${self.usd:f} ({calls}{left_out}{listed}{play})"

    def __repr__(self) -> str:
        return str(self)

    @property
    def short(self) -> str:
        """The total in a few words."""
        total = "unknown" if self.usd is None else f"{'≥ ' if self.unpriced else ''}{formatting.money(self.usd)}"
        return f"{total}, {formatting.plural(self.calls, 'call')}{', play money (demo)' if self.demo else ''}"


class Fusion:
    """What a frame's calls cost and took, member by member; who agreed; a picture of it; files that are safe to open.

    `cost()`, `costs()`, `by_member()`, `timeline()`, `plot()`; `agreement()`, `effective_votes()`, `scores()`,
    `escalation()`; `to_csv()`, `to_excel()`; `calls()` of a table of prompts. Works on parts of a
    frame, and on frames of several runs put together; the files are made of `runs()` and `models()` too.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        missing = [name for name in NEEDED if name not in frame.columns]
        self._runs = [name for name in frame.columns if _names_runs(name, set(frame.columns))]
        if missing and not self._runs and not any(set(table) <= set(frame.columns) for table in _TABLES):
            # What pandas expects of an accessor that does not fit: `hasattr(df, "fusion")` is then false.
            raise AttributeError(f"df.fusion is for frames of fusion_nb; this one has no column {', '.join(missing)}.")
        self._all, self._no_calls = frame, bool(missing)

    def __repr__(self) -> str:
        calls = "" if self._no_calls else f" {self.cost().short};"
        return f"<df.fusion:{calls} {', '.join(name for name in dir(self) if name[0] != '_')}>"

    def __dir__(self) -> list[str]:
        """Of a table without calls of its own, what works for it alone."""
        works = ("to_csv", "to_excel", *(["calls"] if self._runs else []))
        return [name for name in super().__dir__() if not self._no_calls or name[0] == "_" or name in works]

    @property
    def _frame(self) -> pd.DataFrame:
        if self._no_calls:
            if self._runs:
                raise UserError("This table has a row a prompt: ask its calls, as in df.fusion.calls().fusion.cost().")
            raise UserError("This table has no calls: to_csv() and to_excel() are what df.fusion has for it.")
        return self._all

    def calls(self) -> pd.DataFrame:
        """The frame of all calls of `fuse_frame()`'s rows, a row a call, found by `run` in the journal.

        `attrs["left_out"]` counts runs that are not there. Raises `UserError` for a table without runs of its own.
        """
        if not self._runs:
            return self._frame
        runs = list(dict.fromkeys(str(run) for name in self._runs for run in self._all[name].dropna()))
        # By the package's own door: what reads the journal is built on views.
        calls: pd.DataFrame
        calls, count = sys.modules["fusion_nb"].history.calls_of(runs)
        if not count:
            raise UserError("None of this table's runs is in the journal: there are no calls to show.")
        calls.attrs = {"left_out": len(runs) - count}
        return calls

    def cost(self) -> Cost:
        """The exact total of all known costs, with how many calls it leaves out."""
        df = self._frame
        costs = [exact(v) for v in df["cost_usd"] if not is_missing(v)]
        computed = int((df["cost_source"] == "computed").fillna(False).sum()) if "cost_source" in df else 0
        demo = "service" in df and bool((df["service"] == "demo").fillna(False).any())
        total = self._exact_total(costs) if costs else None
        return Cost(total, len(df), len(df) - len(costs), computed, demo)

    def by_member(self) -> pd.DataFrame:
        """A row per member, judges last: calls, cost, tokens, median seconds, mean score, how often it was chosen.

        `failed` counts calls without a usable reply. A cost or a count that nobody knows is `<NA>`; `unpriced` says how
        many calls `cost_usd` leaves out. `providers`: who served them, where a router told; `attrs["notes"]` says which
        model was served by more than one.
        """
        table = _table(frame_sums.member_rows(self._frame), frame_sums.MEMBER_DTYPES).set_index("label")
        table.attrs["notes"] = frame_sums.served_twice(self._frame)
        return table

    def costs(self, *by: str | Sequence[str]) -> pd.DataFrame:
        """What calls cost by one column or several: `df.fusion.costs("role")`. A sum that nobody knows is `<NA>`.

        A plain `groupby(...).cost_usd.sum()` makes it 0.0. `unpriced` says how many calls `cost_usd` leaves out.
        """
        df = self._frame
        names = [name for each in by for name in ([each] if isinstance(each, str) else each)]
        unknown = [str(name) for name in names if name not in df]
        if unknown or not names:
            told = ", ".join(unknown) or "none"
            raise UserError(f"costs() takes columns of this frame, such as 'role' or 'label'; not {told}.")
        cost = df["cost_usd"].astype("Float64")
        groups = cost.groupby([df[name] for name in names], sort=False, observed=True, dropna=False)
        calls, priced = groups.size().astype("Int64"), groups.count().astype("Int64")
        return pd.DataFrame({"calls": calls, "cost_usd": groups.sum(min_count=1), "unpriced": calls - priced})

    def timeline(self) -> pd.DataFrame:
        """A row per call: seconds from the run's start to its start, its first text and its end.

        Where nobody says when calls started (frames of another process put together), each round is taken to start when
        the one before has ended, which is what the engine does.
        """
        return _table(frame_sums.time_rows(self._frame, self._facts(recorded=False)), frame_sums.TIME_DTYPES)

    def agreement(self, known: Any = None) -> pd.DataFrame:
        """A row per run: which `share` of the members `asked` gave the `answer` that most share, and who differs.

        `share`, `dissenters` (names) and `tied` (the member named first decided) are `<NA>` where no two short answers
        could be compared, as of essays. `groups` counts the different short answers. With `extract="label:yes,no"` the
        column `answer` is categorical, with those labels.

        Args:
            known: the truth, as for `effective_votes()`. Adds a column `right`, whether the answer that most share is,
                and `attrs["effective_votes"]`.

        >>> import fusion_nb
        >>> prompt = "How many times does the letter r occur in the word strawberry?"
        >>> df = fusion_nb.fuse(prompt, pool="demo", mode="vote").frame()
        >>> df.fusion.agreement()[["asked", "answer", "dissenters"]].values.tolist()
        [[3, '3', 'demo:swift']]
        """
        facts = self._facts(recorded=False)
        table = _table(agreement_table.agreement_rows(self._frame, facts), agreement_table.AGREEMENT_DTYPES)
        table = table.set_index("run")
        labels = agreement_table.answer_labels(facts)
        if labels and set(table["answer"].dropna()) <= set(labels):
            table["answer"] = pd.Categorical(table["answer"], categories=list(labels))
        if known is not None:
            right = agreement_table.right_groups(self._frame, self._facts(), known)
            table["right"] = pd.array([right[run] for run in table.index], dtype="boolean")
            table.attrs["effective_votes"] = self.effective_votes(known).plain()
        return table

    def effective_votes(self, known: Any) -> EffectiveVotes:
        """How many independent votes the members are worth over these runs: k / (1 + (k - 1) r), at most k.

        r is the mean correlation (phi) of the errors of two members. The result has `value`, `low` and `high` (a 95 %
        interval over the runs), `members` and `runs`; `value` is `None` where a member is always right or always wrong.

        Args:
            known: the right answer by run, as a dict or a Series: a number is compared by its value, another text but
                for case and spaces, and who gave no short answer is wrong. Or the name of a column, or a boolean Series
                with this frame's index, that says of each row whether it is right.

        Raises `UserError` where `known` is none of these.
        """
        # numpy is there with pandas; who asks for none of this does not load it by us.
        from fusion_nb.views.agreement_statistics import effective_votes  # noqa: PLC0415

        found = agreement_table.errors(self._frame, self._facts(), known)
        return effective_votes(found.members, found.wrong)

    def scores(self) -> pd.DataFrame:
        """A row per run, judge, candidate and criterion: what each judge gave. The frame's `score` is all together.

        `attrs["alpha"]`: Krippendorff's alpha of juries, over 30 or more runs, each judge's scores centred
        in each run; `None` below that. `attrs["left_out"]`: runs of which nothing could be found but their rows.
        """
        facts, rows = self._facts(), []
        for run, part in self._frame.groupby("run", sort=False):
            labels = dict(zip(map(int, part["call"]), part["label"], strict=True))
            rows += run_facts.score_rows(str(run), facts.get(str(run), {}), labels)
        table = _table(rows, run_facts.SCORE_DTYPES)
        table.attrs["alpha"], table.attrs["jury_runs"] = jury_alpha(rows)
        return self._found(table, facts)

    def escalation(self) -> pd.DataFrame:
        """A row per run with a cascade: `share` found, share to `agree` on, whether more was `needed`, who was `asked`.

        `vote` is the short answer of the first members' vote, `differs` says whether the run's answer has another one.
        `saved_usd` and `saved_s`: what stopping at the vote would have saved (the calls of those asked then, and of
        judges); `unpriced` counts the calls that `saved_usd` leaves out. `attrs["sums"]` has the sums over `all` runs,
        and over those where it was `not_needed` (`escalate_shadow`); `attrs["left_out"]` counts runs of which nothing
        could be found but their rows.
        """
        facts = self._facts()
        rows = frame_sums.escalation_rows(self._frame, facts)
        table = _table(rows, frame_sums.ESCALATION_DTYPES).set_index("run")
        table.attrs["sums"] = frame_sums.escalation_sums(rows)
        return self._found(table, facts)

    def plot(self, *, theme: str | None = None) -> Any:
        """Cost and seconds by member and role, side by side; returns the two matplotlib axes.

        Args:
            theme: `light` or `dark`. `None` follows the style that matplotlib was given; without one the picture has no
                ground of its own and is read on a light page and on a dark one.

        Raises `UserError` without matplotlib.
        """
        return cost_plot.draw(self.by_member(), self.timeline(), self.cost().short, theme)

    def to_csv(self, path: Any = None, **options: Any) -> str | None:
        """Like `DataFrame.to_csv`, but no text in it can act as a formula in a spreadsheet.

        What could act stands behind an apostrophe, so a file that is to be read back to the very same texts is made by
        `DataFrame.to_csv` or `to_parquet`.
        """
        return spreadsheet_files.to_csv(self._all, path, **options)

    def to_excel(self, path: Any, *, sheet_name: str = "fusion", **options: Any) -> None:
        """Like `DataFrame.to_excel`, but no text in it can act as a formula in a spreadsheet.

        Texts are written to the letter, as text, and read back the same; only what XML cannot hold is left out.
        """
        spreadsheet_files.to_excel(self._all, path, pd.ExcelWriter, sheet_name=sheet_name, **options)

    def _exact_total(self, costs: list[Decimal]) -> Decimal:
        """The sum; to the last digit of the services' own decimals where the frame is a whole run and keeps them."""
        total = exact_sum(costs)
        recorded = self._frame.attrs.get("total_cost_usd")
        if not isinstance(recorded, str) or self._frame["run"].nunique() != 1:
            return total
        return noted if float(noted := Decimal(recorded)) == float(total) else total

    def _facts(self, *, recorded: bool = True) -> dict[str, dict[str, Any]]:
        """What is known of each run beside its rows. `recorded`: look in the journal for what is not at hand."""
        df = self._frame
        attrs = {str(name): value for name, value in df.attrs.items()}
        return run_facts.facts_by_run(map(str, df["run"].unique()), attrs, recorded=recorded)

    def _found(self, table: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
        table.attrs["left_out"] = int(self._frame["run"].nunique()) - len(facts)
        return table


def _names_runs(name: Any, columns: set[Any]) -> bool:
    """Whether a column holds the runs of `fuse_frame()`'s rows, whatever its prefix."""
    if not isinstance(name, str) or not name.endswith("run"):
        return False
    return {f"{name.removesuffix('run')}{other}" for other in ("answer", "agreement", "chosen_model")} <= columns


def _table(rows: Iterable[Mapping[str, Any]], dtypes: Mapping[str, Any]) -> pd.DataFrame:
    rows = list(rows)
    return pd.DataFrame({name: pd.array([row[name] for row in rows], dtype=kind) for name, kind in dtypes.items()})


def register() -> None:
    """Make `df.fusion` known to pandas; once, however often the module is loaded."""
    if not hasattr(pd.DataFrame, "fusion"):
        pd.api.extensions.register_dataframe_accessor("fusion")(Fusion)


register()
