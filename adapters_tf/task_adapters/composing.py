"""Trained adapters in a backbone, frozen: one to stack another on, or the mean of several.

Stacking is that of MAD-X (Pfeiffer et al. 2020, arXiv 2005.00052): at every place the new adapter
reads what the frozen one leaves. The mean is AdapterHub's `Average`: of the adapters' outputs, not
of their weights, which is what `merge_tasks` takes.

Shape letters: B batch, S sequence length, D model width, N adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import Site
from adapters_tf.banks.injection import StackedSublayer, inject
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.trained.adapters import TrainedAdapters
from adapters_tf.methods.trained.folders import read_trained
from adapters_tf.methods.trained.frozen import FrozenBottlenecks, frozen_digest


class FrozenMean(tf_keras.layers.Layer):
    """The weighted mean of trained adapters' outputs at one sublayer; nothing here trains.

    Args:
        trained: The adapters.
        shares: One per adapter, with a sum of 1.
        path: Module path of the sublayer.
    """

    def __init__(self, trained: TrainedAdapters, shares: np.ndarray, path: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.shares = shares
        self.adapters = FrozenBottlenecks(trained.settings, trained.at(path), path, name="frozen")

    def call(self, outputs: tf.Tensor, inputs: tf.Tensor | None = None) -> tf.Tensor:
        """Change a sublayer's output by the mean of what the adapters change.

        Args:
            outputs: [B, S, D], the sublayer's output before dropout and the residual add.
            inputs: [B, S, D], what the sublayer was given; read by parallel adapters.

        Returns:
            [B, S, D], in the outputs' dtype.
        """
        changes_BSND = self.adapters(self.adapters.reads(outputs, inputs))
        shares_N = tf.constant(self.shares, outputs.dtype)
        return self.adapters.residual(outputs) + tf.einsum("bsnd,n->bsd", changes_BSND, shares_N)


def average_adapters(
    backbone: tf_keras.Model,
    of: str | Sequence[str],
    tasks: Sequence[str] = (),
    weights: Sequence[float] | None = None,
) -> tuple[str, ...]:
    """Put the mean of trained adapters' outputs into a backbone, for every task alike.

    Args:
        backbone: A built TFT5; it is changed.
        of: A run folder, a folder of task folders, or a task folder; or several of these.
        tasks: Names of the adapters; all by default.
        weights: One per name in `tasks`; equal ones by default.

    Returns:
        The adapters' names, in order.

    Raises:
        ConfigurationError: Unknown tasks, weights that cannot be, or adapters that cannot be
            composed.
        WeightsError: Folders without adapters, or adapters of another backbone.
    """
    trained = read_trained(of, tasks)
    if weights is not None and (len(weights) != len(tasks) or sum(weights) <= 0):
        raise ConfigurationError(
            f"{len(tasks)} named adapters need as many weights, with a sum above 0;"
            f" got {list(weights)}"
        )
    given = dict(zip(tasks, weights, strict=True)) if weights is not None else {}
    shares = np.array([given.get(task, 1.0) for task in trained.tasks])
    _put_in(backbone, trained, shares / shares.sum())
    return trained.tasks


def stack_adapter(backbone: tf_keras.Model, of: str | Sequence[str], task: str = "") -> None:
    """Put one trained adapter into a backbone, so that others may be trained on top of it.

    Args:
        backbone: A built TFT5; it is changed.
        of: A run folder, a folder of task folders, or a task folder.
        task: The adapter's name; needed where there are several.

    Raises:
        ConfigurationError: An unknown task, none where there are several, or an adapter that
            cannot be composed.
        WeightsError: A folder without adapters, or an adapter of another backbone.
    """
    trained = read_trained(of, (task,) if task else ())
    if len(trained.tasks) > 1:
        raise ConfigurationError(
            f"{of} has the adapters {', '.join(trained.tasks)}; name one to stack on"
        )
    _put_in(backbone, trained, np.ones(1))


def refuse_frozen(backbone: tf_keras.Model, target: str) -> None:
    """Refuse what would leave frozen adapters behind.

    Args:
        backbone: A TFT5.
        target: What is to hold its adapters.

    Raises:
        ConfigurationError: There are frozen adapters in it.
    """
    if frozen_digest(backbone) is not None:
        raise ConfigurationError(
            f"{target} has no place for the trained adapters that this model fuses or is stacked on"
        )


def _put_in(backbone: tf_keras.Model, trained: TrainedAdapters, shares: np.ndarray) -> None:
    trained.check(backbone)
    trained.assign_layer_norms(backbone)

    def make(site: Site) -> FrozenMean:
        return FrozenMean(trained, shares, site.path, name="frozen_mean")

    width = backbone.config.d_model
    inject(trained.settings.sites(backbone), make, StackedSublayer, lambda site: width)
