"""One replica of several, as far as a step that is traced and never run can tell.

TensorFlow has no TPUStrategy where there is no TPU. A step asks its replica context for three
things, the number of replicas, its own, and sums over all of them, and this one answers.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops


class ExportedReplica(tf.distribute.ReplicaContext):
    """The first of several replicas, whose sums are XLA's.

    Args:
        replicas: How many there are.
    """

    def __init__(self, replicas: int):
        super().__init__(tf.distribute.get_strategy(), replica_id_in_sync_group=0)
        self._replicas = replicas

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._replicas

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Add up over all replicas; the trainer's steps ask for sums alone."""
        if reduce_op != tf.distribute.ReduceOp.SUM:
            raise NotImplementedError(f"only sums over replicas are exported, not {reduce_op}")
        if self._replicas == 1:
            return value
        group = [list(range(self._replicas))]
        return tf.nest.map_structure(
            lambda tensor: gen_xla_ops.xla_all_reduce(tensor, group, "Add", "CrossReplica"), value
        )
