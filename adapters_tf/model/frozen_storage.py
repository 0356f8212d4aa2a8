"""Keep the matrices of a T5 that do not train in bfloat16, at half the memory.

A layer whose arithmetic is in bfloat16 rounds its matrix whenever it is used, so the rounded
one gives the same bits. Layers that compute in float32 keep what they have, and so do norms,
position biases and adapters: a few of a thousand numbers.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import all_layers
from adapters_tf.errors import ConfigurationError

FROZEN_DTYPES = ("float32", "bfloat16")


def store_frozen(model: tf_keras.Model, backbone: tf_keras.Model) -> None:
    """Put bfloat16 matrices in the place of those that do not train.

    Args:
        model: Built, with everything frozen that shall be; call it in the strategy's scope.
        backbone: Its T5. A variable cannot change its type, so each is made anew, one after the
            other, under its name.

    Raises:
        ConfigurationError: Layers compute in bfloat16, and all of their matrices train.
    """
    trained = {id(variable) for variable in model.trainable_variables}
    matrices = [
        (layer, name)
        for layer in all_layers(backbone)
        if (name := matrix_of(layer)) and layer.compute_dtype == "bfloat16"
    ]
    frozen = [(layer, name) for layer, name in matrices if id(getattr(layer, name)) not in trained]
    if matrices and not frozen:
        raise ConfigurationError(
            "model.frozen_dtype bfloat16: every matrix of the backbone trains; choose an adapter "
            "method, or name parts with model.freeze"
        )
    for layer, name in frozen:
        held = getattr(layer, name)
        if held.dtype != tf.bfloat16:  # as it is where it is met for the second time
            rounded, where = tf.cast(held.read_value(), tf.bfloat16), held.name.removesuffix(":0")
            delattr(layer, name)
            del held
            setattr(layer, name, tf.Variable(rounded, trainable=False, name=where))


def matrix_of(layer: tf_keras.layers.Layer) -> str:
    """Name the attribute that holds a layer's matrix; empty for layers that have none."""
    if isinstance(layer, tf_keras.layers.Dense):
        return "kernel"
    return "embeddings" if isinstance(layer, tf_keras.layers.Embedding) else ""
