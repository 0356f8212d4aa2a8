"""Gradients added up over replicas; of a bank, only the rows that were routed to.

Shape letters: K tasks.
"""

import tensorflow as tf

from adapters_tf import TaskModel


def sum_over_replicas(
    model: TaskModel,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor | tf.IndexedSlices | None],
    task: tf.Tensor,
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Add up every replica's gradients; of a bank, only the routed task's row travels.

    Dense gradients stay dense and gathers' gradients become dense: Keras would otherwise sort out
    duplicate rows with `tf.unique`, a sequential loop on TPU.

    Args:
        model: Tells which variables are banks.
        variables: What the gradients belong to.
        gradients: Of this replica; None where a variable was not used.
        task: int32 scalar, the routed task.

    Returns:
        The global gradients; a bank's as one row of `tf.IndexedSlices`.
    """
    dense = routed_gradients(model, variables, gradients)
    context = tf.distribute.get_replica_context()
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    return [
        # Asking TensorFlow for a bank's shape would copy the whole bank.
        tf.IndexedSlices(gradient[None], task[None], tf.constant(variable.shape.as_list()))
        if model.is_bank(variable)
        else gradient
        for variable, gradient in zip(variables, summed, strict=True)
    ]


def routed_gradients(
    model: TaskModel,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor | tf.IndexedSlices | None],
) -> list[tf.Tensor]:
    """Make gradients dense; of a bank, only the routed task's row.

    Args:
        model: Tells which variables are banks.
        variables: What the gradients belong to.
        gradients: Of this replica; None where a variable was not used.

    Returns:
        In the same order, of a row's shape for a bank.
    """
    return [
        _row_gradient(variable, gradient)
        if model.is_bank(variable)
        else _dense_gradient(variable, gradient)
        for variable, gradient in zip(variables, gradients, strict=True)
    ]


def sum_mixed_over_replicas(
    model: TaskModel,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor | tf.IndexedSlices | None],
    is_present_K: tf.Tensor,
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Add up every replica's gradients where a batch mixes tasks; whole banks travel.

    Args:
        model: Tells which variables are banks.
        variables: What the gradients belong to.
        gradients: Of this replica; None where a variable was not used.
        is_present_K: bool [K], which tasks have examples in the global batch.

    Returns:
        The global gradients; a bank's as `tf.IndexedSlices` of all K rows, with the index −1 for
        tasks that are absent and whose rows must stay as they are.
    """
    context = tf.distribute.get_replica_context()
    dense = [_dense_gradient(*pair) for pair in zip(variables, gradients, strict=True)]
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    rows_K = tf.where(is_present_K, tf.range(len(model.task_names)), -1)
    return [
        tf.IndexedSlices(gradient, rows_K, tf.constant(variable.shape.as_list()))
        if model.is_bank(variable)
        else gradient
        for variable, gradient in zip(variables, summed, strict=True)
    ]


def _row_gradient(variable: tf.Variable, gradient: tf.IndexedSlices | None) -> tf.Tensor:
    if gradient is None:
        return tf.zeros(variable.shape[1:], variable.dtype)
    # Every slice of a routed batch is of the same row, once per read of the bank.
    return tf.reduce_sum(gradient.values, axis=0)


def _dense_gradient(variable: tf.Variable, gradient: tf.Tensor | None) -> tf.Tensor:
    if gradient is None:
        return tf.zeros(variable.shape, variable.dtype)
    return tf.convert_to_tensor(gradient)
