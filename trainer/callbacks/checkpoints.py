"""A checkpoint every so many steps, and at once when the program is told to stop."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from trainer.callbacks.step_callback import Report, Span, StepCallback
from trainer.run.checkpoints import RunCheckpoints


class CheckpointCallback(StepCallback):
    """Saves every so many steps, and at once when the program is told to stop.

    Args:
        span: Which steps, and how often.
        checkpoints: Of the run.
        report: Called with a line when a signal came.
    """

    def __init__(self, span: Span, checkpoints: RunCheckpoints, report: Report):
        super().__init__(span)
        self.checkpoints, self.report = checkpoints, report
        self.stop_signal: str | None = None
        self.previous: dict[int, object] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Listen for SIGTERM and Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.previous[number] = signal.signal(number, self._on_signal)

    def on_train_end(self, logs: Any = None) -> None:
        """Stop listening."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = signal.Signals(number).name
        # A second Ctrl-C ends the program at once.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save when due, or when a signal came."""
        super().on_train_batch_end(batch, logs)
        if self.stop_signal:
            step = self.step_after(batch)
            self.checkpoints.save(step)
            self.model.stop_training = True
            self.report(f"{self.stop_signal}: saved at step {step}; the same command resumes")

    def act(self, step: int) -> None:
        """Save now."""
        self.checkpoints.save(step)
