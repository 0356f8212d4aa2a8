"""Scoring a model on a task: answers from the device, then metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from eval.decoding.answerer import Answerer, Given, way_of
from eval.decoding.options import Decoding
from eval.decoding.predictor import Progress
from eval.metrics.answers import Answers, gather_answers, target_texts
from eval.metrics.registry import judged_entry, name_words, score
from prep import Manifest, TaskEntry, TokenTable, Vocabulary


@dataclass(frozen=True)
class Prediction:
    """One example's answer.

    Attributes:
        example: Row number in the split, as the source had it.
        row: Position in the table.
        target: The right answer's text; the first where there are several.
        prediction: The given answer's text.
        token_ids: The given answer's tokens, EOS included, without padding; none of a head's.
        references: Every right answer, where there are several.
        probabilities: Of each label word among them, where the answer was chosen so.
    """

    example: int
    row: int
    target: str
    prediction: str
    token_ids: tuple[int, ...]
    references: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class TaskResult:
    """How a model did on one split of a task.

    Attributes:
        task: Its name.
        examples: How many were scored: all of the table.
        metrics: Figures by name, the task's main metric first.
        predictions: In the source's row order.
        unreadable: Answers that were no label word, or no number, of tasks that ask for one.
        words: Which words a metric counted, by metric, where that depends on the script.
        way: How it was answered: by a `head`, by scoring `labels`, or `decoded`.
        answers: Right and given answers in the table's order; None: only the figures are known.
    """

    task: str
    examples: int
    metrics: dict[str, float]
    predictions: list[Prediction]
    unreadable: int
    words: Mapping[str, str] = field(default_factory=dict)
    way: str = "decoded"
    answers: Answers | None = None


class Evaluator:
    """What scores a model on tasks; its compiled programs are kept from call to call.

    Args:
        model: With or without adapters; its weights may change between calls.
        manifest: Of the dataset the examples come from.
        vocabulary: Of that dataset.
        batch_size: Examples per global batch.
        input_length: Static length of inputs in tokens.
        strategy: What the model's variables live under; the current one by default.
        jit_compile: Whether to compile with XLA; by default where that is faster.
        decoding: How answers are found.

    Raises:
        UsageError: The batch can't be divided among the replicas, or XLA can't be had.
    """

    def __init__(
        self,
        model: TaskModel,
        manifest: Manifest,
        vocabulary: Vocabulary,
        *,
        batch_size: int,
        input_length: int,
        strategy: tf.distribute.Strategy | None = None,
        jit_compile: bool | None = None,
        decoding: Decoding | None = None,
    ):
        self.manifest, self.vocabulary = manifest, vocabulary
        self.answerer = Answerer(
            model,
            manifest,
            vocabulary,
            batch_size=batch_size,
            input_length=input_length,
            strategy=strategy,
            jit_compile=jit_compile,
            decoding=decoding,
        )

    def evaluate(
        self,
        task: str,
        table: TokenTable,
        report: Progress = lambda done: None,
        answer: Callable[[TaskEntry, TokenTable, Progress], Given] | None = None,
    ) -> TaskResult:
        """Answer and score every example of a table.

        Args:
            task: Its name.
            table: The examples, of any split.
            report: Told how many examples are done, after each batch.
            answer: What answers, if not the answerer by itself.

        Returns:
            The figures and the predictions.

        Raises:
            UsageError: The model or the dataset doesn't know the task.
        """
        entry = self.judged(self.manifest.task(task))
        given = (answer or self.answerer.answer)(entry, table, report)
        targets = target_texts(entry, table, self.vocabulary)
        shares = given.probabilities
        answers = gather_answers(entry, table, targets, given.texts, self.vocabulary, shares)
        predictions = [
            Prediction(
                int(table.examples[row]),
                row,
                targets[row],
                text,
                _strip(given.token_ids[row]),
                _several(table, row),
                () if shares is None else tuple(shares[row].tolist()),
            )
            for row, text in enumerate(given.texts)
        ]
        predictions.sort(key=lambda prediction: prediction.example)
        return TaskResult(
            task,
            len(table),
            score(entry.metrics, answers),
            predictions,
            answers.unreadable,
            name_words(entry.metrics, answers),
            given.way,
            answers,
        )

    def judged(self, entry: TaskEntry) -> TaskEntry:
        """Leave out the metrics that a task's answers, found in this way, do not have.

        Args:
            entry: Of the manifest.

        Returns:
            The task with those that can be computed.

        Raises:
            UsageError: There is none.
        """
        way = way_of(entry, self.answerer.model, self.answerer.decoding)
        return judged_entry(entry, has_probabilities=way != "decoded")


def _several(table: TokenTable, row: int) -> tuple[str, ...]:
    references = table.references[row] if table.references else ()
    return references if len(references) > 1 else ()


def _strip(ids: np.ndarray) -> tuple[int, ...]:
    tokens = ids.tolist()
    while tokens and tokens[-1] == 0:
        tokens.pop()
    return tuple(tokens)
