"""`%fuse_runs`, `%fuse_spend` and `%fuse_models`: what has been, and what could be, as DataFrames."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class

from fusion_nb.errors import UserError
from fusion_nb.magic import lazy_imports
from fusion_nb.magic.line_parser import documented, split_words


@magics_class
class Tables(Magics):
    """Tables of runs, of what was spent and of models."""

    @line_magic
    @documented
    def fuse_runs(self, line: str) -> Any:
        """List past runs, newest first, as a DataFrame; words filter.

        %fuse_runs p-value            those with the word in prompt, answer or members; "two words" are a phrase
        %fuse_runs --delete RUN ...   delete these, all or none; last is the newest
        %fuse_runs --purge-before 2026-01-31
        %fuse_runs --export "my runs.jsonl" [words]
        %fuse_runs --import "their runs.jsonl"    to look at, judge again and replay: in no account of yours
        """
        history = lazy_imports.history()
        match split_words(line):
            case ["--delete", *runs] if runs:
                return print(f"Deleted: {history.delete(*runs)}.")
            case ["--purge-before", day]:
                return print(f"Deleted: {history.purge_before(day)}.")
            case ["--export", path, *words]:
                count = history.export(path, _phrases(words))
                return print(f"Exported: {count}." if count else "No such run: nothing was exported, no file was made.")
            case ["--import", path]:
                count = history.import_runs(path)
                return print(f"Imported: {count}." if count else "All of them are here already.")
            case words if any(word.startswith("--") for word in words):
                forms = "words, --delete RUN, --purge-before DAY, --export FILE or --import FILE"
                raise UserError(f"{line!r}: %fuse_runs takes {forms}.")
        return history.runs(_phrases(words))

    @line_magic
    @documented
    def fuse_spend(self, since: str) -> Any:
        """Say what was spent today (UTC), by model as a DataFrame; and what the caps and the key have left.

        %fuse_spend                   today
        %fuse_spend 2026-11-01        since that day
        %fuse_spend --by tag,month    sums since ever, or since a day: by tag, month, day, service, model, run
        """
        match split_words(since):
            case ["--by", names]:
                return lazy_imports.api().spending(by=names)
            case ["--by", names, day] | [day, "--by", names]:
                return lazy_imports.api().spending(day, by=names)
            case words if any(word.startswith("--") for word in words):
                raise UserError(f"{since!r}: %fuse_spend takes a day, and --by tag, month, day, service, model or run.")
        spent = lazy_imports.api().spending(since)
        print(spent)
        return spent.frame()

    @line_magic
    @documented
    def fuse_models(self, words: str) -> Any:
        """List the models a pool can name, as a DataFrame; first the aliases, with what they stand for now.

        %fuse_models gemini flash     those with both words
        %fuse_models image <2 >100k   that take images (where a service's own list can be read: the price table does
                                      not know), cost less than 2 USD a million prompt tokens, hold over 100,000
        """
        found = lazy_imports.api().models(words)
        if note := found.attrs["note"]:
            print(note)
        return found


def _phrases(words: list[str]) -> str:
    """Words as a search takes them: what was typed in quotation marks is a phrase there too."""
    return " ".join(f'"{word}"' if " " in word and '"' not in word else word for word in words)
