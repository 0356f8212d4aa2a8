"""AdapterFusion: attention over the outputs of trained, frozen adapters.

Pfeiffer et al. 2021 (arXiv 2005.00247), as AdapterHub's `BertFusion` computes it by default. At a
sublayer with the output y, adapter n of N makes the change c_n, and the target task's fusion:

    q = W_q y + b_q;  p = softmax_n(q · W_k c_n);  result = y + Σ_n p_n W_v c_n

W_q and W_k are drawn, W_v starts as the identity. Their `BertFusion` projects every c_n by W_k and
W_v; here the products are taken in another order, q · W_k c_n = W_kᵀq · c_n and
Σ p_n W_v c_n = W_v Σ p_n c_n, so each matrix meets one vector instead of N. Its key has a bias
too, which adds the same number to every score of a position, and which softmax ignores.

Shape letters: B batch, S sequence length, D model width, N adapters, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import Site
from adapters_tf.banks.injection import AdaptedSublayer, inject
from adapters_tf.banks.routing import select_row, task_matmul, task_vector
from adapters_tf.banks.task_bank import TaskBank, constant, normal
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.method import AdapterMethod, training_only
from adapters_tf.methods.trained.adapters import TrainedAdapters
from adapters_tf.methods.trained.folders import read_trained
from adapters_tf.methods.trained.frozen import FrozenBottlenecks

INITIAL_STANDARD_DEVIATION = 0.02  # of queries and keys, as published: BERT's
OFF_DIAGONAL = 1e-6  # of the first value matrix, as published


@dataclass(frozen=True)
class FusionConfig(AdapterMethod):
    """Settings of AdapterFusion; the defaults are AdapterHub's.

    Attributes:
        of: Whose adapters are fused: a run folder, a folder of task folders, or a task folder; or
            several of these.
        tasks: The adapters to fuse; all by default.
        value: Whether there is a value matrix; without it AdapterHub calls the fusion static.
        regularization: What ‖W_v − I‖² of the routed task, summed over the model, is multiplied
            by and added to the loss; 0 for none.
        dropout: Rate at the scores in training; None takes the backbone's.
    """

    is_built_on_trained: ClassVar[bool] = True

    # A digest of the fused adapters says better than their folder which ones they are.
    of: str | tuple[str, ...] = training_only("")
    tasks: tuple[str, ...] = training_only(())
    value: bool = True
    regularization: float = training_only(0.01)
    dropout: float | None = training_only(None)

    def __post_init__(self) -> None:
        if isinstance(self.tasks, str):
            raise ConfigurationError(
                f"fusion tasks must be a list such as [a, b], got {self.tasks!r}"
            )
        if not 0.0 <= (self.dropout or 0.0) < 1.0:
            raise ConfigurationError(
                f"fusion dropout must be from 0 to below 1, got {self.dropout}"
            )
        if self.regularization < 0.0:
            raise ConfigurationError(
                f"fusion regularization must be 0 or more, got {self.regularization}"
            )

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Put the trained adapters and a bank of fusions at their places; see `AdapterMethod`."""
        trained = read_trained(self.of, self.tasks)
        trained.check(backbone)
        trained.assign_layer_norms(backbone)
        rate = backbone.config.dropout_rate if self.dropout is None else self.dropout
        width = backbone.config.d_model

        def make(site: Site) -> FusionBank:
            return FusionBank(self, trained, rate, task_names, site.path, seed, name="fusion")

        return inject(trained.settings.sites(backbone), make, AdaptedSublayer, lambda site: width)


class FusionBank(TaskBank):
    """The fusions of all target tasks at one sublayer, and the adapters they fuse.

    Args:
        config: Its settings.
        trained: The adapters.
        rate: Of dropout at the scores.
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the sublayer.
        seed: Of the initial weights.
    """

    def __init__(
        self,
        config: FusionConfig,
        trained: TrainedAdapters,
        rate: float,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.config = config
        self.adapters = FrozenBottlenecks(trained.settings, trained.at(path), path, name="frozen")
        self.dropout = tf_keras.layers.Dropout(rate) if rate else None

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the banks for outputs [B, S, D]."""
        D = int(input_shape[-1])
        self.add_bank("query_kernel", (D, D), normal(INITIAL_STANDARD_DEVIATION))
        self.add_bank("query_bias", (D,), constant(0.0))
        # From a query to what it is compared with: the transpose of what projects a key.
        self.add_bank("key_kernel", (D, D), normal(INITIAL_STANDARD_DEVIATION))
        if self.config.value:
            near_identity = np.where(np.eye(D, dtype=bool), 1.0, OFF_DIAGONAL)
            self.add_bank("value_kernel", (D, D), constant(near_identity))
        super().build(input_shape)

    def call(
        self, outputs: tf.Tensor, inputs: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        """Fuse the adapters' changes for the routed task.

        Args:
            outputs: [B, S, D], the sublayer's output before dropout and the residual add.
            inputs: [B, S, D], what the sublayer was given; read where the adapters are parallel.
            training: Whether dropout is on, and the value matrix is held near the identity.

        Returns:
            [B, S, D], in the outputs' dtype.
        """
        reads_BSD = self.adapters.reads(outputs, inputs)
        changes_BSND = self.adapters(reads_BSD)
        shares_BSN = self._attend(reads_BSD, changes_BSND, training)
        fused_BSD = tf.einsum("bsn,bsnd->bsd", shares_BSN, changes_BSND)
        if self.config.value:
            fused_BSD = task_matmul(fused_BSD, self.value_kernel)
            if training and self.config.regularization:
                self.add_loss(self.config.regularization * self._distance_from_identity())
        return self.adapters.residual(outputs) + fused_BSD

    def _attend(
        self, reads_BSD: tf.Tensor, changes_BSND: tf.Tensor, training: bool | None
    ) -> tf.Tensor:
        bias = task_vector(self.query_bias, reads_BSD.dtype)
        query_BSD = task_matmul(reads_BSD, self.query_kernel) + bias
        query_BSD = task_matmul(query_BSD, self.key_kernel)
        scores_BSN = tf.einsum("bsd,bsnd->bsn", query_BSD, changes_BSND)
        if self.dropout is not None:
            scores_BSN = self.dropout(scores_BSN, training=training)
        shares_BSN = tf.nn.softmax(tf.cast(scores_BSN, tf.float32))
        return tf.cast(shares_BSN, reads_BSD.dtype)

    def _distance_from_identity(self) -> tf.Tensor:
        """Sum (W_v − I)² of the routed task; routed by example, the mean over examples."""
        value = tf.cast(select_row(self.value_kernel), tf.float32)
        squares = tf.square(value - tf.eye(value.shape[-1]))
        return tf.reduce_mean(tf.reduce_sum(squares, [-2, -1]))
