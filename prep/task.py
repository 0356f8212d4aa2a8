"""A task: how a row becomes a pair of texts, and how the answers are scored.

One record says everything there is to know about a task before its data is seen.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prep.errors import UsageError
from prep.manifest import TASK_KINDS
from prep.sources import FileSource, GeneratedSource, Row
from prep.truncation import MIN_LENGTH, check_truncation

NO_LABEL = -1

Wording = str | Callable[[Row], str]
RowFunction = Callable[[Row], Row | Iterable[Row] | None]


class RowError(ValueError):
    """A row that cannot become an example; it is counted and quarantined.

    Args:
        reason: The kind of fault, the same for all rows that have it.
        detail: What exactly was found in this row.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Example(NamedTuple):
    """A pair of texts.

    Attributes:
        inputs: What the encoder reads.
        targets: What the decoder shall write.
        label: Index of the label word, −1 if the task has none.
    """

    inputs: str
    targets: str
    label: int


@dataclass(frozen=True)
class Task:
    """One task, declared.

    Attributes:
        name: Unique, lower case; also the folder of its shards.
        kind: One of "classification", "regression", "multiple_choice", "generation".
        description: One sentence.
        fields: Fields every row must have and that must not be empty.
        inputs: A template over the fields, or a function of the row.
        targets: The same for the answer; for a task with labels, the label as the file writes it.
        metrics: Names of the metrics, the main one first.
        source: Where the rows come from.
        labels: What the file writes → label word. Several spellings may mean the same word.
        whole_words: Words that a vocabulary trained for this task keeps as one token, besides the
            label words.
        row_functions: Applied to a row one after the other before it is worded. Each returns the
            row, changed or not, or several rows, or None to leave it out; both are counted.
        columns: Columns its files must have, where they differ from `fields` because row
            functions make those.
        truncation: What to keep of inputs that are too long: "head", "tail" or "head_tail".
        max_input_length: Tokens, EOS included, if fewer than the dataset allows.
        max_target_length: The same for targets.
    """

    name: str
    kind: str
    description: str
    fields: tuple[str, ...]
    inputs: Wording
    targets: Wording
    metrics: tuple[str, ...]
    source: FileSource | GeneratedSource
    labels: Mapping[str, str] = field(default_factory=dict)
    whole_words: tuple[str, ...] = ()
    row_functions: tuple[RowFunction, ...] = ()
    columns: tuple[str, ...] = ()
    truncation: str = "head"
    max_input_length: int | None = None
    max_target_length: int | None = None

    def __post_init__(self) -> None:
        check_truncation(self.truncation, f"task {self.name!r}")
        for name in ("max_input_length", "max_target_length"):
            length = getattr(self, name)
            if length is not None and length < MIN_LENGTH:
                raise UsageError(
                    f"task {self.name!r}: {name} is {length}; it must be >= {MIN_LENGTH}"
                )
        if self.kind not in TASK_KINDS:
            raise UsageError(f"task {self.name!r}: kind {self.kind!r} is none of {TASK_KINDS}")

    @property
    def label_words(self) -> tuple[str, ...]:
        """The answers there are, in order; empty where answers are free text."""
        return tuple(dict.fromkeys(self.labels.values()))

    def example_maker(self) -> Callable[[Row], Example]:
        """Prepares the function that turns rows of this task into examples.

        Returns:
            A function that raises RowError for a row that cannot be used.
        """
        fields, labels = self.fields, self.labels
        word_index = {word: index for index, word in enumerate(self.label_words)}
        make_inputs, make_targets = _compile(self.inputs), _compile(self.targets)

        def make(row: Row) -> Example:
            for name in fields:
                value = row.get(name)
                if value is None:
                    raise RowError("missing field", repr(name))
                if isinstance(value, str) and (not value or value.isspace()):
                    raise RowError("empty field", repr(name))
            try:
                inputs, targets = make_inputs(row), make_targets(row)
            except RowError:
                raise
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise RowError("unusable field", f"{type(error).__name__} {error}") from error
            if not labels:
                return Example(inputs, targets, NO_LABEL)
            word = labels.get(targets)
            if word is None:
                expected = ", ".join(map(repr, labels))
                raise RowError("unknown label", f"{targets!r} is none of {expected}")
            return Example(inputs, word, word_index[word])

        return make

    def row_expander(self) -> Callable[[Row], list[Row]] | None:
        """Prepares the chain of row functions.

        Returns:
            A function from a row to the rows it becomes, which raises RowError for a row that
            cannot be used; None for a task that has no row functions.
        """
        if not self.row_functions:
            return None

        def expand(row: Row) -> list[Row]:
            rows = [row]
            try:
                for function in self.row_functions:
                    rows = [made for one in rows for made in _as_rows(function(one))]
            except RowError:
                raise
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise RowError("unusable field", f"{type(error).__name__} {error}") from error
            return rows

        return expand

    def definition_digest(self) -> str:
        """Fingerprints whatever decides how a row is worded, so that a changed task is noticed.

        Returns:
            Sixteen hexadecimal digits.
        """
        parts: list[object] = [
            self.fields,
            _source_of(self.inputs),
            _source_of(self.targets),
            self.labels,
        ]
        if self.row_functions:
            parts += [_source_of(function) for function in self.row_functions]
        if self.max_input_length or self.max_target_length:
            parts += [self.max_input_length, self.max_target_length]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _as_rows(made: Row | Iterable[Row] | None) -> Iterable[Row]:
    if made is None:
        return ()
    return (made,) if isinstance(made, Mapping) else made


def _compile(wording: Wording) -> Callable[[Row], str]:
    if not isinstance(wording, str):
        return wording
    name = wording.removeprefix("{").removesuffix("}")
    if wording == f"{{{name}}}" and "{" not in name:
        return lambda row: str(row[name])  # half the cost of a template of one field
    return wording.format_map


def _source_of(wording: str | Callable) -> str:
    if isinstance(wording, str):
        return wording
    if isinstance(wording, functools.partial):
        return f"{inspect.getsource(wording.func)}{wording.args}{wording.keywords}"
    return inspect.getsource(wording)
