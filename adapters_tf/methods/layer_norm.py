"""T5's own layer norms, one set per task.

The scales of the norms are as small as an adapter and train as well as many (LN-tuning: Qi et al.
2022, arXiv 2211.08682; T5's norm has no bias and takes no mean: Raffel et al. 2020).

Shape letters: B batch, S sequence length, D model width, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import STACKS, Site, check_choices, norm_sites
from adapters_tf.banks.injection import AdaptedLayer, inject
from adapters_tf.banks.routing import task_vector
from adapters_tf.banks.task_bank import TaskBank, constant
from adapters_tf.methods.method import AdapterMethod
from adapters_tf.methods.normalization import scale_to_unit


@dataclass(frozen=True)
class LayerNormConfig(AdapterMethod):
    """Settings of layer-norm tuning.

    Attributes:
        stacks: The stacks whose norms are tuned, out of encoder and decoder.
    """

    stacks: tuple[str, ...] = STACKS

    def __post_init__(self) -> None:
        check_choices("layer_norm", "stacks", self.stacks, STACKS)

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every norm a bank that starts from the backbone's scales; see `AdapterMethod`."""

        def make(site: Site) -> LayerNormBank:
            start = site.layer.weight.numpy()
            return LayerNormBank(task_names, site.path, seed, start, name="task_norm")

        sites = norm_sites(backbone, self.stacks)
        return inject(sites, make, AdaptedLayer, lambda site: backbone.config.d_model)


class LayerNormBank(TaskBank):
    """The scales of all tasks at one norm.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the norm.
        seed: Unused.
        start: [D], what every task starts from.
    """

    def __init__(
        self, task_names: tuple[str, ...], path: str, seed: int, start: np.ndarray, **kwargs: Any
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.start = start

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the bank for inputs [B, S, D]."""
        self.add_bank("weight", (int(input_shape[-1]),), constant(self.start))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, base: tf_keras.layers.Layer) -> tf.Tensor:
        """Normalise with the routed task's scale.

        Args:
            inputs: [B, S, D].
            base: The norm, for its epsilon.

        Returns:
            [B, S, D].
        """
        normal = scale_to_unit(inputs, base.variance_epsilon)
        return task_vector(self.weight, inputs.dtype) * normal
