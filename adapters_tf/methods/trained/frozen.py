"""Several trained bottleneck adapters at one sublayer, frozen and run as one.

    change_n = [post-norm_n](up_n(activation(down_n([pre-norm_n](x))))) · scaling

All N adapters read the same x, so each of their two layers is one batched product.

Shape letters: B batch, S sequence length, D model width, R bottleneck, N adapters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import all_layers
from adapters_tf.methods.bottleneck import ACTIVATIONS, NORM_EPSILON, BottleneckConfig
from adapters_tf.methods.normalization import normalize

_NORM = ("gamma", "beta")


class FrozenBottlenecks(tf_keras.layers.Layer):
    """Trained adapters at one sublayer; nothing here trains.

    Args:
        config: The settings of all of them.
        tensors: float32 [N, …] by name: `down_kernel` [N, D, R], `down_bias` [N, R], `up_kernel`
            [N, R, D], `up_bias` [N, D], the norms' `pre_norm.gamma` [N, D] and so on, and where it
            was learned the `scale` [N, 1].
        path: Module path of the sublayer.
    """

    def __init__(
        self, config: BottleneckConfig, tensors: Mapping[str, np.ndarray], path: str, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.config, self.path = config, path
        self.activation = ACTIVATIONS[config.activation]
        self.tensors = {
            name: self.add_weight(
                name,
                value.shape,
                initializer=lambda shape, dtype=None, value=value, **_: tf.constant(value, dtype),
                trainable=False,
            )
            for name, value in tensors.items()
        }
        self.built = True

    def reads(self, outputs: tf.Tensor, inputs: tf.Tensor | None) -> tf.Tensor:
        """Choose what the adapters read.

        Args:
            outputs: [B, S, D], the sublayer's output.
            inputs: [B, S, D], what the sublayer was given.

        Returns:
            Either; parallel adapters read the sublayer's input.
        """
        return tf.cast(inputs if self.config.parallel else outputs, outputs.dtype)

    def residual(self, outputs: tf.Tensor) -> tf.Tensor | float:
        """Choose what the adapters' changes are added to.

        Args:
            outputs: [B, S, D], the sublayer's output.

        Returns:
            That, or zero for adapters without a residual.
        """
        return outputs if self.config.residual else 0.0

    def call(self, hidden_BSD: tf.Tensor) -> tf.Tensor:
        """Compute every adapter's change.

        Args:
            hidden_BSD: [B, S, D], what they read.

        Returns:
            [B, S, N, D], before the residual, in the input's dtype.
        """
        dtype = hidden_BSD.dtype
        down_bias, down, up_bias, up = (
            tf.cast(self.tensors[name], dtype)
            for name in ("down_bias", "down_kernel", "up_bias", "up_kernel")
        )
        if self.config.pre_norm:
            normed_BSND = self._normalise(hidden_BSD[:, :, None, :], "pre_norm")
            hidden_BSNR = tf.einsum("bsnd,ndr->bsnr", normed_BSND, down)
        else:
            hidden_BSNR = tf.einsum("bsd,ndr->bsnr", hidden_BSD, down)
        hidden_BSNR = self.activation(hidden_BSNR + down_bias)
        change_BSND = tf.einsum("bsnr,nrd->bsnd", hidden_BSNR, up) + up_bias
        if self.config.post_norm:
            change_BSND = self._normalise(change_BSND, "post_norm")
        if self.config.is_scaling_learned:
            return change_BSND * tf.cast(self.tensors["scale"], dtype)
        return change_BSND * tf.cast(self.config.scaling, dtype)

    def _normalise(self, hidden: tf.Tensor, name: str) -> tf.Tensor:
        gamma, beta = (tf.cast(self.tensors[f"{name}.{part}"], tf.float32) for part in _NORM)
        normed = normalize(tf.cast(hidden, tf.float32), gamma, beta, NORM_EPSILON)
        return tf.cast(normed, hidden.dtype)


def frozen_digest(backbone: tf_keras.Model) -> str | None:
    """Identify the frozen adapters in a model, so that what was trained on them stays with them.

    Args:
        backbone: A TFT5, with or without adapters.

    Returns:
        Hexadecimal SHA-256 over their places and weights; None without any.
    """
    layers = [layer for layer in all_layers(backbone) if isinstance(layer, FrozenBottlenecks)]
    if not layers:
        return None
    digest = hashlib.sha256()
    for layer in sorted(layers, key=lambda layer: layer.path):
        for name, weight in sorted(layer.tensors.items()):
            digest.update(f"{layer.path}.{name}{tuple(weight.shape)}".encode())
            digest.update(np.ascontiguousarray(weight.numpy(), np.float32).tobytes())
    return digest.hexdigest()
