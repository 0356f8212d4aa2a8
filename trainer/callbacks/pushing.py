"""A run folder in a bucket is brought up to date between steps, and at the end of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import tf_keras

from adapters_tf.backbone.keras_internals import ReadsNoLogs

EVERY = 1.0  # seconds between looks at what has changed


class PushCallback(ReadsNoLogs, tf_keras.callbacks.Callback):
    """Sends what the other callbacks have written; it comes after them.

    Args:
        push: Sends what has changed.
    """

    def __init__(self, push: Callable[[], object]):
        super().__init__()
        self.push, self._looked = push, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at most once a second."""
        if time.monotonic() - self._looked >= EVERY:
            self.push()
            self._looked = time.monotonic()
