"""Which columns are asked about, which hold answers, which say nothing: by names and values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prep.drafting.columns import Column
from prep.errors import UsageError, nearest

# Words that a column of answers is called by, and those of texts to be asked about.
ANSWER_WORDS = frozenset(
    (
        *("label", "labels", "target", "targets", "answer", "answers", "output", "class"),
        *("category", "gold", "y", "sentiment", "score", "rating", "stars", "intent", "topic"),
        *("summary", "response", "completion", "translation", "priority", "urgency", "severity"),
        *(
            "emotion",
            "similarity",
            "ref",
            "reference",
            "golden",
            "answerkey",
            "correct",
            "highlights",
            "abstract",
            "reply",
        ),
    )
)
# Of these, what is written in words of one's own, however often it is the same.
TEXT_WORDS = frozenset(
    ("summary", "response", "completion", "translation", "highlights", "abstract", "reply", "ref")
)
INPUT_WORDS = frozenset(
    (
        *("text", "sentence", "sentence1", "sentence2", "question", "premise", "hypothesis"),
        *("passage", "context", "review", "body", "document", "article", "source", "input"),
        *("prompt", "title", "query", "description", "dialogue", "content", "message", "post"),
        *("tweet", "paragraph", "subject", "comment", "utterance"),
    )
)
ID_WORDS = frozenset(
    ("id", "ids", "idx", "index", "uuid", "guid", "key", "url", "link", "hash", "qid", "row")
)
# What a column that tells the splits of a file apart is called, and what stands in it.
_SPLIT_NAMES = frozenset(("split", "fold", "subset", "partition", "set"))
_SPLIT_WORDS = frozenset(
    ("train", "training", "trn", "dev", "devel", "val", "valid", "validation", "test", "tst")
)
WAS_NAMED = "it was named"  # by a person
LEAST_FILLED = 0.8  # of the rows; a column with fewer values is left out
FEW = 50  # different values of a class
LEAST_EXAMPLES = 3  # of each class, on average
_MOST_CLASS_WORDS = 4
_SHOWN = 40  # characters of a value
_LEAST_IDS = 20  # different values, of a column that tells rows apart by its looks
# A word and a number, hexadecimal digits, an address: u-00001, 3f2b8a90-11ce, a@b.org.
_ID = re.compile(
    r"[A-Za-z]{0,12}[-_#:/]?\d+"
    r"|(?=.*\d)[0-9a-f]{8,}(-[0-9a-f]+)*"
    r"|[^@\s]+@[^@\s]+\.\w+",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    r"(choice|option|alternative|ending|solution|sol|answer|candidate|opt)"
    r"([ _]?\d+|[ _]?[a-e])"
)


@dataclass(frozen=True)
class Roles:
    """What each column is for.

    Attributes:
        inputs: Of the texts that are asked about, in the file's order.
        answers: Of the answers, a task each.
        left_out: Why a column is in no text, by its name.
        why: Why a column is an answer, by its name.
    """

    inputs: tuple[str, ...]
    answers: tuple[str, ...]
    left_out: Mapping[str, str]
    why: Mapping[str, str]


def guess_roles(
    columns: Sequence[Column], answers: Sequence[str] = (), inputs: Sequence[str] = ()
) -> Roles:
    """Guess what columns are for.

    Args:
        columns: Of a file.
        answers: Those that a person named.
        inputs: The same of inputs.

    Returns:
        The roles; no answers where there is one column of texts alone.

    Raises:
        UsageError: There is no column of a name that was given, or none is left for a role.
    """
    names = [column.name for column in columns]
    for given, option in ((answers, "--answer"), (inputs, "--inputs")):
        for name in given:
            if name not in names:
                raise UsageError(f"{option}: there is no column {name!r}; {nearest(name, names)}")
    if both := set(answers) & set(inputs):
        raise UsageError(f"{', '.join(sorted(both))}: a column cannot be both asked and answer")
    left_out = {
        column.name: reason
        for column in columns
        if column.name not in (*answers, *inputs) and (reason := why_left_out(column))
    }
    candidates = [column for column in columns if column.name not in (*left_out, *inputs)]
    why = dict.fromkeys(answers, WAS_NAMED) or _guess_answers(candidates, bool(inputs))
    texts = [column for column in candidates if not is_called_answer(column)]
    for column in candidates:
        # Of a file with several answers, one must not be told with the question of another.
        if texts and not inputs and column not in texts and column.name not in why:
            left_out[column.name] = "it looks like another answer; --inputs takes it"
            continue
        if inputs and column.name not in why:
            left_out[column.name] = "it was not named"
        elif column.are_lists and column.name not in why:
            left_out[column.name] = "it holds lists, which no text has"
    chosen = tuple(name for name in names if name not in (*left_out, *why))
    if not chosen:
        raise UsageError(
            "no column is left that could be asked about; name some with --inputs. "
            + "; ".join(f"{name}: {reason}" for name, reason in (left_out | why).items())
        )
    return Roles(chosen, tuple(name for name in names if name in why), left_out, why)


def why_left_out(column: Column) -> str:
    """Tell why a column says nothing, or nothing that a text can hold; empty if it does."""
    if not column.filled:
        return "it is empty"
    if not (column.are_texts or column.are_lists):
        return "it holds objects, and texts are made of columns: write their parts as columns"
    is_answer = bool(_words_of(column.name) & ANSWER_WORDS)
    if column.filled < LEAST_FILLED * column.rows and not is_answer:
        return f"only {column.filled:,} of {column.rows:,} rows have it"
    if column.are_lists:
        return ""
    if column.is_constant:
        value = next(iter(column.counts))
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        return f"it is {shown!r} in all rows"
    if tells_splits(column):
        return "it tells the splits of the file"
    return "it tells rows apart and says nothing of them" if _tells_rows_apart(column) else ""


def tells_splits(column: Column) -> bool:
    """Tell whether a column says of each row which split it is of."""
    values = {value.casefold() for value in column.counts}
    return bool(_words_of(column.name) & _SPLIT_NAMES and values and values <= _SPLIT_WORDS)


def _tells_rows_apart(column: Column) -> bool:
    """Tell whether a column is the number, the key or the address of a row."""
    if column.words > 1:
        return False
    is_distinct = column.distinct == column.filled > 1
    looks_so = (
        column.distinct >= _LEAST_IDS
        and not _words_of(column.name) & (INPUT_WORDS | ANSWER_WORDS)
        and not column.are_numbers
        and all(map(_ID.fullmatch, column.counts))
    )
    is_named = _words_of(column.name) & ID_WORDS and 2 * column.distinct > column.filled
    return bool(is_named or (is_distinct and (column.are_whole or looks_so)))


def is_called_answer(column: Column) -> bool:
    """Tell whether a column is called like one of answers."""
    return bool(_words_of(column.name) & ANSWER_WORDS) and not is_choice(column.name)


def is_called_input(column: Column) -> bool:
    """Tell whether a column is called like a text that is asked about."""
    return bool(_words_of(column.name) & INPUT_WORDS)


def _words_of(name: str) -> set[str]:
    """Split a name such as "goldLabel" or "gold label" into words; the whole is one too."""
    parts = re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return {name.lower(), *parts}


def _guess_answers(columns: Sequence[Column], has_inputs: bool) -> dict[str, str]:
    """Guess which columns hold answers, and why."""
    if len(columns) + has_inputs < 2:
        return {}
    named = {
        column.name: f"it is called {column.name!r}"
        for column in columns
        if is_called_answer(column)
    }
    if named and len(named) < len(columns) + has_inputs:
        return named
    few = [one for one in columns if has_few_values(one) and not is_called_input(one)]
    if few:
        return {few[-1].name: f"it has {few[-1].distinct} different values"}
    numbers = [one for one in columns if one.are_numbers]
    if numbers:
        return {numbers[-1].name: "it holds numbers"}
    return {columns[-1].name: "it is the last column"}


def has_few_values(column: Column) -> bool:
    """Tell whether values come up again and again, as classes do; of a handful of rows, twice."""
    least = min(LEAST_EXAMPLES, max(2, column.rows / LEAST_EXAMPLES))
    return (
        column.are_texts
        and 2 <= column.distinct <= FEW
        and column.examples >= least
        and column.words <= _MOST_CLASS_WORDS
    )


def is_choice(name: str) -> bool:
    """Tell whether a column is called like one of several answers to choose from."""
    return _CHOICE.fullmatch(name.lower()) is not None
