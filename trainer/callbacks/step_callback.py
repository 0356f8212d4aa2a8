"""What happens between steps: figures, validation, checkpoints, and a clean stop on a signal."""

from __future__ import annotations

from collections.abc import Callable

import tf_keras

Report = Callable[[str], None]


class StepCallback(tf_keras.callbacks.Callback):
    """Counts steps over the whole run, and acts every so many.

    Args:
        first_step: Steps done before this part of the run.
        last_step: Steps of the whole run.
        every: Steps between actions; the last step always acts.
    """

    # Reading Keras's logs would wait for the device after every step.
    _supports_tf_logs = True

    def __init__(self, first_step: int, last_step: int, every: int):
        super().__init__()
        self.first_step, self.last_step, self.every = first_step, last_step, every
        self.acted = first_step

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Act when an action is due; `batch` counts from 0 in this part of the run."""
        step = self.first_step + batch + 1
        # One execution may run several steps and pass the exact multiple.
        if step // self.every > self.acted // self.every or step == self.last_step:
            self.acted = step
            self.act(step)

    def act(self, step: int) -> None:
        """Do what is due after so many steps."""
        raise NotImplementedError
