"""(IA)³: learned scales of keys, values and the feed-forward (Liu et al. 2022, arXiv 2205.05638).

    k ← l_k · k,    v ← l_v · v,    feed-forward: wo(l_ff · act(wi(x)))

All scales start at one.

Shape letters: B batch, S sequence length, I inputs, O outputs, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import STACKS, Site, check_choices, projection_sites
from adapters_tf.banks.injection import AdaptedLayer, inject
from adapters_tf.banks.routing import task_vector
from adapters_tf.banks.task_bank import TaskBank, constant
from adapters_tf.methods.method import AdapterMethod

TARGETS = ("q", "k", "v", "o", "wi", "wo")
SCALED_AT_THE_INPUT = ("wo",)


@dataclass(frozen=True)
class Ia3Config(AdapterMethod):
    """Settings of (IA)³; the defaults are the published ones.

    Attributes:
        targets: The projections that are scaled, out of q, k, v, o, wi and wo; wo at its input,
            the others at their output.
        stacks: The stacks whose projections are scaled, out of encoder and decoder.
    """

    targets: tuple[str, ...] = ("k", "v", "wo")
    stacks: tuple[str, ...] = STACKS

    def __post_init__(self) -> None:
        check_choices("ia3", "targets", self.targets, TARGETS)
        check_choices("ia3", "stacks", self.stacks, STACKS)

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every chosen projection a bank of scales; see `AdapterMethod`."""

        def make(site: Site) -> Ia3Bank:
            at_input = site.attribute in SCALED_AT_THE_INPUT
            return Ia3Bank(task_names, site.path, seed, at_input, name="ia3")

        def width(site: Site) -> int:
            return site.layer.kernel.shape[0 if site.attribute in SCALED_AT_THE_INPUT else 1]

        sites = projection_sites(backbone, self.targets, self.stacks)
        return inject(sites, make, AdaptedLayer, width)


class Ia3Bank(TaskBank):
    """The scales of all tasks at one projection.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the projection.
        seed: Unused.
        at_input: Whether the projection's input is scaled rather than its output.
    """

    def __init__(
        self, task_names: tuple[str, ...], path: str, seed: int, at_input: bool, **kwargs: Any
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.at_input = at_input

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the bank for what is scaled, [B, S, width]."""
        self.add_bank("scale", (int(input_shape[-1]),), constant(1.0))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, base: tf_keras.layers.Dense) -> tf.Tensor:
        """Run the projection with the routed task's scale.

        Args:
            inputs: [B, S, I].
            base: The projection.

        Returns:
            [B, S, O].
        """
        if self.at_input:
            return base(inputs * task_vector(self.scale, inputs.dtype))
        outputs = base(inputs)
        return outputs * task_vector(self.scale, outputs.dtype)
