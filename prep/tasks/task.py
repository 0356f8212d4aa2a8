"""The record of a task: what its rows hold, how they are worded, how the answers are scored.

It says everything there is to know about a task before its data is seen, and does nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prep.errors import UsageError, nearest
from prep.sources.declarations import (
    GeneratedSource,
    HubSource,
    RowFunction,
    Source,
    TfdsSource,
    check_name,
)
from prep.sources.row import Row
from prep.tasks.metrics import answer_form, check_metrics, resolve_metrics
from prep.tokens.objectives import OBJECTIVES
from prep.tokens.truncation import MIN_LENGTH, check_truncation

TASK_KINDS = ("classification", "regression", "multiple_choice", "generation")

Wording = str | Callable[[Row], str]
# One template for each choice, or a function of the row.
Choices = tuple[str, ...] | Callable[[Row], tuple[str, ...]]


@dataclass(frozen=True)
class Rewording:
    """What another wording of a task changes; what is empty stays as it is.

    Attributes:
        inputs: Template or function, without the task's name.
        name: What is put in front where the name is wanted.
        targets: Template or function.
        labels: What the file writes → label word.
        choices: As those of `Task`; they take the place of the inputs.
    """

    inputs: Wording = ""
    name: str = ""
    targets: Wording = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    choices: Choices = ()


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
        metrics: Names of the metrics, the main one first; those that other libraries have for
            them become the house's.
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
        encoder: How it is worded for a head on the encoder, where that is not as here.
        choices: Of a multiple choice, the texts that a head on the encoder scores, one for each
            label word; `inputs` is left empty then.
        prefix: Put in front of the inputs.
        truncation: What to keep of inputs that are too long: "head", "tail" or "head_tail".
        max_input_length: Tokens, EOS included, if fewer than the dataset allows.
        max_target_length: The same for targets.
        objective: How inputs and targets are made of a raw text: "span_corruption" or
            "prefix_lm". `inputs` gives the text, `targets` is left empty. Empty: they are worded.
        answers: Finds every right answer of a row, where there may be several; `targets` is left
            empty then. In training each makes an example of its own; in any other split the row is
            one example, to be scored against the best fitting of them.
        no_answer: What `answers` gives for a row that has none, as some of SQuAD 2.0; metrics
            then tell the examples with and without an answer apart. Empty: all have one.
        group: A template or function that is equal for examples which are scored together, as
            MultiRC's answers to one question are.
        document: A template or function that is equal for examples about the same document: they
            stand and fall together, and the interval of a figure draws whole documents.
        language: ISO 639-1 code of the right answers, such as "ru": which words ROUGE and BLEU
            count. Empty: they see by the letters.
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
    encoder: Rewording | None = None
    choices: Choices = ()
    prefix: str = ""
    truncation: str = "head"
    max_input_length: int | None = None
    max_target_length: int | None = None
    objective: str = ""
    answers: Callable[[Row], Iterable[str]] | None = None
    group: Wording = ""
    document: Wording = ""
    language: str = ""
    no_answer: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "task")
        check_truncation(self.truncation, f"task {self.name!r}")
        for name in ("max_input_length", "max_target_length"):
            length = getattr(self, name)
            if length is not None and length < MIN_LENGTH:
                raise UsageError(
                    f"task {self.name!r}: {name} is {length}; it must be >= {MIN_LENGTH}"
                )
        if self.kind not in TASK_KINDS:
            hint = nearest(self.kind, TASK_KINDS)
            raise UsageError(f"task {self.name!r}: there is no kind {self.kind!r}; {hint}")
        if self.answers and (self.targets or self.labels or self.kind != "generation"):
            raise UsageError(
                f"task {self.name!r}: with answers, kind is generation and there are neither"
                " targets nor labels"
            )
        if self.kind == "regression" and self.labels:
            raise UsageError(f"task {self.name!r}: a regression has numbers for answers, no labels")
        if self.language and not re.fullmatch(r"[a-z]{2,3}([-_]\w+)?", self.language):
            raise UsageError(
                f"task {self.name!r}: language {self.language!r}: expected a code of ISO 639, such"
                " as en, de or zh"
            )
        if self.no_answer and not self.answers:
            raise UsageError(f"task {self.name!r}: no_answer is for a task with answers")
        if self.objective:
            self._check_objective()
        if self.kind in ("classification", "multiple_choice") and not self.labels:
            raise UsageError(f"task {self.name!r}: labels are missing, which {self.kind} needs")
        if self.choices:
            self._check_choices()
        object.__setattr__(self, "metrics", resolve_metrics(self.metrics))
        form = answer_form(self.kind, bool(self.labels))
        check_metrics(self.metrics, form, bool(self.group), f"task {self.name!r}")

    def _check_choices(self) -> None:
        if self.kind != "multiple_choice" or self.inputs:
            raise UsageError(
                f"task {self.name!r}: with choices, kind is multiple_choice and there are no inputs"
            )
        if not callable(self.choices) and len(self.choices) != len(self.label_words):
            raise UsageError(
                f"task {self.name!r}: {len(self.choices)} choices for {len(self.label_words)} label"
                " words; expected one for each"
            )

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
