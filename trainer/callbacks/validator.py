"""Score every task of a run on its validation split, during training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.runs.settings import ResolvedRun
from eval import Evaluator
from eval.decoding.batching import padded_rows
from eval.decoding.replicas import share_out
from eval.metrics.registry import mean_of_main_metrics
from prep import Manifest, SplitEntry, TokenTable, make_batch, read_split, read_vocabulary
from trainer.batches.head_rows import HeadRows, head_rows
from trainer.batches.mixture_batches import Lengths
from trainer.settings.resolving import packed_lengths
from trainer.settings.shapes import task_shapes
from trainer.steps.graph_optimizer import graph_optimizer
from trainer.steps.step import validation_step


class Validator:
    """Computes each task's loss and metrics, and the mean over tasks.

    Args:
        model: That is being trained.
        tables: The validation tokens of each task.
        evaluators: By task, what scores predictions; compiled programs are kept between
            validations.
        strategy: That the model's variables live under.
        batch_size: Examples per global batch.
        shapes: By task, static lengths of inputs and targets, in tokens, or those of heads.
        loss_chunk: Target positions whose scores over the vocabulary are held at once; 0 for all.
        heads: How the rows of tasks are made that heads answer.
        check: Called between batches; what it raises ends a validation.
        part: Of the examples, as `validated_part` says it.
    """

    def __init__(
        self,
        model: TaskModel,
        tables: Mapping[str, TokenTable],
        evaluators: Mapping[str, Evaluator],
        strategy: tf.distribute.Strategy,
        *,
        batch_size: int,
        shapes: Mapping[str, Lengths],
        loss_chunk: int = 0,
        check: Callable[[], None] = lambda: None,
        heads: Mapping[str, HeadRows] | None = None,
        part: str = "",
    ):
        self.model, self.tables = model, tables
        self.evaluators, self.strategy = evaluators, strategy
        self.batch_size, self.shapes = batch_size, shapes
        self.check, self.part = check, part
        self.heads = heads or {}

        # TPUStrategy makes a tensor of each argument, which a model is not, and names a scope after
        # the outer function, which a lambda's name cannot be.
        def step(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            return validation_step(model, batch, loss_chunk)

        def step_all(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            return strategy.run(step, args=(batch,))

        # A program for each shape; TensorFlow would make one for all of them, with none.
        self._steps = {
            shape: tf.function(step_all, autograph=False) for shape in set(shapes.values())
        }

    @graph_optimizer(is_on=True)
    def run(self) -> dict[str, float]:
        """Validate all tasks.

        Returns:
            `<task>/loss` in nats per token, of heads per example, `<task>/<metric>`, and over tasks
            `loss` (their mean) and `mean` (of each task's first metric).

        Raises:
            StopRequested: The program was told to stop.
        """
        figures: dict[str, float] = {}
        metrics: dict[str, Mapping[str, float]] = {}
        for task, table in self.tables.items():
            figures[f"{task}/loss"] = self.loss(task, table)
            found = self.evaluators[task].evaluate(task, table, lambda done: self.check())
            metrics[task] = found.metrics
            figures.update({f"{task}/{name}": value for name, value in metrics[task].items()})
        figures["loss"] = float(np.mean([figures[f"{task}/loss"] for task in self.tables]))
        figures["mean"] = mean_of_main_metrics(metrics.values())
        return figures

    def loss(self, task: str, table: TokenTable) -> float:
        """Compute a task's mean loss over a table, in nats per token, or of a head per example."""
        totals, shape = np.zeros(2), self.shapes[task]
        for batch in self._batches(task, table):
            self.check()
            sums = self._steps[shape](share_out(self.strategy, batch))
            totals += [
                float(self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None))
                for value in sums
            ]
        return float(totals[0] / max(totals[1], 1.0))

    def _batches(self, task: str, table: TokenTable) -> Iterator[dict[str, np.ndarray]]:
        (S, T, *_), number = self.shapes[task], self.model.task_names.index(task)
        head = self.heads.get(task)
        labels = head.labels(table) if head else np.zeros(0)
        for rows in padded_rows(len(table), self.batch_size):
            if head:
                yield head.make_batch(
                    table, rows, labels, input_length=S, task=number, is_weighted=False
                )
            else:
                yield make_batch(table, rows, input_length=S, target_length=T, task=number)


def make_validator(
    settings: ResolvedRun,
    manifest: Manifest,
    model: TaskModel,
    strategy: tf.distribute.Strategy,
    check: Callable[[], None] = lambda: None,
) -> Validator | None:
    """Read the validation splits.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        model: That is being trained.
        strategy: That the model's variables live under.
        check: Called between batches; what it raises ends a validation.

    Returns:
        What validates the tasks that have the split; None when no task has one.
    """
    data, limit = settings.data, settings.training.validation_examples
    shapes = validation_shapes(settings, manifest)
    tables: dict[str, TokenTable] = {}
    for task in settings.tasks:
        if data.validation_split in manifest.task(task).splits:
            where = settings.dataset, manifest, task, data.validation_split
            tables[task] = read_split(*where, most=limit or None)
    if not tables:
        return None
    vocabulary = read_vocabulary(settings.dataset, manifest)
    evaluators = {
        input_length: Evaluator(
            model,
            manifest,
            vocabulary,
            batch_size=data.batch_size,
            input_length=input_length,
            strategy=strategy,
        )
        for input_length in {shapes[task][0] for task in tables}
    }
    return Validator(
        model,
        tables,
        {task: evaluators[shapes[task][0]] for task in tables},
        strategy,
        batch_size=data.batch_size,
        shapes=shapes,
        loss_chunk=settings.training.loss_chunk,
        check=check,
        heads=head_rows(settings.heads, vocabulary),
        part=validated_part(settings, manifest),
    )


def validated_part(settings: ResolvedRun, manifest: Manifest) -> str:
    """Say how many examples are validated, where `training.validation_examples` leaves some out.

    Args:
        settings: Of the run.
        manifest: Of its dataset.

    Returns:
        Such as "200 of 761 examples"; empty where all are.
    """
    some = count_validated(settings, manifest)
    every = sum(split.examples for split in validation_splits(settings, manifest))
    return f"{some:,} of {every:,} examples" if some < every else ""


def count_validated(settings: ResolvedRun, manifest: Manifest) -> int:
    """Count the examples of a validation, over all tasks; takes what `validated_part` takes."""
    sizes = [split.examples for split in validation_splits(settings, manifest)]
    return sum(min(size, settings.training.validation_examples or size) for size in sizes)


def validation_splits(settings: ResolvedRun, manifest: Manifest) -> list[SplitEntry]:
    """List the validation splits of the tasks that have one; takes what `validated_part` takes."""
    found = [
        manifest.task(task).splits.get(settings.data.validation_split) for task in settings.tasks
    ]
    return [split for split in found if split is not None]


def validation_shapes(settings: ResolvedRun, manifest: Manifest) -> dict[str, Lengths]:
    """Choose the lengths of validation batches, which hold one example per row.

    Args:
        settings: Of the run.
        manifest: Of its dataset.

    Returns:
        Input and target tokens by task: those of training, unless its rows are packed; then the
        longest there are.
    """
    data = settings.data
    if not packed_lengths(manifest, settings.tasks, data.train_split):
        return task_shapes(settings, manifest)
    splits = validation_splits(settings, manifest)
    longest = (
        max((one.longest_input for one in splits), default=data.input_length),
        max((one.longest_target for one in splits), default=data.target_length),
    )
    return dict.fromkeys(settings.tasks, longest)
