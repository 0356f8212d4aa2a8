"""Training stops where too many steps in a row cannot be taken."""

from __future__ import annotations

from prep import DataError
from trainer.callbacks.step_callback import Span, StepCallback
from trainer.run.checkpoints import RunCheckpoints


class NotFiniteError(DataError):
    """Too many steps in a row had a loss or a gradient that is not finite."""


class SkippedStepsCallback(StepCallback):
    """Ends the run where too many steps in a row were skipped.

    Args:
        span: Which steps, and how often the device is asked.
        checkpoints: Of the run.
    """

    def __init__(self, span: Span, checkpoints: RunCheckpoints):
        super().__init__(span)
        self.checkpoints = checkpoints

    def act(self, step: int) -> None:
        """Look whether it has come to that.

        Raises:
            NotFiniteError: It has; with the steps, the tasks, and the last whole checkpoint.
        """
        skipped = self.model.skipped_steps
        row = skipped.read_row()
        if row is None:
            return
        names = self.model.task_model.task_names
        tasks = [name for name, steps in zip(names, row.by_task, strict=True) if steps]
        first = step - row.steps + 1
        path = self.checkpoints.last.latest_checkpoint
        last_whole = f"the last whole checkpoint is {path}" if path else "there is no checkpoint"
        raise NotFiniteError(
            f"steps {first} to {first + skipped.most - 1} were all skipped, of {', '.join(tasks)}: "
            f"loss or gradient not finite; {last_whole}. Look at the data of these tasks, or begin "
            "another --run with a lower optimizer.learning_rate or training.precision float32; a "
            "higher training.max_skipped_steps goes on past them"
        )
