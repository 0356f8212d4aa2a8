"""TensorFlow's graph optimizer, Grappler, where it is not worth its time.

On a CPU the first step of a t5-small with adapters takes 10 CPU seconds with it and 5 without, and
those after it take the same time; decoding's loops are the faster for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

_OFF = "disable_meta_optimizer"


@contextmanager
def graph_optimizer(*, is_on: bool) -> Iterator[None]:
    """Switch it for the functions that are called within, in this thread; then put it back.

    A function called under both settings is there twice.

    Args:
        is_on: Whether it optimizes.
    """
    was_off = tf.config.optimizer.get_experimental_options().get(_OFF, False)
    tf.config.optimizer.set_experimental_options({_OFF: not is_on})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OFF: was_off})


def helps_steps(*, is_compiled: bool) -> bool:
    """Tell whether training steps are to have it; beside CPUs nothing was measured.

    Args:
        is_compiled: Whether XLA compiles the steps.
    """
    kinds = {device.device_type for device in tf.config.list_logical_devices()}
    return is_compiled or kinds != {"CPU"}
