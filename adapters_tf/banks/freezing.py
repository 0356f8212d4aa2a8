"""Freeze the backbone, so that its gradients are never computed."""

from __future__ import annotations

from collections.abc import Iterable

import tf_keras

from adapters_tf.backbone.keras_internals import all_layers, freeze_own_weights, is_t5_layer_norm
from adapters_tf.banks.injection import AdaptedLayer
from adapters_tf.errors import ConfigurationError


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
