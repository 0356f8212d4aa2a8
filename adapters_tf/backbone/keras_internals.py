"""All that we touch of Keras 2 and TFT5 without their promise that it stays, one name for each.

A newer version may rename any of it. `INTERNALS` lists what must be there, for a test that says
with which pinned versions each was.

Shape letters: N heads, H head width, Q queries, S keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.lean_transformers import modeling_tf_t5

# By owner, the attributes used here; those of objects are looked for on a built one.
INTERNALS = {
    "tf_keras.layers.Layer": ("_flatten_layers", "_trainable_weights", "_non_trainable_weights"),
    "tf_keras.layers.Dropout": ("_random_generator",),
    "tf_keras.optimizers.Optimizer": (
        "_build_learning_rate",
        "_learning_rate",
        "_index_dict",
        "_var_key",
        "_deduplicate_sparse_grad",
        "_clip_gradients",
    ),
    "tf_keras.callbacks.Callback": ("_supports_tf_logs",),
    "TFT5Attention": (
        "compute_bias",
        "_relative_position_bucket",
        "relative_attention_bias",
        "has_relative_attention_bias",
        "key_value_proj_dim",
        "n_heads",
        "q",
        "k",
        "v",
        "o",
    ),
    "TFT5MainLayer": ("block", "final_layer_norm", "embed_tokens", "dropout"),
    "TFT5Block": ("layer",),
}


def all_layers(layer: tf_keras.layers.Layer) -> Iterator[tf_keras.layers.Layer]:
    """Walk through a layer and all that is inside it.

    Args:
        layer: A Keras layer or model.

    Yields:
        The layer itself, then its parts at any depth.
    """
    yield from layer._flatten_layers()


def freeze_own_weights(layer: tf_keras.layers.Layer) -> None:
    """Make a layer's own weights untrainable, and leave alone whatever layers are inside it.

    `layer.trainable = False` would freeze those as well: the attention of a first block owns the
    position biases and holds the projections that adapters wrap.

    Args:
        layer: A built layer.
    """
    layer._non_trainable_weights.extend(layer._trainable_weights)
    layer._trainable_weights.clear()


def freeze_weights(layer: tf_keras.layers.Layer, ids: Collection[int]) -> None:
    """Make some weights of a layer, and of the layers inside it, untrainable.

    Args:
        layer: A built layer or model.
        ids: The weights' `id`s.

    Raises:
        RuntimeError: Keras found one of them again: a layer keeps it in a list or a dictionary.
    """
    for part in all_layers(layer):
        frozen = [weight for weight in part._trainable_weights if id(weight) in ids]
        part._trainable_weights[:] = [
            weight for weight in part._trainable_weights if id(weight) not in ids
        ]
        part._non_trainable_weights.extend(frozen)
    if kept := [weight.name for weight in layer.trainable_weights if id(weight) in ids]:
        raise RuntimeError(f"{', '.join(kept)} would train though frozen")


def set_dropout_generator(layer: tf_keras.layers.Dropout, generator: Any) -> None:
    """Let a dropout layer draw its masks elsewhere.

    Args:
        layer: A Keras Dropout.
        generator: With `dropout(inputs, rate, noise_shape)`.
    """
    if not layer.built:
        layer.build(tf.TensorShape(None))  # or Keras would set up its own generator later
    layer._random_generator = generator


def dropout_generator(layer: tf_keras.layers.Dropout) -> Any:
    """Find what draws a dropout layer's masks.

    Args:
        layer: A Keras Dropout.

    Returns:
        Its generator, Keras's own or what `set_dropout_generator` put there.
    """
    return layer._random_generator


def stack_dropouts(model: tf_keras.Model) -> list[tf_keras.layers.Dropout]:
    """Find the dropouts that T5's stacks use twice: after the embeddings and after the last norm.

    Args:
        model: With TFT5's stacks somewhere inside, or without.

    Returns:
        The encoder's and the decoder's.
    """
    stacks = [one for one in all_layers(model) if isinstance(one, modeling_tf_t5.TFT5MainLayer)]
    return [stack.dropout for stack in stacks]


def set_learning_rate(
    optimizer: tf_keras.optimizers.Optimizer,
    rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
) -> None:
    """Give an optimizer its learning rate, as the constructors of Keras's own do.

    Args:
        optimizer: Initialised, not built yet.
        rate: A number or a schedule of the global step.
    """
    optimizer._learning_rate = optimizer._build_learning_rate(rate)


def slot_number(optimizer: tf_keras.optimizers.Optimizer, variable: tf.Variable) -> int:
    """Find a variable's place in the list an optimizer was built with.

    Args:
        optimizer: Built.
        variable: One of its variables, on any replica.

    Returns:
        The index, from 0.
    """
    return optimizer._index_dict[optimizer._var_key(variable)]


class KeepsGradients:
    """For an optimizer whose sparse gradients name each row once, clipped before Keras sees them.

    Keras would look for rows named twice with `tf.unique`, a sequential loop on TPU.
    """

    def _clip_gradients(self, grads: Sequence[Any]) -> Sequence[Any]:
        return grads

    def _deduplicate_sparse_grad(self, grads: list[Any]) -> list[Any]:
        return grads


class ReadsNoLogs:
    """For a callback that does not read Keras's logs, which would wait for the device each step."""

    _supports_tf_logs = True


def is_t5_layer_norm(layer: tf_keras.layers.Layer) -> bool:
    """Tell whether a layer is one of T5's own layer norms."""
    return isinstance(layer, modeling_tf_t5.TFT5LayerNorm)


def head_shape(attention: Any) -> tuple[int, int]:
    """Tell an attention's number of heads N and their width H.

    Args:
        attention: A TFT5Attention.

    Returns:
        N and H.
    """
    return attention.n_heads, attention.key_value_proj_dim


def has_position_biases(attention: Any) -> bool:
    """Tell whether an attention owns its stack's position biases, as the first block's does."""
    return attention.has_relative_attention_bias


def position_biases(attention: Any, queries: int | tf.Tensor, keys: int | tf.Tensor) -> tf.Tensor:
    """Compute T5's biases by the distance from queries to keys, both counted from position 0.

    Args:
        attention: A TFT5Attention that has them.
        queries: Q.
        keys: S.

    Returns:
        [1, N, Q, S].
    """
    return attention.compute_bias(queries, keys)


def position_buckets(attention: Any, queries: int | tf.Tensor, keys: int | tf.Tensor) -> tf.Tensor:
    """Find the buckets of the distances from queries to keys, both counted from position 0.

    Args:
        attention: A TFT5Attention that has position biases.
        queries: Q.
        keys: S.

    Returns:
        int32 [Q, S].
    """
    distance_QS = tf.range(keys)[None, :] - tf.range(queries)[:, None]
    return attention._relative_position_bucket(
        distance_QS,
        bidirectional=not attention.is_decoder,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=attention.relative_attention_max_distance,
    )
