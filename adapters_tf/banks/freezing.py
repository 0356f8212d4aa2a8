"""Freeze the backbone, or parts of a model by name, so that their gradients are never computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import (
    all_layers,
    freeze_own_weights,
    freeze_weights,
    is_t5_layer_norm,
)
from adapters_tf.banks.injection import AdaptedLayer
from adapters_tf.errors import ConfigurationError, suggest

# What may be frozen beside what an adapter method freezes, by the paths of its variables.
PARTS: Mapping[str, Callable[[str], bool]] = {
    "encoder": lambda path: path.startswith("encoder."),
    "decoder": lambda path: path.startswith("decoder."),
    "embeddings": lambda path: path.startswith("shared."),
    "lm_head": lambda path: path.startswith("lm_head."),
    "layer_norms": lambda path: path.endswith("layer_norm.weight"),
    "position_biases": lambda path: ".relative_attention_bias." in path,
    "task_embeddings": lambda path: path.startswith("task_embeddings."),
}


def freeze_parts(
    model: tf_keras.Model, parts: Iterable[str], trainable_by_path: Mapping[str, tf.Variable]
) -> None:
    """Freeze what some names say, adapters in it too.

    Args:
        model: Built, with whatever its method freezes already frozen.
        parts: Names of `PARTS`.
        trainable_by_path: What trains so far.

    Raises:
        ConfigurationError: A name is unknown, nothing that trains is of that part, or nothing is
            left to train.
    """
    frozen: set[str] = set()
    for part in parts:
        if part not in PARTS:
            raise ConfigurationError(f"model.freeze {part!r} is unknown; {suggest(part, PARTS)}")
        found = {path for path in trainable_by_path if PARTS[part](path)}
        if not found:
            raise ConfigurationError(
                f"model.freeze {part!r}: nothing of it trains; leave the name out"
            )
        frozen |= found
    if frozen and len(frozen) == len(trainable_by_path):
        raise ConfigurationError(
            f"model.freeze {', '.join(parts)}: nothing is left to train; leave a name out"
        )
    freeze_weights(model, {id(trainable_by_path[path]) for path in frozen})


def freeze_decoder(model: tf_keras.Model, trainable_by_path: Mapping[str, tf.Variable]) -> None:
    """Freeze the decoder and what comes after it, adapters in it too, where nothing is decoded.

    Args:
        model: Built.
        trainable_by_path: What trains so far.
    """
    unused = [
        variable
        for path, variable in trainable_by_path.items()
        if PARTS["decoder"](path) or PARTS["lm_head"](path)
    ]
    freeze_weights(model, {id(variable) for variable in unused})


def freeze_backbone(
    backbone: tf_keras.Model,
    adapters: Iterable[tf_keras.layers.Layer],
    *,
    train_layer_norms: bool,
) -> None:
    """Leave only the adapters, and T5's own layer norms if asked for, trainable.

    Args:
        backbone: A TFT5 with adapters injected.
        adapters: The layers that stay trainable.
        train_layer_norms: Whether T5's layer norms train too (t5-base: 47,616 parameters), unless
            an adapter takes their place.

    Raises:
        ConfigurationError: Nothing is left to train.
    """
    kept = {id(part) for adapter in adapters for part in all_layers(adapter)}
    layers = list(all_layers(backbone))
    # A norm that an adapter runs has scales of its own for every task.
    replaced = {id(layer.base) for layer in layers if isinstance(layer, AdaptedLayer)}
    for layer in layers:
        is_norm = is_t5_layer_norm(layer) and id(layer) not in replaced
        if id(layer) not in kept and not (train_layer_norms and is_norm):
            freeze_own_weights(layer)
    if not backbone.trainable_variables:
        raise ConfigurationError(
            "nothing is left to train: choose an adapter method or train_layer_norms"
        )
