"""A checkpoint every so many steps, and at once when the program is told to stop."""

from __future__ import annotations

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
        self.signals = checkpoints.wait.signals

    def on_train_begin(self, logs: Any = None) -> None:
        """Listen for requests to stop."""
        self.signals.listen()

    def on_train_end(self, logs: Any = None) -> None:
        """Stop listening."""
        self.signals.close()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save when due, or when a signal came; after the last step there is nothing to stop."""
        super().on_train_batch_end(batch, logs)
        step = self.step_after(batch)
        if self.signals.received and step < self.span.last:
            self.checkpoints.save(step)
            self.model.stop_training = True
            self.report(f"{self.signals.received}: saved at step {step}; the same command resumes")

    def act(self, step: int) -> None:
        """Save now."""
        self.checkpoints.save(step)
