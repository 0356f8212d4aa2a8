"""Tasks drafted from columns: their kind, labels, metrics and wording, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prep.drafting.columns import Column
from prep.drafting.roles import LEAST_EXAMPLES, TEXT_WORDS, Roles, has_few_values, is_choice
from prep.errors import UsageError

LEAST_WORDS = 4  # of a text that something can be learned from, on average
LONG_INPUT = 350  # words, some 512 tokens of T5's English vocabulary
_MOST_LABELS = 200
_SCORE_WORDS = ("score", "rating", "stars", "similarity", "grade")
_SHORT, _MIDDLE = 3, 8  # words of an answer, on average
_UNBALANCED = 0.8  # the share of the most frequent class


@dataclass(frozen=True)
class Draft:
    """A task to be written down.

    Attributes:
        name: Its name.
        kind: Of task.
        answer: The column of answers; empty of raw text, which is to be learned from.
        inputs: The columns that are asked about.
        labels: What the file writes → the word that the model answers.
        metrics: The main one first.
        truncation: What is kept of long inputs.
        why: Of each choice, its reason, by key of the task file.
    """

    name: str
    kind: str
    answer: str
    inputs: tuple[str, ...]
    labels: Mapping[str, str]
    metrics: tuple[str, ...]
    truncation: str
    why: Mapping[str, str]


def draft_tasks(name: str, columns: Sequence[Column], roles: Roles) -> list[Draft]:
    """Draft a task for each column of answers.

    Args:
        name: Of the file, as a task may be called.
        columns: Of the file.
        roles: Of the columns.

    Returns:
        The drafts, in the file's order; one of raw text where nothing answers.

    Raises:
        UsageError: There are neither answers nor texts.
    """
    by_name = {column.name: column for column in columns}
    words = sum(by_name[one].words for one in roles.inputs)
    if not roles.answers:
        if words < LEAST_WORDS:
            raise UsageError(
                "nothing looks like answers, or like a text to learn from; name the columns with "
                "--answer and --inputs, or write the task by hand (docs/adding-a-task.md). "
                + "; ".join(f"{name} is left out: {why}" for name, why in roles.left_out.items())
            )
        why = {"objective": "there is no column of answers, so it learns to fill gaps in the text"}
        # Others would count the marks of gaps as words, which are always right.
        why["metrics"] = "all gaps filled as they were"
        return [Draft(name, "generation", "", roles.inputs[:1], {}, ("exact_match",), "head", why)]
    drafts = []
    for answer in roles.answers:
        own = f"{name}_{task_name(answer)}" if len(roles.answers) > 1 else name
        drafts.append(draft_task(own, by_name[answer], roles, words))
    return drafts


def draft_task(name: str, answer: Column, roles: Roles, words: float, kind: str = "") -> Draft:
    """Draft a task.

    Args:
        name: Of the task.
        answer: The column of answers.
        roles: Of the columns.
        words: Of an input, on average.
        kind: Of task, if it was chosen.

    Returns:
        The draft.
    """
    why = {"answer": roles.why[answer.name]}
    guessed, why["kind"] = guess_kind(answer, roles.inputs)
    if kind and kind != guessed:
        guessed, why["kind"] = kind, "it was chosen"
    labels: dict[str, str] = {}
    if guessed in ("classification", "multiple_choice"):
        labels = label_words(answer)
        if len(set(labels.values())) < len(labels):
            why["labels"] = "spellings that differ in case alone are one answer"
    metrics, why["metrics"] = choose_metrics(guessed, answer, labels)
    truncation = "head"
    if words > LONG_INPUT / 2:
        truncation = "head_tail"
        why["truncation"] = f"inputs have {words:.0f} words on average, and some will be cut"
    return Draft(name, guessed, answer.name, roles.inputs, labels, metrics, truncation, why)


def guess_kind(answer: Column, inputs: Sequence[str]) -> tuple[str, str]:
    """Guess what kind of task has such answers, and say why."""
    if answer.are_lists:
        return "generation", "its answers are lists of texts, any of which is right"
    if sum(map(is_choice, inputs)) > 1 and has_few_values(answer):
        return "multiple_choice", "the inputs have columns to choose from"
    if answer.name.lower() in TEXT_WORDS and not answer.are_numbers:
        return "generation", f"a {answer.name} is written in words of one's own"
    is_score = any(word in answer.name.lower() for word in _SCORE_WORDS)
    few = has_few_values(answer) or (
        answer.distinct <= _MOST_LABELS and answer.examples >= 2 * LEAST_EXAMPLES
    )
    if answer.are_numbers and answer.distinct > 2 and (is_score or not few or not answer.are_whole):
        return "regression", f"its {answer.distinct:,} different values are numbers"
    if few and answer.words <= 2 * _SHORT:
        return (
            "classification",
            f"it has {answer.distinct} different values in {answer.rows:,} rows",
        )
    return "generation", f"it has {answer.distinct:,} different texts"


def label_words(answer: Column) -> dict[str, str]:
    """Choose the word for each value: itself, or the usual one of spellings that differ in case.

    Args:
        answer: The column.

    Returns:
        Words by value, the values in order.
    """
    usual: dict[str, str] = {}
    for value in answer.counts:  # the most frequent first
        usual.setdefault(value.casefold(), value)
    values = sorted(answer.counts, key=_in_order)
    return {value: " ".join(usual[value.casefold()].split()) for value in values}


def _in_order(value: str) -> tuple[float, str]:
    return (float(value), value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else (0.0, value)


def choose_metrics(
    kind: str, answer: Column, labels: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    """Choose the metrics of a task, and say why."""
    if kind == "regression":
        return ("pearson", "spearman"), "how well numbers go together, by value and by rank"
    if kind == "multiple_choice":
        return ("accuracy",), "one choice is right"
    if kind == "classification":
        share = max(answer.counts.values(), default=0) / max(answer.filled, 1)
        if share > _UNBALANCED:
            return ("f1_macro", "accuracy"), f"{share:.0%} have one answer: accuracy says little"
        words = list(dict.fromkeys(labels.values()))
        if len(words) == 2:
            return ("accuracy", "f1"), f"answers are classes; f1 is of {words[1]!r}, the second"
        return ("accuracy", "f1_macro"), "answers are classes"
    if answer.are_lists or _SHORT < answer.words <= _MIDDLE:
        return ("squad_f1", "squad_em"), "answers are short texts: their words in common"
    if answer.words <= _SHORT:
        return ("exact_match",), "answers are a few words"
    return ("rouge_l", "bleu"), f"answers have {answer.words:.0f} words on average"


def task_name(text: str) -> str:
    """Turn a file's or a column's name into one that a task may have."""
    name = re.sub(r"[^a-z0-9]+", "_", text.casefold().encode("ascii", "ignore").decode()).strip("_")
    return name if re.match(r"[a-z]", name) else f"task_{name}".rstrip("_")
