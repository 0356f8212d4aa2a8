"""Groups of variables that may learn at rates of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from adapters_tf import TaskModel
from adapters_tf.backbone.keras_internals import all_layers, is_t5_layer_norm

GROUPS = ("bank", "heads", "norms", "shared")


def group_of(model: TaskModel, variable: tf.Variable, norms: frozenset[int]) -> str:
    """Name the group of one of a model's variables.

    Args:
        model: Of the run.
        variable: Any of its variables.
        norms: The `id`s of T5's layer norms' weights.

    Returns:
        `bank`, `heads`, `norms` or `shared`.
    """
    if model.heads and any(variable is one for one in model.heads.banks.values()):
        return "heads"
    if model.is_bank(variable):
        return "bank"
    return "norms" if id(variable) in norms else "shared"


def group_by_variable(model: TaskModel) -> Callable[[tf.Variable], str]:
    """Tell the group of each of a model's variables.

    Args:
        model: Of the run.

    Returns:
        A function of a variable.
    """
    layers = [layer for layer in all_layers(model) if is_t5_layer_norm(layer)]
    norms = frozenset(id(variable) for layer in layers for variable in layer.weights)
    return lambda variable: group_of(model, variable, norms)


def rate_by_variable(
    model: TaskModel, rates: Mapping[str, float]
) -> Callable[[tf.Variable], float]:
    """Tell what each variable's learning rate is multiplied with.

    Args:
        model: Of the run.
        rates: By group; 1 where not named.

    Returns:
        A function of a variable.
    """
    group = group_by_variable(model)
    return lambda variable: rates.get(group(variable), 1.0)
