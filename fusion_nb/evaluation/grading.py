"""Which answers are right: by gold answers, by a person's own function, or by what the records say themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fusion_nb.core.option_checks import shown
from fusion_nb.core.selection_option_checks import Check, function_name
from fusion_nb.errors import UserError
from fusion_nb.evaluation.observations import Answer, Question
from fusion_nb.judging.check_runner import graded
from fusion_nb.judging.normalized_answer import ShortAnswer, parse_answer
from fusion_nb.judging.short_answer import final_answer
from fusion_nb.judging.stated_answer import stated_answer
from fusion_nb.judging.vote import Extract, extract_answer

Correct = Callable[..., Any]
"""`correct(result, text)` or `correct(text)`: a bool, or how right it is from 0 to 1."""


class Grader:
    """Tells how right a text is as an answer to a question, each text once.

    Args:
        known: nothing, a person's function, or the gold answers by prompt; those of `Question.gold` count first.
        extract: how short answers are found, in texts and in gold answers.
    """

    def __init__(self, known: Correct | Mapping[str, Any] | None, extract: Extract = None) -> None:
        self._correct = Check(function_name(known), known) if callable(known) else None
        self._known = known if isinstance(known, Mapping) else {}
        self._extract = extract
        self.failures: Counter[str] = Counter()
        """Why questions could not be graded, and how many of them."""

    def gold(self, question: Question) -> Any:
        """The right answer as it was given; `None` where nobody knows."""
        gold = question.gold if question.gold is not None else self._known.get(question.prompt)
        return None if gold is None or gold != gold or str(gold).strip() in ("", "<NA>", "nan", "NaT") else gold  # noqa: PLR0124  NaN

    def right(self, question: Question, answers: Sequence[Answer]) -> list[float] | None:
        """How right each answer is, 0 to 1; nothing is never right. `None` where this question cannot be graded."""
        try:
            return [self._grade(question, answer) for answer in answers]
        except _UngradedError as why:
            self.failures[str(why)] += 1
            return None

    def _grade(self, question: Question, answer: Answer) -> float:
        if answer.mark is not None:
            return _within(answer.mark)
        if self._correct is None and self.gold(question) is None:
            raise _UngradedError("no right answer is known")
        if answer.text is None:
            return 0.0
        if self._correct is not None:
            return self._asked(self._correct, question, answer.text)
        return float(self._matches(question, answer.text))

    def _asked(self, correct: Check, question: Question, text: str) -> float:
        try:
            grade, nonsense = graded(correct, question.result, text)
        except Exception as error:  # noqa: BLE001  the person's function may raise anything; the question is left out
            raise _UngradedError(f"{correct.name} raised {type(error).__name__}: {str(error)[:120]}") from None
        if grade is None:
            raise _UngradedError(nonsense.rstrip("."))
        return float(grade)

    def _matches(self, question: Question, text: str) -> bool:
        expected = str(self.gold(question))
        if self._extract is None:
            stated = stated_answer(expected)
            return final_answer(text, question.prompt).agrees_with(parse_answer(expected if stated is None else stated))
        answer = self.short(text, question)
        gold = extract_answer(expected, self._extract, question.prompt) or parse_answer(expected)
        return answer is not None and answer.agrees_with(gold)

    def short(self, text: str, question: Question) -> ShortAnswer | None:
        """The short answer by which texts are compared in a vote."""
        try:
            return extract_answer(text, self._extract, question.prompt)
        except Exception as error:  # noqa: BLE001  the person's function may raise anything
            name = function_name(self._extract) if callable(self._extract) else str(self._extract)
            raise UserError(f"{name} raised {type(error).__name__} on an answer: {str(error)[:120]}.") from None


class _UngradedError(Exception):
    """Why a question cannot be graded."""


def _within(mark: float) -> float:
    if not 0 <= mark <= 1:
        raise UserError(f"How right an answer is goes from 0 to 1, not {mark:g}: divide by the best there can be.")
    return mark


def chooser(checks: Sequence[Check]) -> Callable[[Question, Sequence[Answer]], int | None]:
    """Who passes: the one with the highest score where scores are given, else the first."""

    def grade(question: Question, text: str) -> float | None:
        """`None`: barred. Else its weighted mean score; 1 where no check ranks."""
        scores: list[tuple[float, float]] = []
        for check in checks:
            try:
                value, _ = graded(check, question.result, text)
            except Exception:  # noqa: BLE001  a check that raises is one that failed, as in a run
                value = None
            if value is None or (value is False and check.weight is None):
                return None
            if check.weight is not None or not isinstance(value, bool):
                scores.append((check.weight or 1.0, float(value)))
        weight = sum(weight for weight, _ in scores)
        return sum(weight * score for weight, score in scores) / weight if weight else 1.0

    def choose(question: Question, row: Sequence[Answer]) -> int | None:
        grades = [None if answer.text is None else grade(question, answer.text) for answer in row]
        best = max((value for value in grades if value is not None), default=None)
        return None if best is None else grades.index(best)

    return choose


def gold_answers(known: Any, prompts: Iterable[str], rows: Any = None) -> Correct | Mapping[str, Any] | None:
    """`known` as a function, or as gold answers by prompt.

    Args:
        known: a function, a dict or Series by prompt, a Series with the index of `rows` or a list of their length, or
            the name of one of their columns.
        prompts: of each row, in order.
        rows: the frame or Series the prompts are from; `None` where there is none.

    Raises `UserError` where it is none of these, or where one prompt has two right answers.
    """
    prompts = list(prompts)
    if known is None:
        return None
    if callable(known):
        correct: Correct = known
        return correct
    if isinstance(known, str):
        columns = list(getattr(rows, "columns", ()))
        if known not in columns:
            named = f": its columns are {', '.join(map(str, columns[:12]))}" if columns else ""
            raise UserError(f"known={known!r} is no column of the questions{named}. Or give the answers as a dict.")
        return _paired(prompts, rows[known])
    if hasattr(known, "items") and hasattr(known, "index") and rows is not None and known.index.equals(rows.index):
        return _paired(prompts, known)
    if isinstance(known, Mapping) or hasattr(known, "items"):
        by_prompt = {str(prompt): gold for prompt, gold in known.items()}
        if prompts and not any(prompt in by_prompt for prompt in prompts):
            raise UserError(
                "No question stands in known: give the right answers by prompt, {question: answer}, or a Series with "
                "the index of the questions."
            )
        return by_prompt
    if isinstance(known, Sequence) or hasattr(known, "__len__"):
        if len(known) != len(prompts):
            raise UserError(f"known has {len(known):,} answers for {len(prompts):,} questions: give one for each.")
        return _paired(prompts, known)
    raise UserError(
        f"known takes right answers (a dict by prompt, a Series, a column's name) or a function "
        f"correct(result, text), not {shown(known)}."
    )


def _paired(prompts: Sequence[str], golds: Iterable[Any]) -> dict[str, Any]:
    by_prompt: dict[str, Any] = {}
    for prompt, gold in zip(prompts, golds, strict=True):
        earlier = by_prompt.setdefault(prompt, gold)
        if str(earlier) != str(gold):
            raise UserError(
                f"{prompt[:60]!r} has two right answers, {shown(earlier)} and {shown(gold)}: keep one for each prompt."
            )
    return by_prompt
