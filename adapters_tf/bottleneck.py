"""Bottleneck adapters as a task bank: one tensor per weight, stacked over tasks.

Houlsby et al. 2019 (arXiv 1902.00751), in the per-task form published with HyperFormer
(Karimi Mahabadi et al. 2021, arXiv 2106.04489). On a sublayer's output `y`:

    z = [pre-norm](y);  out = up(activation(down(z)));  out = [post-norm](out);  result = y + out

Shape letters: B batch, S sequence length, D model width, R bottleneck, K tasks.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.routing import select_row

NORM_EPSILON = 1e-5  # the mean-and-bias LayerNorm default of the published code
INITIAL_STANDARD_DEVIATION = 0.01  # of every adapter weight, as published; biases start at zero

ACTIVATIONS = {
    "relu": tf.nn.relu,
    "swish": tf.nn.silu,
    "gelu": tf.nn.gelu,
    "gelu_new": lambda x: tf.nn.gelu(x, approximate=True),
}
PLACEMENTS = ("self_attention", "feed_forward")
STACKS = ("encoder", "decoder")


@dataclass(frozen=True)
class BottleneckConfig:
    """Settings of the bottleneck adapter; the defaults are the published ones.

    Args:
        reduction_factor: The bottleneck is model width // reduction_factor units wide.
        activation: One of `ACTIVATIONS`.
        pre_norm: Whether a LayerNorm, shared by all tasks, comes before the down projection.
        post_norm: Whether a LayerNorm, shared by all tasks, comes after the up projection.
        placement: The sublayers that get an adapter, out of `PLACEMENTS`.
        stacks: The stacks that get adapters, out of `STACKS`.
    """

    reduction_factor: int = 32
    activation: str = "swish"
    pre_norm: bool = False
    post_norm: bool = True
    placement: tuple[str, ...] = PLACEMENTS
    stacks: tuple[str, ...] = STACKS

    def __post_init__(self) -> None:
        for name, chosen, valid in (
            ("activation", (self.activation,), ACTIVATIONS),
            ("placement", self.placement, PLACEMENTS),
            ("stacks", self.stacks, STACKS),
        ):
            for value in chosen:
                if value not in valid:
                    raise ConfigurationError(
                        f"bottleneck {name} {value!r} is unknown; {suggest(value, valid)}"
                    )
        if self.reduction_factor < 1:
            raise ConfigurationError(
                f"reduction_factor must be 1 or more, got {self.reduction_factor}"
            )

    def width(self, model_width: int) -> int:
        """Compute the bottleneck's width in units.

        Args:
            model_width: D, in units.

        Returns:
            R, at least 1.

        Raises:
            ConfigurationError: The reduction factor leaves no unit.
        """
        if self.reduction_factor > model_width:
            raise ConfigurationError(
                f"reduction_factor {self.reduction_factor} leaves no unit of a model width of "
                f"{model_width}; choose {model_width} or less"
            )
        return model_width // self.reduction_factor


class TaskRowsNormal(tf_keras.initializers.Initializer):
    """Draw each task's row from N(0, 0.01) by its own name.

    A row depends on (seed, path, task name) alone, so the same task starts from the same weights
    whichever other tasks share the bank and in whatever order.
    """

    def __init__(self, seed: int, path: str, task_names: tuple[str, ...]):
        self.seed, self.path, self.task_names = seed, path, task_names

    def __call__(self, shape, dtype=None, **kwargs):
        """Draw the bank, shape [K, …]."""
        rows = [
            np.random.default_rng(
                [self.seed, zlib.crc32(self.path.encode()), zlib.crc32(task.encode())]
            ).normal(0.0, INITIAL_STANDARD_DEVIATION, shape[1:])
            for task in self.task_names
        ]
        return tf.constant(np.stack(rows), dtype or tf.float32)


class BottleneckBank(tf_keras.layers.Layer):
    """The bottleneck adapters of all tasks at one place in the model.

    Args:
        config: Its settings.
        task_names: One per bank row.
        path: The adapter's module path; with the seed it decides the initial weights.
        seed: Of the initial weights.
    """

    def __init__(
        self,
        config: BottleneckConfig,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config, self.task_names, self.path, self.seed = config, task_names, path, seed
        self.activation = ACTIVATIONS[config.activation]
        self.pre_norm = self._make_norm("pre_norm") if config.pre_norm else None
        self.post_norm = self._make_norm("post_norm") if config.post_norm else None

    @staticmethod
    def _make_norm(name: str) -> tf_keras.layers.Layer:
        return tf_keras.layers.LayerNormalization(epsilon=NORM_EPSILON, name=name)

    def build(self, input_shape) -> None:
        """Create the banks for inputs [B, S, D]."""
        D = int(input_shape[-1])
        R = self.config.width(D)
        self.down_kernel = self._add_kernel("down_kernel", (D, R))
        self.down_bias = self._add_bias("down_bias", R)
        self.up_kernel = self._add_kernel("up_kernel", (R, D))
        self.up_bias = self._add_bias("up_bias", D)
        for norm in (self.pre_norm, self.post_norm):
            if norm is not None:
                norm.build(input_shape)
        super().build(input_shape)

    def _add_kernel(self, name: str, shape: tuple[int, int]) -> tf.Variable:
        initializer = TaskRowsNormal(self.seed, f"{self.path}.{name}", self.task_names)
        return self.add_weight(name, (len(self.task_names), *shape), initializer=initializer)

    def _add_bias(self, name: str, width: int) -> tf.Variable:
        return self.add_weight(name, (len(self.task_names), width), initializer="zeros")

    @property
    def banks(self) -> dict[str, tf.Variable]:
        """The variables with one row per task, by name."""
        return {
            name: getattr(self, name)
            for name in ("down_kernel", "down_bias", "up_kernel", "up_bias")
        }

    @property
    def shared(self) -> dict[str, tf.Variable]:
        """The variables that all tasks share, by name."""
        norms = {"pre_norm": self.pre_norm, "post_norm": self.post_norm}
        return {
            f"{name}.{weight}": getattr(norm, weight)
            for name, norm in norms.items()
            if norm is not None
            for weight in ("gamma", "beta")
        }

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Adapt a sublayer's output for the routed task.

        Args:
            inputs: [B, S, D], the sublayer's output before dropout and the residual add.

        Returns:
            [B, S, D], in the layer's compute dtype.
        """
        hidden = self.pre_norm(inputs) if self.pre_norm is not None else inputs
        hidden = tf.cast(hidden, inputs.dtype)
        hidden = tf.tensordot(hidden, select_row(self.down_kernel), 1) + select_row(self.down_bias)
        hidden = self.activation(hidden)
        hidden = tf.tensordot(hidden, select_row(self.up_kernel), 1) + select_row(self.up_bias)
        if self.post_norm is not None:
            hidden = self.post_norm(hidden)
        return inputs + tf.cast(hidden, inputs.dtype)
