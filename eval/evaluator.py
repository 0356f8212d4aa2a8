"""Scoring a model on a task: token ids from the device, texts, answers, metrics.

Tasks whose label words are single distinct tokens take one decoder step (`ArgmaxModel`); all
others are decoded greedily (`GreedyModel`), or with beams where that is asked for (`BeamModel`), up
to the task's decoding length. Tasks that a head answers (`HeadModel`) decode nothing.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel
from eval.decoding.argmax import ArgmaxModel
from eval.decoding.beam import BeamAnswers, BeamModel
from eval.decoding.greedy import GreedyModel
from eval.decoding.heads import HeadModel, write_answers
from eval.decoding.options import Beams
from eval.decoding.predictor import Progress, TokenPredictor
from eval.decoding.replicas import check_batch_size
from eval.metrics.answers import Answers, gather_answers, target_texts
from eval.metrics.registry import name_words, score
from prep import Manifest, TaskEntry, TokenTable, UsageError, Vocabulary, nearest

ARGMAX_LENGTH = 1  # tokens; any longer answer is decoded


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
    """

    example: int
    row: int
    target: str
    prediction: str
    token_ids: tuple[int, ...]
    references: tuple[str, ...] = ()


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
        by_head: Whether a head answered, and not the decoder.
        answers: Right and given answers in the table's order; None: only the figures are known.
    """

    task: str
    examples: int
    metrics: dict[str, float]
    predictions: list[Prediction]
    unreadable: int
    words: Mapping[str, str] = field(default_factory=dict)
    by_head: bool = False
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
        beams: How to search for answers of several tokens; None for greedy ones.

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
        beams: Beams | None = None,
    ):
        self.model, self.manifest, self.vocabulary = model, manifest, vocabulary
        self.batch_size, self.input_length = batch_size, input_length
        self.strategy = strategy or tf.distribute.get_strategy()
        self.jit_compile, self.beams = jit_compile, beams
        self._predictors: dict[int, TokenPredictor] = {}
        self._head_predictor: TokenPredictor | None = None
        check_batch_size(batch_size, self.strategy)

    def evaluate(
        self, task: str, table: TokenTable, report: Progress = lambda done: None
    ) -> TaskResult:
        """Answer and score every example of a table.

        Args:
            task: Its name.
            table: The examples, of any split.
            report: Told how many examples are done, after each batch.

        Returns:
            The figures and the predictions.

        Raises:
            UsageError: The model or the dataset doesn't know the task.
        """
        entry = self.manifest.task(task)
        by_head = self.model.has_head(task)
        if by_head:
            texts = self.answer_by_head(entry, table, report)
            token_ids = np.zeros((len(texts), 0), np.int32)
        else:
            token_ids = self.predict_tokens(entry, table, report)
            texts = [self.vocabulary.decode(ids) for ids in token_ids]
        targets = target_texts(entry, table, self.vocabulary)
        answers = gather_answers(entry, table, targets, texts, self.vocabulary)
        metrics = score(entry.metrics, answers)
        words = name_words(entry.metrics, answers)
        predictions = [
            Prediction(
                int(table.examples[row]),
                row,
                targets[row],
                texts[row],
                _strip(ids),
                _several(table, row),
            )
            for row, ids in enumerate(token_ids)
        ]
        predictions.sort(key=lambda prediction: prediction.example)
        return TaskResult(
            task, len(table), metrics, predictions, answers.unreadable, words, by_head, answers
        )

    def answer_by_head(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> list[str]:
        """Answer every example of a table by its task's head.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            Label words, or numbers as texts.

        Raises:
            UsageError: The head gives other answers than the dataset's task has.
        """
        assert self.model.heads is not None
        head = self.model.heads.tasks[entry.name]
        expected = 1 if head.kind == "regression" else len(entry.label_words)
        if (entry.choices, expected) != (head.choices, head.answers):
            raise UsageError(
                f"task {entry.name!r}: the head was trained to give {head.answers} answers of kind "
                f"{head.kind}, and the dataset's task is another; evaluate on one built alike"
            )
        for number, (ours, theirs) in enumerate(zip(head.words, entry.label_words, strict=False)):
            if ours != theirs:
                raise UsageError(
                    f"task {entry.name!r}: class {number} of the head is {ours!r}, and of the "
                    f"dataset's {theirs!r}; evaluate on one with the same labels in the same order"
                )
        if self._head_predictor is None:
            with self.strategy.scope():
                model = HeadModel(self.model)
            self._head_predictor = self._make_predictor(model)
        task = self.model.task_names.index(entry.name)
        scores = self._head_predictor.predict(table, task, report, head.choices)
        return write_answers(head, scores, entry.label_words)

    def predict_tokens(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> np.ndarray:
        """Answer every example of a table with token ids.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            int32 [examples, T], the best answer's.
        """
        found = self.predict_answers(entry, table, report)
        return found.tokens[:, 0] if isinstance(found, BeamAnswers) else found

    def predict_answers(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> np.ndarray | BeamAnswers:
        """Answer every example of a table with all that was asked for.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            int32 [examples, T]; of beams int32 [examples, n, T] and scores [examples, n].

        Raises:
            UsageError: The model doesn't know the task.
        """
        names = self.model.task_names
        if entry.name not in names:
            raise UsageError(f"the model has no task {entry.name!r}; {nearest(entry.name, names)}")
        if entry.choices:
            raise UsageError(
                f"task {entry.name!r} has a text for each choice, which only a head can score, and "
                "the model has none; evaluate on a dataset built without --format encoder"
            )
        return self._predictor(entry).predict(table, names.index(entry.name), report)

    def _predictor(self, entry: TaskEntry) -> TokenPredictor:
        length = answer_length(entry)
        if length not in self._predictors:
            with self.strategy.scope():
                model = make_decoder(self.model, length, self.beams)
            self._predictors[length] = self._make_predictor(model)
        return self._predictors[length]

    def _make_predictor(self, model: tf_keras.Model) -> TokenPredictor:
        return TokenPredictor(
            model,
            self.strategy,
            batch_size=self.batch_size,
            input_length=self.input_length,
            jit_compile=self.jit_compile,
        )


def make_decoder(model: TaskModel, length: int, beams: Beams | None) -> tf_keras.Model:
    """Make the program that answers.

    Args:
        model: The model to ask.
        length: The most tokens of an answer.
        beams: How to search; None for greedy answers.

    Returns:
        A model of token ids, or of `BeamAnswers`. Of one token and one answer, the best is the
        most probable however it is searched for.
    """
    if length == ARGMAX_LENGTH and (beams is None or beams.n_best == 1):
        return ArgmaxModel(model)
    if beams is None:
        return GreedyModel(model, length=length)
    return BeamModel(model, length=length, **dataclasses.asdict(beams))


def answer_length(entry: TaskEntry) -> int:
    """Count the decoder steps of a task's answers: 1 if each label word is a token of its own."""
    words = entry.label_token_ids
    if words and all(len(ids) == 1 for ids in words) and len(set(words)) == len(words):
        return ARGMAX_LENGTH
    return entry.decoding_length


def _several(table: TokenTable, row: int) -> tuple[str, ...]:
    references = table.references[row] if table.references else ()
    return references if len(references) > 1 else ()


def _strip(ids: np.ndarray) -> tuple[int, ...]:
    tokens = ids.tolist()
    while tokens and tokens[-1] == 0:
        tokens.pop()
    return tuple(tokens)
