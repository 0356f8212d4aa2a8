"""TensorFlow's profile of some steps, for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.callbacks.step_callback import Span, StepCallback
from trainer.run.metrics_log import LOGS_FOLDER


class ProfileCallback(StepCallback):
    """Records what the devices do in a range of steps; a part of a run beyond it records nothing.

    Args:
        span: Of this part of the run.
        steps: The first and the last step that is recorded, counted from 1.
        folder: The run folder.
        report: Called with where the profile is.
    """

    def __init__(
        self, span: Span, steps: tuple[int, int], folder: Path, report: Callable[[str], None]
    ):
        super().__init__(span)
        self.steps, self.folder, self.report = steps, folder / LOGS_FOLDER, report
        self.is_recording = False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Begin before the first of the steps."""
        first, last = self.steps
        if not self.is_recording and first <= self.step_after(batch) <= last:
            tf.profiler.experimental.start(str(self.folder))
            self.is_recording = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """End after the last of them."""
        if self.is_recording and self.step_after(batch) >= self.steps[1]:
            self.end(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """End with the run."""
        if self.is_recording:
            self.end(logs)

    def end(self, logs: Any = None) -> None:
        """Write the profile; the device has done the steps when their losses are known."""
        if logs is not None:
            tf.nest.map_structure(float, logs)
        tf.profiler.experimental.stop()
        self.is_recording = False
        first, last = self.steps
        self.report(f"a profile of steps {first} to {last} is in {self.folder}, for TensorBoard")
