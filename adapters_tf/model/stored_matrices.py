"""Keep all matrices of a T5 as bfloat16 or int8, to be read as numbers to compute with.

Of int8, each output of a matrix (a column of a layer's, a row of the table of words) has a scale of
its own, and its largest weight is ±127: symmetric, of the weights alone. Norms, position biases,
adapters and heads, a few of a thousand numbers, stay as they are.

Shape letters: I inputs, O outputs, V vocabulary, D model width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import all_layers
from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.model.frozen_storage import matrix_of
from adapters_tf.model.lean_layers import LeanEmbedding

STORED_DTYPES = ("float32", "bfloat16", "int8")
_MOST = 127.0  # of int8; −128 is left out, so that both signs reach as far


class StoredMatrix:
    """What stands in the place of a layer's matrix, and is one wherever a tensor is wanted.

    Args:
        matrix: float32 or bfloat16 [I, O] or [V, D].
        output_axis: Along which each row or column has a scale of its own.
        stored: One of `STORED_DTYPES` below float32.
        dtype: What the layer computes with.
    """

    def __init__(self, matrix: tf.Variable, output_axis: int, stored: str, dtype: str):
        values, name = tf.cast(matrix, tf.float32), matrix.name.removesuffix(":0")
        self.dtype, self.shape = tf.as_dtype(dtype), matrix.shape
        self.scale: tf.Variable | None = None
        if stored == "int8":
            largest = tf.reduce_max(tf.abs(values), 1 - output_axis, keepdims=True)
            scale = tf.where(largest > 0, largest / _MOST, 1.0)
            values = tf.round(values / scale)
            self.scale = tf.Variable(scale, trainable=False, name=f"{name}/scale")
        self.values = tf.Variable(tf.cast(values, stored), trainable=False, name=name)
        self._held: tf.Tensor | None = None

    @property
    def variables(self) -> list[tf.Variable]:
        """What is stored."""
        return [self.values] if self.scale is None else [self.values, self.scale]

    def sparse_read(self, rows: tf.Tensor, name: str | None = None) -> tf.Tensor:
        """Read some rows; `tf.gather` asks for them so, as of a variable."""
        scale = self.scale
        if scale is not None and scale.shape[0] > 1:
            scale = tf.gather(scale, rows)
        return self._scaled(tf.gather(self.values, rows), scale)

    def __tf_tensor__(self, dtype: tf.DType | None = None, name: str | None = None) -> tf.Tensor:
        """Read all of it, or what was read where `held` encloses this."""
        found = self.read() if self._held is None else self._held
        return found if dtype is None else tf.cast(found, dtype)

    def read(self) -> tf.Tensor:
        """Make the matrix that the layer computes with."""
        return self._scaled(self.values, self.scale)

    def _scaled(self, values: tf.Tensor, scale: tf.Tensor | None) -> tf.Tensor:
        if scale is None:
            return tf.cast(values, self.dtype)
        return tf.cast(tf.cast(values, tf.float32) * scale, self.dtype)


class StoredEmbedding(LeanEmbedding):
    """An Embedding that reads rows of a `StoredMatrix`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Read the rows of tokens [B, S]; [B, S, D]."""
        return self.embeddings.sparse_read(inputs)


def store_matrices(backbone: tf_keras.Model, stored: str) -> list[StoredMatrix]:
    """Put smaller matrices in the place of a T5's; it can answer afterwards, and not be trained.

    Args:
        backbone: A TFT5 with lean layers and weights.
        stored: One of `STORED_DTYPES`.

    Returns:
        What stands for the matrices; of float32 nothing, and nothing is changed.

    Raises:
        ConfigurationError: There is no such way to store them.
    """
    if stored not in STORED_DTYPES:
        raise ConfigurationError(
            f"weights cannot be stored as {stored!r}; {suggest(stored, STORED_DTYPES)}"
        )
    found: list[StoredMatrix] = []
    for layer in all_layers(backbone) if stored != "float32" else ():
        name = matrix_of(layer)
        if not name or isinstance(getattr(layer, name), StoredMatrix):  # met before
            continue
        matrix = getattr(layer, name)
        delattr(layer, name)
        is_table = name == "embeddings"
        found.append(StoredMatrix(matrix, 0 if is_table else 1, stored, layer.compute_dtype))
        setattr(layer, name, found[-1])
        if is_table:
            layer.__class__ = StoredEmbedding
    return found


@contextmanager
def held(matrices: Sequence[StoredMatrix]) -> Iterator[None]:
    """Read matrices once for the enclosed part of a program, and not in each turn of its loops.

    Args:
        matrices: What is read.
    """
    for matrix in matrices:
        matrix._held = matrix.read()
    try:
        yield
    finally:
        for matrix in matrices:
            matrix._held = None
