"""Right and given answers side by side, as metrics take them."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from eval.metrics.reading import are_readable, read_answers, read_text
from eval.metrics.tokenizers import are_short, bleu_tokenizer, rouge_tokenizer
from prep import TaskEntry, TokenTable, Vocabulary


@dataclass(frozen=True, eq=False)
class Answers:
    """What a metric compares.

    Attributes:
        targets: [examples], the right answers; where there are several, the first.
        predictions: [examples], the given answers.
        classes: Label words of the task; 0: free text or numbers.
        references: Every right answer of each example, where answers are texts.
        groups: [examples], equal for examples that are scored together; None: no groups.
        documents: [examples], equal for examples about one document; None: unknown.
        is_readable: bool [examples], which given answers are of the kind that was asked for; None:
            all of them.
        language: ISO 639-1 code of texts; empty: unknown.
        no_answer: The right answer of examples that have none; empty: all have one.
        probabilities: Float [examples, classes], of each label word; None: only answers are known.
        label_names: The label words, in the order of their numbers; empty: unknown.
    """

    targets: np.ndarray
    predictions: np.ndarray
    classes: int = 0
    references: Sequence[Sequence[str]] = ()
    groups: np.ndarray | None = None
    documents: np.ndarray | None = None
    is_readable: np.ndarray | None = None
    language: str = ""
    no_answer: str = ""
    probabilities: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def keep(self, name: str, make: Callable[["Answers"], Any]) -> Any:
        """Compute something once that several metrics take.

        Args:
            name: Of what is kept.
            make: Computes it of these answers.

        Returns:
            What it made, now or before.
        """
        if name not in self._kept:
            self._kept[name] = make(self)
        return self._kept[name]

    @property
    def have_answer(self) -> np.ndarray:
        """Whether there is an answer to each example, as bool [examples]."""
        return np.array([tuple(right) != (self.no_answer,) for right in self.references])

    @functools.cached_property
    def rouge_words(self) -> str:
        """The words that ROUGE counts, by name; chosen once for what counts and what names them."""
        return rouge_tokenizer(self.language, itertools.chain.from_iterable(self.references))

    @functools.cached_property
    def bleu_words(self) -> tuple[str, bool]:
        """The words that BLEU counts, by sacreBLEU's name, and whether no right answer has four."""
        texts = list(itertools.chain.from_iterable(self.references))
        name = bleu_tokenizer(self.language, texts)
        return name, are_short(name, texts)

    def only(self, chosen: np.ndarray) -> "Answers":
        """Take some of the examples.

        Args:
            chosen: Which ones, as bool [examples].

        Returns:
            The same with these only.
        """
        return self.take(np.flatnonzero(chosen))

    def take(self, rows: np.ndarray) -> "Answers":
        """Take examples by number; one may be taken several times.

        Args:
            rows: Int [any].

        Returns:
            The same with these, in their order.
        """
        arrays = ("groups", "documents", "is_readable", "probabilities")
        held = {name: getattr(self, name) for name in arrays}
        return replace(
            self,
            targets=self.targets[rows],
            predictions=self.predictions[rows],
            references=[self.references[row] for row in rows] if self.references else (),
            **{name: values[rows] for name, values in held.items() if values is not None},
        )

    @property
    def are_right(self) -> np.ndarray:
        """Whether each answer is a right one to the last character, as bool [examples]."""
        if not self.references:
            is_equal: np.ndarray = self.targets == self.predictions
            return is_equal if self.is_readable is None else is_equal & self.is_readable
        pairs = zip(self.references, self.predictions, strict=True)
        return np.array([given in right for right, given in pairs])

    @property
    def unreadable(self) -> int:
        """How many given answers are not of the kind that was asked for."""
        return 0 if self.is_readable is None else int(np.sum(~self.is_readable))


def pair_answers(
    targets: Sequence[Any],
    predictions: Sequence[Any],
    classes: int = 0,
    references: Sequence[Sequence[str]] = (),
    groups: np.ndarray | None = None,
) -> Answers:
    """Put right and given answers side by side.

    Args:
        targets: The right answers, as `eval.metrics.reading.read_answers` reads them.
        predictions: The given answers, in the same order.
        classes: Label words of the task, 0 where it has none.
        references: Every right answer of each example, for texts; the targets alone by default.
        groups: [examples], equal for examples that are scored together.

    Returns:
        What metrics take.

    Raises:
        ValueError: There are no examples, or not as many predictions as targets.
    """
    if len(targets) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    if not len(targets):
        raise ValueError("there are no examples to score")
    is_text = isinstance(targets[0], str)
    if is_text and not references:
        references = [(target,) for target in targets]
    # As objects, two texts are equal to the last character: numpy's own drop trailing NULs.
    dtype = object if is_text else None
    right, given = np.asarray(targets, dtype), np.asarray(predictions, dtype)
    return Answers(right, given, classes, references, groups)


def target_texts(entry: TaskEntry, table: TokenTable, vocabulary: Vocabulary) -> list[str]:
    """List the right answers of a table as texts: label words, references, or decoded targets."""
    if entry.label_words:
        return [entry.label_words[label] for label in table.labels]
    if table.references:
        return [references[0] for references in table.references]
    return [vocabulary.decode(table.target_ids(row)) for row in range(len(table))]


def gather_answers(
    entry: TaskEntry,
    table: TokenTable,
    targets: Sequence[str],
    predictions: Sequence[str],
    vocabulary: Vocabulary,
    probabilities: np.ndarray | None = None,
) -> Answers:
    """Read right and given answers of a table for the metrics.

    Args:
        entry: The task.
        table: The examples, with all the right answers where there are several.
        targets: Texts of `target_texts`.
        predictions: Decoded answers, in the table's order.
        vocabulary: Of the dataset; texts are compared after its normalization.
        probabilities: Float [examples, label words], where the answers came with them.

    Returns:
        What metrics take.
    """
    references = [
        tuple(read_text(text, vocabulary) for text in texts) for texts in table.references or ()
    ]
    paired = pair_answers(
        read_answers(entry, targets, vocabulary),
        read_answers(entry, predictions, vocabulary),
        len(entry.label_words),
        references,
        table.groups,
    )
    return replace(
        paired,
        documents=table.documents,
        is_readable=are_readable(entry, predictions, vocabulary),
        language=entry.language,
        no_answer=read_text(entry.no_answer, vocabulary),
        probabilities=probabilities,
        label_names=tuple(entry.label_words),
    )
