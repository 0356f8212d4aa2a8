"""Scoring a model on a task: token ids from the device, texts, answers, metrics.

Tasks whose label words are single distinct tokens take one decoder step (`ArgmaxModel`); all
others are decoded greedily (`GreedyModel`) up to the task's decoding length.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from eval.decoding.argmax import ArgmaxModel
from eval.decoding.greedy import GreedyModel
from eval.decoding.predictor import Progress, TokenPredictor
from eval.decoding.replicas import check_batch_size
from eval.metrics.answers import gather_answers, target_texts
from eval.metrics.registry import score
from prep import Manifest, TaskEntry, TokenTable, UsageError, Vocabulary, nearest

ARGMAX_LENGTH = 1  # tokens; any longer answer is decoded


@dataclass(frozen=True)
class Prediction:
    """One example's answer.

    Attributes:
        example: row number in the split, as the source had it.
        row: position in the table.
        target: the right answer's text; the first where there are several.
        prediction: the given answer's text.
        token_ids: the given answer's tokens, EOS included, without padding.
        references: every right answer, where there are several.
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
        task: its name.
        examples: how many were scored: all of the table.
        metrics: figures by name, the task's main metric first.
        predictions: in the source's row order.
        unreadable: answers that were no label word, or no number, of tasks that ask for one.
    """

    task: str
    examples: int
    metrics: dict[str, float]
    predictions: list[Prediction]
    unreadable: int


class Evaluator:
    """Scores a model on tasks; its compiled programs are kept from call to call.

    Args:
        model: with or without adapters; its weights may change between calls.
        manifest: of the dataset the examples come from.
        vocabulary: of that dataset.
        batch_size: examples per global batch.
        input_length: static length of inputs in tokens.
        strategy: what the model's variables live under; the current one by default.
        jit_compile: whether to compile with XLA; by default where that is faster.

    Raises:
        UsageError: the batch can't be divided among the replicas, or XLA can't be had.
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
    ):
        self.model, self.manifest, self.vocabulary = model, manifest, vocabulary
        self.batch_size, self.input_length = batch_size, input_length
        self.strategy = strategy or tf.distribute.get_strategy()
        self.jit_compile = jit_compile
        self._predictors: dict[int, TokenPredictor] = {}
        check_batch_size(batch_size, self.strategy)

    def evaluate(
        self, task: str, table: TokenTable, report: Progress = lambda done: None
    ) -> TaskResult:
        """Answers and scores every example of a table.

        Args:
            task: its name.
            table: the examples, of any split.
            report: told how many examples are done, after each batch.

        Returns:
            The figures and the predictions.

        Raises:
            UsageError: the model or the dataset doesn't know the task.
        """
        entry = self.manifest.task(task)
        token_ids = self.predict_tokens(entry, table, report)
        texts = [self.vocabulary.decode(ids) for ids in token_ids]
        targets = target_texts(entry, table, self.vocabulary)
        answers = gather_answers(entry, table, targets, texts)
        metrics = score(entry.metrics, answers)
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
        unreadable = 0 if entry.kind == "generation" else int(np.sum(answers.predictions == -1))
        return TaskResult(task, len(table), metrics, predictions, unreadable)

    def predict_tokens(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> np.ndarray:
        """Answers every example of a table with token ids.

        Args:
            entry: the task.
            table: the examples; their targets aren't looked at.
            report: told how many examples are done, after each batch.

        Returns:
            int32 [examples, T].
        """
        names = self.model.task_names
        if entry.name not in names:
            raise UsageError(f"the model has no task {entry.name!r}; {nearest(entry.name, names)}")
        return self._predictor(entry).predict(table, names.index(entry.name), report)

    def _predictor(self, entry: TaskEntry) -> TokenPredictor:
        length = answer_length(entry)
        if length not in self._predictors:
            is_one_step = length == ARGMAX_LENGTH
            with self.strategy.scope():
                model = (
                    ArgmaxModel(self.model)
                    if is_one_step
                    else GreedyModel(self.model, length=length)
                )
            self._predictors[length] = TokenPredictor(
                model,
                self.strategy,
                batch_size=self.batch_size,
                input_length=self.input_length,
                jit_compile=self.jit_compile,
            )
        return self._predictors[length]


def answer_length(entry: TaskEntry) -> int:
    """The decoder steps a task's answers take: 1 where each label word is a token of its own."""
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
