"""What a program is traced for: some arithmetic is fast on a TPU alone, some elsewhere alone.

Under TPUStrategy the answer is a TPU. Whoever compiles for a TPU that is not there, as the
preflight does, says so with `compiling_for_tpu`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

_is_asked_for: ContextVar[bool] = ContextVar("compiling_for_tpu", default=False)


@contextmanager
def compiling_for_tpu() -> Iterator[None]:
    """Trace the enclosed programs as under TPUStrategy."""
    token = _is_asked_for.set(True)
    try:
        yield
    finally:
        _is_asked_for.reset(token)


def is_for_tpu() -> bool:
    """Tell whether what is traced here runs on TPUs."""
    return _is_asked_for.get() or isinstance(
        tf.distribute.get_strategy(), tf.distribute.TPUStrategy
    )
