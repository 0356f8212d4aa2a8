"""What the doctor asks of TensorFlow, in a process of its own: `python -m trainer.doctor.probe`.

It writes down where it is before each thing that may hang or end the process.
"""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any


def tell(**facts: Any) -> None:
    """Write facts as a line of JSON, at once."""
    print(json.dumps(facts), flush=True)


def probe_devices(kind: str) -> None:
    """Load TensorFlow and transformers, choose devices as a run would, and add up on them.

    Args:
        kind: As `distribution.kind`.
    """
    tell(stage="tensorflow")
    import tensorflow as tf

    tell(version=tf.__version__, file=tf.__file__, stage="transformers")
    from transformers import TFT5ForConditionalGeneration  # noqa: F401

    from adapters_tf.runtime.strategy import has_tpu, make_strategy

    tell(stage="strategy", is_announced=has_tpu())
    strategy = make_strategy(kind)
    tell(
        stage="sum",
        strategy=type(strategy).__name__,
        replicas=strategy.num_replicas_in_sync,
        hosts=getattr(strategy.extended, "num_hosts", 1),
        devices=[device.name for device in tf.config.list_logical_devices()],
    )

    @tf.function
    def add_up() -> tf.Tensor:
        return strategy.run(_sum_of_ones)

    total = strategy.experimental_local_results(add_up())[0]
    tell(stage="done", total=float(total.numpy()))


def _sum_of_ones() -> Any:
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.reduce_sum(tf.ones([8, 8])))


def probe_bucket(address: str) -> None:
    """Read a dataset's manifest out of a bucket.

    Args:
        address: Of the dataset's folder.
    """
    tell(stage="tensorflow")
    from prep.dataset.manifest import load_manifest

    tell(stage="manifest")
    tell(tasks=list(load_manifest(address).tasks), stage="done")


def main(stage: str, argument: str) -> int:
    """Run one probe, telling an error as a fact.

    Args:
        stage: `devices` or `bucket`.
        argument: Of that stage.

    Returns:
        The exit code.
    """
    from prep.quiet import quiet_libraries

    quiet_libraries()
    try:
        {"devices": probe_devices, "bucket": probe_bucket}[stage](argument)
    except Exception as error:
        tell(error=str(error) or type(error).__name__, cause=str(error.__cause__ or ""))
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
