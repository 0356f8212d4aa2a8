"""A checkpoint every so many steps, and at once when the program is told to stop."""

from __future__ import annotations

import time
from typing import Any

from trainer.callbacks.step_callback import Report, Span, StepCallback
from trainer.run.checkpoints import RunCheckpoints

PROMPT = 10.0  # seconds from a signal to a saved run that need no explanation


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
        self._begun = time.monotonic()

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
        if step < self.span.last and (signal := self.signals.asked()):
            reached = time.monotonic()
            self.checkpoints.save(step)
            self.model.stop_training = True
            why = _name_delay(reached - self._begun, time.monotonic() - reached)
            self.report(f"{signal}: saved at step {step}{why}; the same command resumes")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note when a step begins: a signal waits for its end."""
        self._begun = time.monotonic()

    def act(self, step: int) -> None:
        """Save now."""
        self.checkpoints.save(step)


def _name_delay(step_seconds: float, write_seconds: float) -> str:
    """Say what held up a run that was told to stop, where it took long."""
    if step_seconds + write_seconds <= PROMPT:
        return ""
    return (
        f", up to {step_seconds + write_seconds:.0f} seconds late: {step_seconds:.0f} in "
        f"training.steps_per_execution steps and what was due after them, {write_seconds:.0f} to "
        "write"
    )
