"""T5's own layer norms, their scales and shifts made from the task's embedding.

A task has an embedding only, as with the hypernetworks (`hypernetwork.py`); at each norm a linear
layer that all tasks share turns it into what is added to the norm. HyperFormer does so with the
norms of its adapters (`generate_norms` there; Karimi Mahabadi et al. 2021, arXiv 2106.04489). Here
the norms are T5's, which have no shift of their own:

    gamma_t = gamma + W_g e_t + b_g        y = gamma_t x / sqrt(mean(x²) + epsilon) + beta_t
    beta_t  =         W_b e_t + b_b

W and b start at zero, so that a norm starts as the backbone's. W moves with the first step, and
embeddings with the second.

Parameters of t5-base, with 62 norms, D = 768, E = 64 and 8 tasks: 62 · 2 (E + 1) D and 8 E,
6,190,592; without shifts 62 (E + 1) D and 8 E, 3,095,552.

Shape letters: B batch, S sequence length, D model width, E embedding, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import STACKS, Site, check_choices, norm_sites
from adapters_tf.banks.injection import AdaptedLayer, inject
from adapters_tf.banks.routing import align_vector
from adapters_tf.banks.task_bank import TaskBank, constant
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.generators import SharedNetwork, TaskEmbeddings, without_embeddings_file
from adapters_tf.methods.method import AdapterMethod, training_only
from adapters_tf.methods.normalization import scale_to_unit

NAME = "conditional_layer_norm"
# Beside a hypernetwork's embeddings, if there are any: `model.freeze` knows both by the first part.
TASKS_PATH = "task_embeddings.layer_norms"


@dataclass(frozen=True)
class ConditionalLayerNormConfig(AdapterMethod):
    """Settings of conditional layer norms.

    Attributes:
        task_embeddings: `learned`; `fixed`, as drawn; or the path of an .npz file with `names` [K']
            and `vectors` [K', E], which stay as they are.
        task_embedding_width: E.
        shift: Whether a task's norms have shifts too, which T5's have not.
        stacks: The stacks whose norms are conditional, out of encoder and decoder.
    """

    task_embeddings: str = training_only("learned")
    task_embedding_width: int = 64
    shift: bool = True
    stacks: tuple[str, ...] = STACKS

    def __post_init__(self) -> None:
        check_choices(NAME, "stacks", self.stacks, STACKS)
        if self.task_embedding_width < 1:
            raise ConfigurationError(
                f"{NAME} task_embedding_width must be 1 or more, got {self.task_embedding_width}"
            )

    @classmethod
    def without_files(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take embeddings out of a file for fixed ones, which a checkpoint brings."""
        return without_embeddings_file(settings)

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every norm a layer that reads the tasks' embeddings; see `AdapterMethod`."""
        tasks = TaskEmbeddings(
            task_names,
            TASKS_PATH,
            seed,
            source=self.task_embeddings,
            width=self.task_embedding_width,
            projection=None,
            name=NAME,
        )

        def make(site: Site) -> ConditionalNorm:
            return ConditionalNorm(task_names, site.path, seed, tasks, self.shift, name=NAME)

        sites = norm_sites(backbone, self.stacks)
        norms = inject(sites, make, AdaptedLayer, lambda site: backbone.config.d_model)
        if not norms:
            return {}
        with tf.name_scope(TASKS_PATH.replace(".", "/")):
            tasks.build(None)
        return {TASKS_PATH: tasks, **norms}


class ConditionalNorm(SharedNetwork):
    """What makes one norm's scale and shift of a task's embedding.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the norm.
        seed: Unused: everything starts at zero.
        tasks: The tasks' embeddings.
        shift: Whether there is a shift.
    """

    def __init__(
        self,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        tasks: TaskEmbeddings,
        shift: bool,
        **kwargs: Any,
    ):
        # The inputs come in their own dtype, for the outputs to have it too.
        super().__init__(task_names, path, seed, autocast=False, **kwargs)
        self.tasks, self.shift = tasks, shift

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create a linear layer, or two, for inputs [B, S, D]."""
        for part in ("gamma", "beta") if self.shift else ("gamma",):
            self.add_dense(part, self.tasks.width, int(input_shape[-1]), constant(0.0))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, base: tf_keras.layers.Layer) -> tf.Tensor:
        """Normalise with the routed task's scale and shift, in float32.

        Args:
            inputs: [B, S, D].
            base: The norm, for its scale and its epsilon.

        Returns:
            [B, S, D], in the inputs' dtype.
        """
        embedding = self.tasks.embed()
        gamma = tf.cast(base.weight, tf.float32) + self.dense("gamma", embedding)
        normal = scale_to_unit(tf.cast(inputs, tf.float32), base.variance_epsilon)
        outputs = align_vector(gamma) * normal
        if self.shift:
            outputs += align_vector(self.dense("beta", embedding))
        return tf.cast(outputs, inputs.dtype)
