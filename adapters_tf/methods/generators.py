"""The networks of a hypernetwork: embeddings in, adapter weights out.

All run in float32: they see a few vectors a step, whatever the batch.

Shape letters: B batch, E embedding, I inputs, O outputs, K tasks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf.banks.routing import hold_rows, is_routed_by_example, routed_task, select_row
from adapters_tf.banks.task_bank import Draw, TaskBank, constant, normal
from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.files.embeddings_file import find_embeddings, read_embeddings
from adapters_tf.methods.normalization import normalize
from adapters_tf.runtime.target import is_for_tpu

FORMS = ("linear", "two_layer", "bilinear")
KERNEL_DEVIATION = 0.01  # of every layer's kernel, as published; biases start at zero
_KERNEL = normal(KERNEL_DEVIATION)
SITE_NORM_EPSILON = 1e-6  # of the norm over the projected embedding, as published


class SharedNetwork(TaskBank):
    """Dense layers that all tasks share.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Of the network; with the seed it decides the initial weights.
        seed: Of the initial weights.
    """

    def __init__(self, task_names: tuple[str, ...], path: str, seed: int, **kwargs: Any):
        super().__init__(task_names, path, seed, dtype="float32", **kwargs)

    def add_dense(self, name: str, inputs: int, outputs: int, draw: Draw = _KERNEL) -> None:
        """Create a dense layer's kernel [I, O], as drawn, and bias [O], zero."""
        self.add_shared(f"{name}_kernel", (inputs, outputs), draw)
        self.add_shared(f"{name}_bias", (outputs,), constant(0.0))

    def dense(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        """Run a dense layer.

        Args:
            name: As it was added.
            inputs: float32 [I] or [B, I].

        Returns:
            float32 [O] or [B, O].
        """
        shared = self.shared
        return tf.tensordot(inputs, shared[f"{name}_kernel"], 1) + shared[f"{name}_bias"]

    def add_projection(self, inputs: int, widths: tuple[int, int]) -> None:
        """Create the two-layer network that projects embeddings."""
        self.add_dense("hidden", inputs, widths[0])
        self.add_dense("projected", *widths)

    def project(self, embedding: tf.Tensor) -> tf.Tensor:
        """Project an embedding, float32 [E] or [B, E]."""
        return self.dense("projected", tf.nn.relu(self.dense("hidden", embedding)))


class TaskEmbeddings(SharedNetwork):
    """The embeddings of all tasks: the only bank of a hypernetwork.

    Embeddings that don't train are in the bank all the same, with no gradient, so that a task's
    folder holds all that the task needs.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Of the bank.
        seed: Of the initial embeddings, N(0, 1).
        source: `learned`, `fixed`, or the path of an .npz file.
        width: E.
        projection: Hidden and projected width of the network after it; None for none.
    """

    def __init__(
        self,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        source: str,
        width: int,
        projection: tuple[int, int] | None,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.source, self.embedding_width, self.projection = source, width, projection

    @property
    def width(self) -> int:
        """The width of what `embed` returns."""
        return self.projection[1] if self.projection else self.embedding_width

    def build(self, input_shape: tf.TensorShape | None) -> None:
        """Create the bank, and the network if there is one."""
        bank = self.add_bank("embedding", (self.embedding_width,), normal(1.0))
        if self.source not in ("learned", "fixed"):
            vectors = look_up_tasks(self.name, self.source, self.task_names, self.embedding_width)
            bank.assign(vectors)
        if self.projection:
            self.add_projection(self.embedding_width, self.projection)
        super().build(input_shape)

    def embed(self) -> tf.Tensor:
        """Read the routed task's embedding, float32 [E]; routed by example, [B, E]."""
        embedding = _hold(select_row(self.embedding))
        if self.source != "learned":
            embedding = tf.stop_gradient(embedding)
        return self.project(embedding) if self.projection else embedding


class SiteEmbeddings(SharedNetwork):
    """Embeddings of a stack's blocks, and kinds of sublayer, and their network.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Of the network.
        seed: Of the initial weights; embeddings are drawn from N(0, 1).
        blocks: How many the stack has.
        kinds: How many kinds of sublayer have an embedding; 0 for none.
        width: E of each.
        projection: Hidden and projected width of the network.
    """

    def __init__(
        self,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        blocks: int,
        kinds: int,
        width: int,
        projection: tuple[int, int],
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.blocks, self.kinds, self.width, self.projection = blocks, kinds, width, projection

    def build(self, input_shape: tf.TensorShape | None) -> None:
        """Create the embeddings, the network and the norm after it."""
        self.add_shared("layer_embedding", (self.blocks, self.width), normal(1.0))
        if self.kinds:
            self.add_shared("kind_embedding", (self.kinds, self.width), normal(1.0))
        self.add_projection(self.width * (3 if self.kinds else 2), self.projection)
        self.add_shared("norm_gamma", self.projection[1:], constant(1.0))
        self.add_shared("norm_beta", self.projection[1:], constant(0.0))
        super().build(input_shape)

    def embed(self, task: tf.Tensor, block: int, kind: int) -> tf.Tensor:
        """Project the embeddings of a task and a place together.

        Args:
            task: float32 [E] or [B, E].
            block: Number of the block in the stack.
            kind: Number of the kind of sublayer; not read where kinds have no embedding.

        Returns:
            float32 [E'] or [B, E'], normalised.
        """
        shared = self.shared
        # Slices, not gathers: their gradients are dense.
        places = [shared["layer_embedding"][block]]
        if self.kinds:
            places.append(shared["kind_embedding"][kind])
        parts = [task, *(tf.broadcast_to(place, tf.shape(task)) for place in places)]
        projected = self.project(tf.concat(parts, axis=-1))
        return normalize(projected, shared["norm_gamma"], shared["norm_beta"], SITE_NORM_EPSILON)


class WeightGenerator(SharedNetwork):
    """Turns an embedding z into an adapter's weights, each by a layer of its own.

    linear: w = z A + c. two_layer: the same with a factored A, and no activation between, as
    published. bilinear: w = z A, without a part that all tasks share; of biases A starts at zero.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Of the network.
        seed: Of the initial weights.
        inputs: E.
        shapes: What to generate, by name.
        form: One of `FORMS`.
        hidden: Width between two layers.
    """

    def __init__(
        self,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        inputs: int,
        shapes: dict[str, tuple[int, ...]],
        form: str,
        hidden: int,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.inputs, self.shapes, self.form, self.hidden = inputs, dict(shapes), form, hidden

    def build(self, input_shape: tf.TensorShape | None) -> None:
        """Create a layer, or two, for every weight."""
        for name, shape in self.shapes.items():
            outputs = math.prod(shape)
            if self.form == "linear":
                self.add_dense(name, self.inputs, outputs)
            elif self.form == "two_layer":
                self.add_dense(f"{name}_hidden", self.inputs, self.hidden)
                self.add_dense(name, self.hidden, outputs)
            else:
                draw = normal(KERNEL_DEVIATION) if len(shape) > 1 else constant(0.0)
                self.add_shared(f"{name}_kernel", (self.inputs, outputs), draw)
        super().build(input_shape)

    def generate(self, embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        """Generate an adapter's weights.

        Args:
            embedding: float32 [E] or [B, E].

        Returns:
            By name, float32 of the shapes asked for; routed by example, [B, …].
        """
        leading = tf.shape(embedding)[:-1]
        return {
            name: tf.reshape(self._flat(name, embedding), tf.concat([leading, shape], 0))
            for name, shape in self.shapes.items()
        }

    def _flat(self, name: str, embedding: tf.Tensor) -> tf.Tensor:
        if self.form == "bilinear":
            return tf.tensordot(embedding, self.shared[f"{name}_kernel"], 1)
        if self.form == "two_layer":
            embedding = self.dense(f"{name}_hidden", embedding)
        return self.dense(name, embedding)


def _hold(row: tf.Tensor) -> tf.Tensor:
    """Keep XLA from reading a task's row anew wherever it is used.

    A generator's gradient is the outer product of its own output's and the row, which would be read
    within the generator's update, after the bank is written. A TPU's compiler needs no help.
    """
    task = routed_task()
    if task is None or tf.executing_eagerly() or is_for_tpu() or is_routed_by_example():
        return row
    return hold_rows([row], task)[0]


def without_embeddings_file(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take task embeddings out of a file for fixed ones, in settings that differ from defaults."""
    if settings.get("task_embeddings", "learned") == "learned":
        return settings
    return {**settings, "task_embeddings": "fixed"}


def look_up_tasks(method: str, source: str, task_names: tuple[str, ...], width: int) -> np.ndarray:
    """Read task embeddings from a file.

    Args:
        method: Whose setting it is.
        source: Path of an .npz file with `names` [K'] and `vectors` [K', E].
        task_names: The tasks to look up.
        width: E.

    Returns:
        float32 [K, E], in the tasks' order.

    Raises:
        ConfigurationError: The file is missing or is none, has other widths, or lacks a task.
    """
    if not Path(source).is_file():
        valid = ("learned", "fixed")
        raise ConfigurationError(
            f"{method} task_embeddings {source!r} is no file; {suggest(source, valid)}"
        )
    names, vectors_KE = read_embeddings(source)
    if vectors_KE.shape[-1] != width:
        raise ConfigurationError(
            f"{source} holds vectors of {vectors_KE.shape[-1]} units, and task_embedding_width is "
            f"{width}; say `task_embedding_width: {vectors_KE.shape[-1]}`"
        )
    return find_embeddings(source, names, vectors_KE, task_names)
