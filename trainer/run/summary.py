"""What is about to be trained, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.backbone.presets import PRESETS
from adapters_tf.methods import split_methods
from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest
from prep.dataset.entries import SplitEntry
from prep.dataset.split_part import shards_of
from trainer.batches.lanes import Lane, Table
from trainer.batches.mixture_batches import (
    Lengths,
    MixtureBatches,
    is_for_head,
    texts_of,
)
from trainer.batches.orders import BlockOrder
from trainer.batches.padding import count_row_tokens, real_share
from trainer.optimizers.groups import group_by_variable
from trainer.run.cuts import describe_cuts, longest_of, warn_of_cuts
from trainer.run.head_numbers import warn_of_numbers
from trainer.run.weights import describe_weights
from trainer.settings.choices import list_idle
from trainer.settings.config import RunConfig
from trainer.settings.durations import describe_durations
from trainer.steps.fit_model import FitModel


def announce(
    config: RunConfig,
    settings: ResolvedRun,
    manifest: Manifest,
    fit_model: FitModel,
    batches: MixtureBatches,
    strategy: tf.distribute.Strategy,
    first: int,
    report: Callable[[str], None],
    *,
    is_new: bool,
) -> None:
    """Say what is about to be trained.

    Args:
        config: As the user wrote it.
        settings: Of the run.
        manifest: Of its dataset.
        fit_model: As it will be trained, compiled.
        batches: Of the whole run.
        strategy: What the run is spread over.
        first: Steps done before.
        report: Called with every line.
        is_new: Whether the run has not begun.
    """
    model = fit_model.task_model
    if not config.task_list():
        report_left_out(settings, manifest, report)
    for line in describe_durations(config, settings, is_new):
        report(line)
    report_random_backbone(settings, report)
    report(describe(settings, manifest, model, batches, strategy, first))
    for line in describe_weights(model, fit_model.optimizer):
        report(line)
    report_idle_rates(settings, model, report)


def report_left_out(
    settings: ResolvedRun, manifest: Manifest, report: Callable[[str], None]
) -> None:
    """Name the tasks that nobody asked to leave out.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        report: Called with a line, if there are any.
    """
    others = [task for task in manifest.tasks if task not in settings.tasks]
    if others:
        report(f"without a split {settings.data.train_split!r}: {', '.join(others)}")
    for task, reason in manifest.failed.items():
        report(f"not in the dataset: {task}, which could not be built: {reason}")


def report_unused(
    settings: ResolvedRun,
    manifest: Manifest,
    report: Callable[[str], None],
    by_task: bool = False,
) -> None:
    """Say what was asked for and has no effect in this run.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        report: Called with a line for each.
        by_task: Whether each task keeps its own best step.
    """
    chosen = split_methods(settings.adapters.method)
    others = [name for name in settings.adapters.settings if name not in chosen]
    if others:
        report(
            f"note: adapters.settings of {', '.join(others)} are not used: adapters.method is "
            f"{settings.adapters.method!r}"
        )
    for line in list_idle(settings):
        report(f"note: {line}")
    split = settings.data.validation_split
    others = [name for name in settings.tasks if split not in manifest.task(name).splits]
    if len(others) == len(settings.tasks):
        report(
            f"note: no task has a split {split!r}: nothing is validated, "
            "and the last step's weights are taken"
            + "; training.patience has no effect"
            * bool(settings.training.patience)
        )
    elif others:
        last = "what is kept of them is of the last validation's step"
        report(
            f"note: without a split {split!r}: {', '.join(others)}; "
            + (last if by_task else "which step is best, the other tasks decide")
        )


def report_idle_rates(
    settings: ResolvedRun, model: TaskModel, report: Callable[[str], None]
) -> None:
    """Name the groups that have a learning rate of their own, and of which nothing trains.

    Args:
        settings: Of the run.
        model: As it will be trained.
        report: Called with a line, if there are any.
    """
    if not settings.optimizer.rates:
        return
    group = group_by_variable(model)
    there = set(map(group, model.trainable_variables))
    idle = [name for name in settings.optimizer.rates if name not in there]
    if idle:
        report(f"note: optimizer.rates of {', '.join(idle)} are not used: nothing of it trains")


def report_random_backbone(settings: ResolvedRun, report: Callable[[str], None]) -> None:
    """Warn of adapters on a backbone that knows nothing and learns nothing.

    Args:
        settings: Of the run.
        report: Called with a line, if the backbone is a preset, whose weights are random, and an
            adapter method leaves it as it is.
    """
    backbone = settings.model.backbone
    if backbone in PRESETS and split_methods(settings.adapters.method):
        report(
            f"note: model.backbone {backbone} is a preset, of random weights, and stays so under "
            f"adapters.method {settings.adapters.method}: name a pretrained T5, such as "
            "google-t5/t5-small, or first train this one whole (adapters.method none)"
        )


def describe(
    settings: ResolvedRun,
    manifest: Manifest,
    model: TaskModel,
    batches: MixtureBatches,
    strategy: tf.distribute.Strategy,
    first: int,
) -> str:
    """Say in a few lines what is about to be trained.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        model: As it will be trained.
        batches: Of the whole run.
        strategy: What the run is spread over.
        first: Steps done before.

    Returns:
        The shapes of batches and what they cost, a line per task, and what trains.
    """
    draws = settings.training.steps * batches.per_step * batches.draws
    counts = np.bincount(batches.schedule, minlength=len(batches.names))
    what = "batches" if batches.draws == 1 else "rows"
    split = settings.data.train_split
    splits = [manifest.task(name).split(split) for name in batches.names]
    lines = [describe_shapes(model.backbone.config, batches, splits)]
    lines += _describe_each_shape(batches, splits, counts)
    lines += [
        f"{name}: {_describe_size(table)}, {count} of {draws} {what}, "
        f"{count * batches.draw_rows / table.rows:.2f} epochs"
        + (f", {_describe_lengths(shape)}" if len(set(batches.shapes)) > 1 else "")
        + describe_cuts(table, shape)
        + _describe_lanes(lanes, entry)
        for name, table, count, shape, lanes, entry in zip(
            batches.names,
            batches.tables,
            counts,
            batches.shapes,
            batches.lanes,
            splits,
            strict=True,
        )
    ]
    lines += warn_of_cuts(batches) + warn_of_numbers(batches)
    total = sum(int(one.shape.num_elements()) for one in model.variables)  # heads among them
    trainable = model.count_trainable()
    replicas, kind = strategy.num_replicas_in_sync, type(strategy).__name__
    spread = "" if kind.startswith("_") else f" of {kind}"  # TensorFlow's default has no name
    lines.append(
        f"{trainable:,} of {total:,} parameters train ({trainable / total:.2%}), "
        f"{replicas} replica{'s' * (replicas != 1)}{spread}"
    )
    if first:
        is_last = first == settings.training.steps
        lines.append(
            f"going on from step {first}" + ", the last: nothing is left to train" * is_last
        )
    return "\n".join(lines)


def describe_shapes(config: Any, batches: MixtureBatches, splits: Sequence[SplitEntry]) -> str:
    """Say how large a batch is, how much of it is padding, and what that takes.

    Args:
        config: Of the T5.
        batches: Of the whole run.
        splits: What the manifest says of each task's.

    Returns:
        A line.
    """
    tables, shapes = batches.tables, batches.shapes
    limits = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
    pairs = [longest_of(table, shape) for table, shape in zip(tables, shapes, strict=True)]
    longest_input, longest_target = (max(lengths) for lengths in zip(*pairs, strict=True))
    step_bytes = max(_step_bytes(config, batches.batch_size, shape) for shape in shapes)
    size = f"{step_bytes / 1e9:.1f} GB" if step_bytes >= 1e8 else f"{step_bytes / 1e6:.1f} MB"
    counts = np.bincount(batches.schedule, minlength=len(shapes)).tolist()
    padding, is_exact = _padding(splits, shapes, counts)
    at_least = "" if is_exact else "at least "
    holds = f"a step holds at least {size} of activations"
    longest = f"the longest example has {longest_input} and {longest_target}"
    if not longest_target:  # heads answer all tasks
        longest = f"the longest text has {longest_input}"
    if (count := len(set(shapes))) > 1:
        at_once, _ = _padding(splits, [_widened(shape, limits) for shape in shapes], counts)
        instead = (
            f"it would be {at_once:.0%} with {limits[0]} input and {limits[1]} target tokens for "
            "all; "
            if at_once > padding
            else ""
        )
        several = f", {batches.per_step} a step" if batches.per_step > 1 else ""
        return (
            f"batches of {batches.batch_size} in {count} shapes{several}, "
            f"{at_least}{padding:.0%} padding "
            f"({instead}"
            f"{longest}); {holds}"
        )
    several = f"{batches.per_step} a step, " if batches.per_step > 1 else ""
    tokens = f"{limits[0]} input and {limits[1]} target tokens"
    if is_for_head(shapes[0]):
        tokens = f"{shapes[0][2]} texts of " * bool(shapes[0][2]) + f"{limits[0]} input tokens"
    return (
        f"batches of {batches.batch_size} × {tokens}, {several}"
        f"{at_least}{padding:.0%} padding ({longest}); {holds}"
    )


def _describe_lengths(shape: Lengths) -> str:
    if not is_for_head(shape):
        return f"{shape[0]} and {shape[1]} tokens"
    return f"{shape[2]} texts of {shape[0]} tokens" if shape[2] else f"{shape[0]} tokens"


def _describe_each_shape(
    batches: MixtureBatches, splits: Sequence[SplitEntry], counts: np.ndarray
) -> list[str]:
    """Say of each shape, where there are several, whose it is and how much of it is real."""
    shapes = list(dict.fromkeys(batches.shapes))
    lines = []
    for shape in shapes if len(shapes) > 1 else ():
        of = [number for number, one in enumerate(batches.shapes) if one == shape]
        drawn = [int(counts[number]) for number in of]
        line = f"{_describe_lengths(shape)}: {sum(drawn) / len(batches.schedule):.0%} of batches"
        if sum(drawn):
            padding, is_exact = _padding(
                [splits[number] for number in of], [shape] * len(of), drawn
            )
            line += f", {'' if is_exact else 'at most '}{1 - padding:.0%} real"
        lines.append(f"{line} ({', '.join(batches.names[number] for number in of)})")
    return lines


def _padding(
    splits: Sequence[SplitEntry], shapes: Sequence[Lengths], counts: Sequence[int]
) -> tuple[float, bool]:
    """Compute the share of a run's positions that hold no token, and tell whether it is known."""
    rows = [count_row_tokens(*pair) for pair in zip(splits, shapes, strict=True)]
    drawn = [(row, count) for row, count in zip(rows, counts, strict=True) if count]
    return 1 - real_share(drawn), all(row.is_exact for row, _ in drawn)


def _widened(shape: Lengths, limits: tuple[int, int]) -> Lengths:
    return (limits[0], 0, shape[2]) if is_for_head(shape) else limits


def _step_bytes(config: Any, B: int, shape: Lengths) -> int:
    """Count the bytes of what grows fastest: attention scores of all layers, and the logits."""
    S, T = shape[:2]
    if is_for_head(shape):
        return 4 * B * texts_of(shape) * config.num_heads * config.num_layers * S * S
    scores = config.num_layers * S * S + config.num_decoder_layers * T * (T + S)
    return 4 * B * (config.num_heads * scores + T * config.vocab_size)


def _describe_lanes(lanes: Sequence[Lane], split: SplitEntry) -> str:
    """Say how a split is visited that is divided, or not in memory as a whole."""
    said = ""
    if len(lanes) > 1:
        records = np.array([shard.records for shard in split.shards])
        most = max(len(shards_of(records, lane.rows)) for lane in lanes)
        said = f", in {len(lanes)} lanes of {_count_shards(most)} at most"
        if len(records) < len(lanes):
            said += f", of {_count_shards(len(records))} in all, which several read"
    if not isinstance(lanes[0].order, BlockOrder):
        return said
    windows = [lane.order.windows(0) for lane in lanes if isinstance(lane.order, BlockOrder)]
    count = max(map(len, windows))
    most = max(len(window.shards) for one in windows for window in one)
    each = " of each" * (len(lanes) > 1)
    return f"{said}, an epoch{each} in {count} windows of {_count_shards(most)} at most"


def _count_shards(count: int) -> str:
    return f"{count} shard{'s' * (count != 1)}"


def _describe_size(table: Table) -> str:
    if not table.is_packed:
        return f"{len(table)} examples"
    return f"{len(table)} examples in {table.rows} packed rows"
