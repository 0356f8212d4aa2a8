"""What a block adds a sublayer's output to, for adapters that read it.

A block computes `x + sublayer(norm(x))`, and the wrapper around the sublayer sees `norm(x)` alone.

Shape letters: B batch, S sequence length, D model width.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


class ResidualStream(tf_keras.layers.Layer):
    """T5's layer norm before a sublayer, which also keeps what it was given: the residual stream.

    Args:
        base: The norm as it was.
    """

    def __init__(self, base: tf_keras.layers.Layer, **kwargs: Any):
        super().__init__(name=base.name, **kwargs)
        self.base = base
        self.built = True
        self._kept: tf.Tensor | None = None

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalise, and keep the inputs until `take`."""
        self._kept = inputs
        return self.base(inputs)

    def take(self) -> tf.Tensor:
        """Hand out the inputs of the last call, once: a traced tensor must not outlive its trace.

        Returns:
            [B, S, D].
        """
        kept, self._kept = self._kept, None
        return kept
