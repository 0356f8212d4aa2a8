"""What several worker processes, which `TF_CONFIG` names, cannot be asked for."""

from __future__ import annotations

from adapters_tf.runs.sections import DistributionConfig
from adapters_tf.runtime.workers import VARIABLE, read_worker
from prep import UsageError


def check_workers(distribution: DistributionConfig) -> None:
    """Refuse what several workers cannot do.

    Args:
        distribution: What the run is spread over.

    Raises:
        UsageError: Naming it.
    """
    if read_worker() is None:
        return
    if distribution.kind == "tpu":
        raise UsageError(
            f"{VARIABLE} is set, and distribution.kind is tpu: a TPU's hosts are no workers of it; "
            "unset it to train on this host's TPU (docs/tpu.md)"
        )
    if distribution.logical_devices > 1:
        raise UsageError(
            f"{VARIABLE} is set: a worker is one replica, or one for each GPU; leave out "
            "distribution.logical_devices"
        )
