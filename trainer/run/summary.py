"""What is about to be trained, in a few lines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from prep import Manifest, TokenTable
from trainer.batches.mixture_batches import MixtureBatches


def report_left_out(manifest: Manifest, resolved: Mapping[str, Any], report) -> None:
    """Name the tasks that nobody asked to leave out."""
    others = [task for task in manifest.tasks if task not in resolved["tasks"]]
    if others:
        report(f"without a split {resolved['data']['train_split']!r}: {', '.join(others)}")


def describe(
    resolved: Mapping[str, Any],
    model: TaskModel,
    batches: MixtureBatches,
    strategy: tf.distribute.Strategy,
    first: int,
) -> str:
    """Say in a few lines what is about to be trained."""
    steps = resolved["training"]["steps"]
    counts = np.bincount(batches.schedule, minlength=len(batches.names))
    what = "batches" if batches.draws == 1 else "rows"
    lines = [
        f"{name}: {_describe_size(table)}, {count} of {steps * batches.draws} {what}, "
        f"{count * batches.draw_rows / table.rows:.2f} epochs"
        for name, table, count in zip(batches.names, batches.tables, counts, strict=True)
    ]
    total = sum(int(weight.shape.num_elements()) for weight in model.backbone.weights)
    trainable = model.count_trainable()
    lines.append(
        f"{trainable:,} of {total:,} parameters train ({trainable / total:.2%}), "
        f"{strategy.num_replicas_in_sync} replica(s) of {type(strategy).__name__}"
    )
    if first:
        lines.append(f"going on from step {first}")
    return "\n".join(lines)


def _describe_size(table: TokenTable) -> str:
    if table.pack_offsets is None:
        return f"{len(table)} examples"
    return f"{len(table)} examples in {table.rows} packed rows"
