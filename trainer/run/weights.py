"""What of a model trains and what does not, as a table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from adapters_tf import TaskModel
from adapters_tf.backbone.sites import backbone_path
from adapters_tf.banks.freezing import PARTS
from trainer.optimizers.taskwise import TaskwiseOptimizer

# In the order of the table; a variable is of the first that it fits.
_OF_THE_BACKBONE = (
    "embeddings",
    "lm_head",
    "layer_norms",
    "position_biases",
    "encoder",
    "decoder",
)


@dataclass
class _Sizes:
    trained: int = 0
    trained_bytes: int = 0
    slot_bytes: int = 0
    frozen: int = 0
    frozen_bytes: int = 0


def describe_weights(model: TaskModel, optimizer: TaskwiseOptimizer) -> list[str]:
    """Count parameters and memory by part of the model.

    Args:
        model: As it will be trained.
        optimizer: Built for it.

    Returns:
        The lines of a table: parameters, and megabytes of weights and of the optimizer's slots.
    """
    slots = optimizer.bytes_by_variable(model.trainable_variables)
    trained = {id(variable) for variable in model.trainable_variables}
    sizes: dict[str, _Sizes] = defaultdict(_Sizes)
    of_adapters = {
        id(weight): "tasks' rows" if model.is_bank(weight) else "adapters, shared"
        for layer in model.banks.values()
        for weight in layer.weights
        # What an adapter wraps is no part of it, yet may be inside.
        if id(weight) in trained or model.is_bank(weight)
    }
    if model.heads:
        of_adapters |= {id(weight): "heads" for weight in model.heads.banks.values()}
    for variable in model.variables:
        path = backbone_path(variable)
        fitting = (part for part in _OF_THE_BACKBONE if PARTS[part](path))
        part = of_adapters.get(id(variable)) or next(fitting, "adapters, fixed")
        count = variable.shape.num_elements()
        size, entry = count * variable.dtype.size, sizes[part]
        if id(variable) in trained:
            entry.trained += count
            entry.trained_bytes += size
            entry.slot_bytes += slots[id(variable)]
        else:
            entry.frozen += count
            entry.frozen_bytes += size
    order = ("tasks' rows", "heads", "adapters, shared", "adapters, fixed", *_OF_THE_BACKBONE)
    lines = [f"{'':18}{'trains':>12}{'weights':>11}{'optimizer':>11}{'frozen':>14}{'weights':>11}"]
    for part in (part for part in order if part in sizes):
        one = sizes[part]
        lines.append(
            f"{part.replace('_', ' '):18}{_count(one.trained):>12}"
            f"{_megabytes(one.trained_bytes):>11}{_megabytes(one.slot_bytes):>11}"
            f"{_count(one.frozen):>14}{_megabytes(one.frozen_bytes):>11}".rstrip()
        )
    return lines


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number else ""
