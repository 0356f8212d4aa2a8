"""A task: how a row becomes a pair of texts, and how the answers are scored.

One record says everything there is to know about a task before its data is seen.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prep.errors import UsageError
from prep.manifest import TASK_KINDS
from prep.sources import FileSource, GeneratedSource, Row

NO_LABEL = -1

Wording = str | Callable[[Row], str]


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

    def __post_init__(self) -> None:
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

    def definition_digest(self) -> str:
        """Fingerprints whatever decides how a row is worded, so that a changed task is noticed.

        Returns:
            Sixteen hexadecimal digits.
        """
        parts = [self.fields, _source_of(self.inputs), _source_of(self.targets), self.labels]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _compile(wording: Wording) -> Callable[[Row], str]:
    if not isinstance(wording, str):
        return wording
    name = wording.removeprefix("{").removesuffix("}")
    if wording == f"{{{name}}}" and "{" not in name:
        return lambda row: str(row[name])  # half the cost of a template of one field
    return wording.format_map


def _source_of(wording: Wording) -> str:
    if isinstance(wording, str):
        return wording
    if isinstance(wording, functools.partial):
        return f"{inspect.getsource(wording.func)}{wording.args}{wording.keywords}"
    return inspect.getsource(wording)
