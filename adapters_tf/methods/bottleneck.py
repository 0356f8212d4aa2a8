"""Bottleneck adapters: a narrow two-layer network after, or beside, a sublayer.

Houlsby et al. 2019 (arXiv 1902.00751), in the per-task form published with HyperFormer
(Karimi Mahabadi et al. 2021, arXiv 2106.04489). On a sublayer's output `y`:

    z = [pre-norm](y);  out = up(activation(down(z)));  out = [post-norm](out);  result = y + out

Parallel adapters (He et al. 2022, arXiv 2110.04366) read the sublayer's input instead of `y`, and
scale `out`. Pfeiffer et al. 2020 (arXiv 2005.00052) keep the feed-forward's adapter only.

AdapterHub's definitions of the latter two read the residual stream `x` of T5's blocks, which
compute x + y: Pfeiffer's adapter x + y instead of `y`, and the parallel one x instead of the
sublayer's input, which is x after T5's layer norm.

Shape letters: B batch, S sequence length, D model width, R bottleneck, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import (
    STACKS,
    SUBLAYERS,
    Site,
    check_choices,
    leave_out_blocks,
    sublayer_sites,
)
from adapters_tf.banks.injection import AdaptedSublayer, inject, tap_residual_stream
from adapters_tf.banks.routing import task_dense, task_matmul, task_vector
from adapters_tf.banks.task_bank import TaskBank, constant, normal
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.method import AdapterMethod, training_only
from adapters_tf.methods.normalization import LayerNorm

NORM_EPSILON = 1e-5  # the mean-and-bias LayerNorm default of the published code
LEARNED = "learned"  # as a scaling
INITIAL_STANDARD_DEVIATION = 0.01  # of every adapter weight, as published; biases start at zero

ACTIVATIONS = {
    "relu": tf.nn.relu,
    "swish": tf.nn.silu,
    "gelu": tf.nn.gelu,
    "gelu_new": lambda x: tf.nn.gelu(x, approximate=True),
    "tanh": tf.nn.tanh,
    "linear": tf.identity,
}


@dataclass(frozen=True)
class BottleneckConfig(AdapterMethod):
    """Settings of the bottleneck adapter; the defaults are those published with HyperFormer.

    Attributes:
        reduction_factor: The bottleneck is model width // reduction_factor units wide.
        reduction_factors: Other factors for single blocks, by number of the block in its stack.
        activation: One of `ACTIVATIONS`.
        pre_norm: Whether a LayerNorm, shared by all tasks, comes before the down projection.
        post_norm: Whether a LayerNorm, shared by all tasks, comes after the up projection.
        placement: The sublayers that get an adapter, out of self_attention, cross_attention and
            feed_forward.
        stacks: The stacks that get adapters, out of encoder and decoder.
        leave_out: Numbers of the blocks that get none, in either stack (AdapterDrop: Rücklé et
            al. 2021, arXiv 2010.11918).
        parallel: Whether the adapter reads the sublayer's input rather than its output.
        scaling: What the adapter's output is multiplied by before it is added, or `learned`: a
            number of each task and sublayer that trains, from 1 (He et al. 2022, arXiv 2110.04366).
        residual: Whether the sublayer's output is added to the adapter's.
        dropout: Rate at the bottleneck in training.
        reads_residual_stream: Whether the adapter reads the residual stream: with the sublayer's
            output added, or before T5's layer norm if it is parallel.
    """

    reduction_factor: int = 32
    reduction_factors: Mapping[int, int] = field(default_factory=dict)
    activation: str = "swish"
    pre_norm: bool = False
    post_norm: bool = True
    placement: tuple[str, ...] = ("self_attention", "feed_forward")
    stacks: tuple[str, ...] = STACKS
    leave_out: tuple[int, ...] = ()
    parallel: bool = False
    scaling: float | str = 1.0
    residual: bool = True
    dropout: float = training_only(0.0)
    reads_residual_stream: bool = False

    def __post_init__(self) -> None:
        check_choices("bottleneck", "activation", (self.activation,), tuple(ACTIVATIONS))
        check_choices("bottleneck", "placement", self.placement, tuple(SUBLAYERS))
        check_choices("bottleneck", "stacks", self.stacks, STACKS)
        if isinstance(self.scaling, str) and not self.is_scaling_learned:
            raise ConfigurationError(
                f"scaling must be a number or {LEARNED!r}, got {self.scaling!r}"
            )
        for factor in (self.reduction_factor, *self.reduction_factors.values()):
            if factor < 1:
                raise ConfigurationError(f"reduction_factor must be 1 or more, got {factor}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigurationError(f"dropout must be from 0 to below 1, got {self.dropout}")

    @property
    def is_scaling_learned(self) -> bool:
        """Whether every adapter has a factor of its own that trains."""
        return self.scaling == LEARNED

    def width(self, model_width: int, block: int = 0) -> int:
        """Compute the bottleneck's width in units.

        Args:
            model_width: D, in units.
            block: Number of the block in its stack.

        Returns:
            R, at least 1.

        Raises:
            ConfigurationError: The reduction factor leaves no unit.
        """
        factor = self.reduction_factors.get(block, self.reduction_factor)
        if factor > model_width:
            raise ConfigurationError(
                f"reduction_factor {factor} leaves no unit of a model width of "
                f"{model_width}; choose {model_width} or less"
            )
        return model_width // factor

    def sites(self, backbone: tf_keras.Model) -> list[Site]:
        """Find the sublayers that get an adapter.

        Args:
            backbone: A built TFT5.

        Returns:
            Sites in the model's order.

        Raises:
            ConfigurationError: A block to leave out is not there, or no other one is.
        """
        sites = list(sublayer_sites(backbone, self.placement, self.stacks))
        return leave_out_blocks(sites, self.leave_out, "bottleneck")

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every chosen sublayer a bank of adapters; see `AdapterMethod`."""
        sites = self.sites(backbone)
        width = backbone.config.d_model

        def make(site: Site) -> BottleneckBank:
            width = self.width(backbone.config.d_model, site.block)
            return BottleneckBank(self, task_names, site.path, seed, width, name="adapter")

        banks = inject(sites, make, AdaptedSublayer, lambda site: width)
        if self.reads_residual_stream:
            tap_residual_stream(sites)
        return banks


class BottleneckBank(TaskBank):
    """The bottleneck adapters of all tasks at one sublayer.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the sublayer.
        seed: Of the initial weights.
        width: R, in units.
    """

    def __init__(
        self,
        config: BottleneckConfig,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        width: int,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.config, self.width = config, width
        self.activation = ACTIVATIONS[config.activation]
        self.pre_norm = self._make_norm("pre_norm") if config.pre_norm else None
        self.post_norm = self._make_norm("post_norm") if config.post_norm else None
        self.dropout = tf_keras.layers.Dropout(config.dropout) if config.dropout else None

    @staticmethod
    def _make_norm(name: str) -> tf_keras.layers.Layer:
        return LayerNorm(epsilon=NORM_EPSILON, name=name)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the banks for inputs [B, S, D]."""
        D, R = int(input_shape[-1]), self.width
        self.add_bank("down_kernel", (D, R), normal(INITIAL_STANDARD_DEVIATION))
        self.add_bank("down_bias", (R,), constant(0.0))
        self.add_bank("up_kernel", (R, D), normal(INITIAL_STANDARD_DEVIATION))
        self.add_bank("up_bias", (D,), constant(0.0))
        if self.config.is_scaling_learned:
            self.add_bank("scale", (1,), constant(1.0))
        for norm in (self.pre_norm, self.post_norm):
            if norm is not None:
                norm.build(input_shape)
        super().build(input_shape)

    @property
    def shared(self) -> dict[str, tf.Variable]:
        """The norms, which all tasks share, by name."""
        norms = {"pre_norm": self.pre_norm, "post_norm": self.post_norm}
        return {
            f"{name}.{weight}": getattr(norm, weight)
            for name, norm in norms.items()
            if norm is not None
            for weight in ("gamma", "beta")
        }

    def call(
        self, outputs: tf.Tensor, inputs: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        """Adapt a sublayer's output for the routed task.

        Args:
            outputs: [B, S, D], the sublayer's output before dropout and the residual add.
            inputs: [B, S, D], what the sublayer was given, or the residual stream before it; read
                by parallel adapters and by those of the residual stream.
            training: Whether dropout is on.

        Returns:
            [B, S, D], in the layer's compute dtype.
        """
        hidden = inputs if self.config.parallel else outputs
        if self.config.reads_residual_stream and not self.config.parallel:
            hidden = outputs + inputs
        if self.pre_norm is not None:
            hidden = self.pre_norm(hidden)
        hidden = tf.cast(hidden, outputs.dtype)
        hidden = self._transform(hidden, training)
        if self.post_norm is not None:
            hidden = self.post_norm(hidden)
        hidden = tf.cast(hidden, outputs.dtype)
        if self.config.is_scaling_learned:
            hidden *= task_vector(self.scale, hidden.dtype)
        elif self.config.scaling != 1.0:
            hidden *= self.config.scaling
        return outputs + hidden if self.config.residual else hidden

    def _transform(self, hidden: tf.Tensor, training: bool | None) -> tf.Tensor:
        down_bias = task_vector(self.down_bias, hidden.dtype)
        hidden = self.activation(task_matmul(hidden, self.down_kernel) + down_bias)
        if self.dropout is not None:
            hidden = self.dropout(hidden, training=training)
        return task_dense(hidden, self.up_kernel, self.up_bias)
