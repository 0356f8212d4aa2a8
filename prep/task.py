"""A task: how a row becomes a pair of texts, and how the answers are scored.

One record says everything there is to know about a task before its data is seen.
"""

import dataclasses
import functools
import hashlib
import inspect
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prep.errors import UsageError, nearest
from prep.manifest import TASK_KINDS
from prep.objectives import OBJECTIVES
from prep.sources import SOURCES, GeneratedSource, HubSource, Row, RowFunction, Source, TfdsSource
from prep.truncation import MIN_LENGTH, check_truncation

NO_LABEL = -1
TRAIN_SPLIT = "train"
_REFERENCES = "references of this example"  # a field of rows that no file can have by chance
FORMATS = ("t5", "hyperformer")

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
        references: Every right answer, `targets` the first of them.
        group: What the task's examples are scored together by; empty: each by itself.
    """

    inputs: str
    targets: str
    label: int
    references: tuple[str, ...] = ()
    group: str = ""


_HOLE = "\0"  # where a template's only field goes


@dataclass(frozen=True)
class Rewording:
    """What another wording of a task changes; what is empty stays as it is.

    Attributes:
        inputs: Template or function, without the task's name.
        name: What is put in front where the name is wanted.
        targets: Template or function.
        labels: What the file writes → label word.
    """

    inputs: Wording = ""
    name: str = ""
    targets: Wording = ""
    labels: Mapping[str, str] = field(default_factory=dict)


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
        tfds: The same dataset in TensorFlow Datasets, if it is there.
        hf: The same dataset in Hugging Face `datasets`, if it is there.
        hyperformer: How HyperFormer words it, where that is not `inputs` without the name and the
            numbers of the label words.
        prefix: Put in front of the inputs.
        truncation: What to keep of inputs that are too long: "head", "tail" or "head_tail".
        max_input_length: Tokens, EOS included, if fewer than the dataset allows.
        max_target_length: The same for targets.
        objective: How inputs and targets are made of a raw text: "span_corruption" or
            "prefix_lm". `inputs` gives the text, `targets` is left empty. Empty: they are worded.
        answers: Finds every right answer of a row, where there may be several; `targets` is left
            empty then. In training each makes an example of its own; in any other split the row is
            one example, to be scored against the best fitting of them.
        group: A template or function that is equal for examples which are scored together, as
            MultiRC's answers to one question are.
    """

    name: str
    kind: str
    description: str
    fields: tuple[str, ...]
    inputs: Wording
    targets: Wording
    metrics: tuple[str, ...]
    source: Source
    labels: Mapping[str, str] = field(default_factory=dict)
    whole_words: tuple[str, ...] = ()
    row_functions: tuple[RowFunction, ...] = ()
    columns: tuple[str, ...] = ()
    tfds: TfdsSource | None = None
    hf: HubSource | None = None
    hyperformer: Rewording | None = None
    prefix: str = ""
    truncation: str = "head"
    max_input_length: int | None = None
    max_target_length: int | None = None
    objective: str = ""
    answers: Callable[[Row], Iterable[str]] | None = None
    group: Wording = ""

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
        if self.answers and (self.targets or self.labels or self.kind != "generation"):
            raise UsageError(
                f"task {self.name!r}: with answers, kind is generation and there are neither"
                " targets nor labels"
            )
        if self.objective:
            self._check_objective()

    def _check_objective(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UsageError(
                f"task {self.name!r}: there is no objective {self.objective!r};"
                f" {nearest(self.objective, OBJECTIVES)}"
            )
        if self.kind != "generation" or self.labels or self.targets:
            raise UsageError(
                f"task {self.name!r}: with objective {self.objective!r}, kind is generation and"
                " there are neither targets nor labels"
            )

    @property
    def label_words(self) -> tuple[str, ...]:
        """The answers there are, in order; empty where answers are free text."""
        return tuple(dict.fromkeys(self.labels.values()))

    @property
    def all_row_functions(self) -> tuple[RowFunction, ...]:
        """Those of the source, then the task's own."""
        if isinstance(self.source, GeneratedSource):
            return self.row_functions
        return (*self.source.row_functions, *self.row_functions)

    def in_format(self, name: str, has_name_in_front: bool = False) -> "Task":
        """Words the task as a publication does.

        Args:
            name: "t5" (Raffel et al. 2020, appendix D) or "hyperformer" (Mahabadi et al. 2021):
                fields joined as "sentence1: … sentence2: …", labels as digits.
            has_name_in_front: In the second, whether the inputs begin with the task's name, as
                they do where no adapters tell the tasks apart.

        Returns:
            The task in that wording.

        Raises:
            UsageError: If there is no such format, or the task has no wording in it.
        """
        if name not in FORMATS:
            raise UsageError(f"--format: there is no format {name!r}; {nearest(name, FORMATS)}")
        if name == "t5":
            return self
        other = self.hyperformer or Rewording()
        digits = {word: str(number) for number, word in enumerate(self.label_words)}
        return dataclasses.replace(
            self,
            inputs=other.inputs or self._inputs_without_name(),
            targets=other.targets or self.targets,
            labels=other.labels or {value: digits[word] for value, word in self.labels.items()},
            prefix=f"{other.name or self.name} " if has_name_in_front else "",
        )

    def _inputs_without_name(self) -> str:
        name = f"{self.name} "
        if isinstance(self.inputs, str) and self.inputs.startswith(name):
            return self.inputs.removeprefix(name)
        raise UsageError(f"task {self.name!r} has no wording in --format hyperformer")

    def read_from(self, source: str) -> "Task":
        """Reads the task from another source than its files.

        Args:
            source: One of "files", "tfds", "hf"; generated tasks are generated whatever it is.

        Returns:
            The task with that source, and the labels as that source writes them.

        Raises:
            UsageError: If there is no such source, or the task is not in it.
        """
        if source not in SOURCES:
            raise UsageError(f"--source: there is no source {source!r}; {nearest(source, SOURCES)}")
        if source == "files" or isinstance(self.source, GeneratedSource):
            return self
        chosen = self.tfds if source == "tfds" else self.hf
        if chosen is None:
            raise UsageError(f"task {self.name!r} has no --source {source}; it has files")
        return dataclasses.replace(
            self, source=chosen, labels=chosen.labels or _numbered(self.labels), columns=()
        )

    def example_maker(self) -> Callable[[Row], Example]:
        """Prepares the function that turns rows of this task into examples.

        Returns:
            A function that raises RowError for a row that cannot be used.
        """
        fields, labels = self.fields, self.labels
        word_index = {word: index for index, word in enumerate(self.label_words)}
        make_inputs = _compile(self.inputs, self.prefix)
        make_targets = _first_reference if self.answers else _compile(self.targets)
        make_group = _compile(self.group)
        has_group = bool(self.group)
        new = tuple.__new__  # of a named tuple: half the cost of its own constructor

        def make(row: Row) -> Example:
            for name in fields:
                value = row.get(name)
                if value is None:
                    raise RowError("missing field", repr(name))
                if isinstance(value, str) and (not value or value.isspace()):
                    raise RowError("empty field", repr(name))
            try:
                inputs, targets = make_inputs(row), make_targets(row)
                group = make_group(row) if has_group else ""
            except RowError:
                raise
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise RowError("unusable field", f"{type(error).__name__} {error}") from error
            if not labels:
                references = row.get(_REFERENCES) or (targets,)
                return new(Example, (inputs, targets, NO_LABEL, references, group))
            word = labels.get(targets)
            if word is None:
                expected = ", ".join(map(repr, labels))
                raise RowError("unknown label", f"{targets!r} is none of {expected}")
            return new(Example, (inputs, word, word_index[word], (), group))

        return make

    def row_expander(self, split: str) -> Callable[[Row], list[Row]] | None:
        """Prepares the chain of row functions.

        Args:
            split: The split the rows belong to; in training, every right answer makes a row.

        Returns:
            A function from a row to the rows it becomes, which raises RowError for a row that
            cannot be used; None for a task that has no row functions.
        """
        functions = self.all_row_functions
        if self.answers:
            spread = functools.partial(_take_answers, self.answers, split == TRAIN_SPLIT)
            functions = (*functions, spread)
        if not functions:
            return None

        def expand(row: Row) -> list[Row]:
            rows = [row]
            try:
                for function in functions:
                    rows = [made for one in rows for made in _as_rows(function(one))]
            except RowError:
                raise
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise RowError("unusable field", f"{type(error).__name__} {error}") from error
            return rows

        return expand

    def examples_maker(self, split: str) -> Callable[[Row | RowError], list[Example]]:
        """Prepares the function that turns a row of a file into the examples it becomes.

        Args:
            split: The split the rows belong to.

        Returns:
            A function that raises RowError for a row that cannot be used, or is none.
        """
        make, expand = self.example_maker(), self.row_expander(split)

        def make_all(row: Row | RowError) -> list[Example]:
            if isinstance(row, RowError):
                raise row
            return [make(row)] if expand is None else [make(part) for part in expand(row)]

        return make_all

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
        if self.all_row_functions:
            parts += [_source_of(function) for function in self.all_row_functions]
        if self.prefix:
            parts.append(self.prefix)
        if self.max_input_length or self.max_target_length:
            parts += [self.max_input_length, self.max_target_length]
        if self.objective:
            parts.append(self.objective)
        parts += [_source_of(part) for part in (self.answers, self.group) if part]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _take_answers(
    find: Callable[[Row], Iterable[str]], is_training: bool, row: Row
) -> Iterable[Row]:
    answers = tuple(dict.fromkeys(find(row)))
    if not answers:
        raise RowError("no answer")
    chosen = [(answer,) for answer in answers] if is_training else [answers]
    return [{**row, _REFERENCES: references} for references in chosen]


def _first_reference(row: Row) -> str:
    return row[_REFERENCES][0]


def _as_rows(made: Row | Iterable[Row] | None) -> Iterable[Row]:
    if made is None:
        return ()
    return (made,) if isinstance(made, Mapping) else made


def _numbered(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Lets labels be written as the numbers of the label words as well, unless numbers they are."""
    if any(value.isdecimal() for value in labels):
        return labels
    words = dict.fromkeys(labels.values())
    return {**labels, **{str(number): word for number, word in enumerate(words)}}


def _compile(wording: Wording, prefix: str = "") -> Callable[[Row], str]:
    if not isinstance(wording, str):
        word: Callable[[Row], str] = wording
        return (lambda row: prefix + word(row)) if prefix else word
    wording = prefix.replace("{", "{{").replace("}", "}}") + wording
    holes = [
        (name, rest) for _, name, *rest in string.Formatter().parse(wording) if name is not None
    ]
    name = holes[0][0] if holes else ""
    if holes != [(name, ["", None])] or not name.isidentifier():
        return wording.format_map
    before, _, after = wording.format_map({name: _HOLE}).partition(_HOLE)
    return lambda row: f"{before}{row[name]}{after}"  # half the cost of a template


def _source_of(wording: str | Callable) -> str:
    if isinstance(wording, str):
        return wording
    if isinstance(wording, functools.partial):
        return f"{inspect.getsource(wording.func)}{wording.args}{wording.keywords}"
    return inspect.getsource(wording)
