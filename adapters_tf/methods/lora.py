"""LoRA: a low-rank change of chosen projections (Hu et al. 2021, arXiv 2106.09685).

    y = x W + s · dropout(x) A B,    s = alpha / rank, or alpha / √rank (rank-stabilised)

A is drawn uniformly, B starts at zero. Rank-stabilised scaling: Kalajdzievski 2023, arXiv
2312.03732. DoRA (Liu et al. 2024, arXiv 2402.09353) learns the length m of every output's weight
vector apart from its direction:

    y = (x (W + s A B)) · m / ‖W + s A B‖,    the norm over inputs, taken as a constant

Shape letters: B batch, S sequence length, I inputs, O outputs, R rank, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import STACKS, Site, check_choices, projection_sites
from adapters_tf.banks.injection import AdaptedLayer, inject
from adapters_tf.banks.routing import is_routed_by_example, select_row, task_matmul, task_vector
from adapters_tf.banks.task_bank import TaskBank, constant, uniform
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.method import AdapterMethod, training_only

TARGETS = ("q", "k", "v", "o", "wi", "wo")


@dataclass(frozen=True)
class LoraConfig(AdapterMethod):
    """Settings of LoRA.

    Attributes:
        rank: R of the change.
        alpha: The change is scaled by alpha / rank.
        targets: The projections that change, out of q, k, v, o, wi and wo.
        stacks: The stacks whose projections change, out of encoder and decoder.
        dropout: Rate at the input of A in training.
        rank_stabilised: Whether to scale by alpha / √rank instead.
        dora: Whether the weights' lengths are learned apart (DoRA).
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = ("q", "v")
    stacks: tuple[str, ...] = STACKS
    dropout: float = training_only(0.0)
    rank_stabilised: bool = False
    dora: bool = False

    def __post_init__(self) -> None:
        check_choices("lora", "targets", self.targets, TARGETS)
        check_choices("lora", "stacks", self.stacks, STACKS)
        if self.rank < 1:
            raise ConfigurationError(f"lora rank must be 1 or more, got {self.rank}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigurationError(f"lora dropout must be from 0 to below 1, got {self.dropout}")

    @property
    def scaling(self) -> float:
        """What A B is multiplied by."""
        return self.alpha / (self.rank**0.5 if self.rank_stabilised else self.rank)

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every chosen projection a bank of low-rank changes; see `AdapterMethod`."""

        def make(site: Site) -> LoraBank:
            return LoraBank(self, task_names, site.path, seed, site.layer.kernel, name="lora")

        sites = projection_sites(backbone, self.targets, self.stacks)
        return inject(sites, make, AdaptedLayer, lambda site: site.layer.kernel.shape[0])


class LoraBank(TaskBank):
    """The low-rank changes of all tasks at one projection.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the projection.
        seed: Of the initial weights.
        kernel: [I, O], the projection's weights; DoRA starts from their lengths.
    """

    def __init__(
        self,
        config: LoraConfig,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        kernel: tf.Variable,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.config = config
        self.outputs = int(kernel.shape[1])
        self.lengths = np.linalg.norm(kernel.numpy(), axis=0) if config.dora else None
        self.dropout = tf_keras.layers.Dropout(config.dropout) if config.dropout else None

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the banks for inputs [B, S, I]."""
        inputs, rank = int(input_shape[-1]), self.config.rank
        # PyTorch's default for a linear layer, as the LoRA libraries draw A.
        self.add_bank("a", (inputs, rank), uniform(inputs**-0.5))
        self.add_bank("b", (rank, self.outputs), constant(0.0))
        if self.lengths is not None:
            self.add_bank("magnitude", (self.outputs,), constant(self.lengths))
        super().build(input_shape)

    def call(
        self, inputs: tf.Tensor, base: tf_keras.layers.Dense, training: bool | None = None
    ) -> tf.Tensor:
        """Run the projection with the routed task's change.

        Args:
            inputs: [B, S, I].
            base: The projection.
            training: Whether dropout is on.

        Returns:
            [B, S, O].
        """
        outputs = base(inputs)
        dropped = inputs if self.dropout is None else self.dropout(inputs, training=training)
        dropped = tf.cast(dropped, outputs.dtype)
        change = task_matmul(task_matmul(dropped, self.a), self.b) * self.config.scaling
        if not self.config.dora:
            return outputs + change
        lengths = self._changed_lengths(tf.stop_gradient(tf.cast(base.kernel, tf.float32)))
        scale = task_vector(self.magnitude, tf.float32) / tf.stop_gradient(lengths)
        return (outputs + change) * tf.cast(scale, outputs.dtype)

    def _changed_lengths(self, kernel_IO: tf.Tensor) -> tf.Tensor:
        """Measure ‖W + s A B‖ per output, without making A B: it would be one per example.

        ‖w + s A b‖² = ‖w‖² + 2 s (wᵀA) b + s² bᵀ(AᵀA) b
        """
        a, b = (tf.cast(select_row(bank), tf.float32) for bank in (self.a, self.b))
        b *= self.config.scaling
        across = tf.matmul(kernel_IO, a, transpose_a=True)  # [(B,) O, R]
        within = tf.matmul(a, a, transpose_a=True)  # [(B,) R, R]
        change = tf.einsum("...or,...ro->...o", across, b) * 2.0
        change += tf.einsum("...ro,...rq,...qo->...o", b, within, b)
        lengths = tf.sqrt(tf.reduce_sum(tf.square(kernel_IO), 0) + change)
        return lengths[:, None, :] if is_routed_by_example() else lengths
