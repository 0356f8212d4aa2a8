"""What is about to be trained, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.methods import split_methods
from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest, TokenTable
from prep.dataset.sharded_split import ShardedSplit
from trainer.batches.mixture_batches import Lengths, MixtureBatches
from trainer.batches.orders import BlockOrder, WholeOrder

Table = TokenTable | ShardedSplit


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


def describe(
    settings: ResolvedRun,
    model: TaskModel,
    batches: MixtureBatches,
    strategy: tf.distribute.Strategy,
    first: int,
) -> str:
    """Say in a few lines what is about to be trained.

    Args:
        settings: Of the run.
        model: As it will be trained.
        batches: Of the whole run.
        strategy: What the run is spread over.
        first: Steps done before.

    Returns:
        The shapes of a batch and what they cost, a line per task, and what trains.
    """
    draws = settings.training.steps * batches.per_step * batches.draws
    counts = np.bincount(batches.schedule, minlength=len(batches.names))
    what = "batches" if batches.draws == 1 else "rows"
    lines = [describe_shapes(model.backbone.config, batches)]
    lines += [
        f"{name}: {_describe_size(table)}, {count} of {draws} {what}, "
        f"{count * batches.draw_rows / table.rows:.2f} epochs"
        + (f", {shape[0]} and {shape[1]} tokens" if len(set(batches.shapes)) > 1 else "")
        + _describe_cuts(table, shape)
        + _describe_blocks(order)
        for name, table, count, shape, order in zip(
            batches.names, batches.tables, counts, batches.shapes, batches.orders, strict=True
        )
    ]
    total = sum(int(weight.shape.num_elements()) for weight in model.backbone.weights)
    trainable = model.count_trainable()
    replicas, kind = strategy.num_replicas_in_sync, type(strategy).__name__
    spread = "" if kind.startswith("_") else f" of {kind}"  # TensorFlow's default has no name
    lines.append(
        f"{trainable:,} of {total:,} parameters train ({trainable / total:.2%}), "
        f"{replicas} replica{'s' * (replicas != 1)}{spread}"
    )
    if first:
        lines.append(f"going on from step {first}")
    return "\n".join(lines)


def describe_shapes(config: Any, batches: MixtureBatches) -> str:
    """Say how large a batch is, how much of it is padding, and what that takes.

    Args:
        config: Of the T5.
        batches: Of the whole run.

    Returns:
        A line.
    """
    tables, shapes = batches.tables, batches.shapes
    limits = max(S for S, _ in shapes), max(T for _, T in shapes)
    longest_input = max(table.longest[0] for table in tables)
    longest_target = max(table.longest[1] for table in tables)
    step_bytes = max(_step_bytes(config, batches.batch_size, S, T) for S, T in shapes)
    size = f"{step_bytes / 1e9:.1f} GB" if step_bytes >= 1e8 else f"{step_bytes / 1e6:.1f} MB"
    padding = _padding(tables, shapes)
    holds = f"a step holds at least {size} of activations"
    longest = f"the longest example has {longest_input} and {longest_target}"
    if (count := len(set(shapes))) > 1:
        at_once = _padding(tables, [limits] * len(tables))
        return (
            f"batches of {batches.batch_size} in {count} shapes, {padding:.0%} padding (it would "
            f"be {at_once:.0%} with {limits[0]} input and {limits[1]} target tokens for all; "
            f"{longest}); {holds}"
        )
    several = f"{batches.per_step} a step, " if batches.per_step > 1 else ""
    return (
        f"batches of {batches.batch_size} × {limits[0]} input and {limits[1]} target tokens, "
        f"{several}"
        f"{padding:.0%} padding ({longest}); {holds}"
    )


def _padding(tables: Sequence[Table], shapes: Sequence[Lengths]) -> float:
    """Compute the share of positions that hold no token, each row of a table counted once."""
    tokens = sum(table.tokens for table in tables)
    positions = sum(table.rows * sum(shape) for table, shape in zip(tables, shapes, strict=True))
    return 1 - min(tokens / max(positions, 1), 1.0)


def _step_bytes(config: Any, B: int, S: int, T: int) -> int:
    """Count the bytes of what grows fastest: attention scores of all layers, and the logits."""
    scores = config.num_layers * S * S + config.num_decoder_layers * T * (T + S)
    return 4 * B * (config.num_heads * scores + T * config.vocab_size)


def _describe_cuts(table: Table, shape: Lengths) -> str:
    """Say how many examples are longer than a batch has room for; packed rows never are."""
    if table.is_packed:
        return ""
    if isinstance(table, ShardedSplit):  # the manifest counts no lengths
        places = zip(("inputs", "targets"), table.longest, shape, strict=True)
        return "".join(
            f", {name} of more than {most} tokens are cut (the longest has {longest})"
            for name, longest, most in places
            if longest > most
        )
    inputs, targets = table.count_longer(*shape)
    said = f", {inputs} inputs cut to {shape[0]} tokens" if inputs else ""
    if targets:
        said += f", {targets} targets cut to {shape[1]} tokens"
    return said


def _describe_blocks(order: WholeOrder | BlockOrder) -> str:
    """Say how a split is visited that is not in memory as a whole."""
    if isinstance(order, WholeOrder):
        return ""
    windows = order.windows(0)
    shards = max(len(window.shards) for window in windows)
    return f", an epoch in {len(windows)} windows of {shards} shard{'s' * (shards != 1)} at most"


def _describe_size(table: Table) -> str:
    if not table.is_packed:
        return f"{len(table)} examples"
    return f"{len(table)} examples in {table.rows} packed rows"
