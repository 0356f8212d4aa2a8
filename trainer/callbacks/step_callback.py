"""Act every so many steps of the whole run, whatever part of it this is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tf_keras

from adapters_tf.backbone.keras_internals import ReadsNoLogs

Report = Callable[[str], None]


@dataclass(frozen=True)
class Span:
    """The steps of a part of a run, and how often something is done between them.

    Attributes:
        first: Steps done before this part of the run.
        last: Steps of the whole run.
        every: Steps between actions; the last step always acts.
    """

    first: int
    last: int
    every: int


class StepCallback(ReadsNoLogs, tf_keras.callbacks.Callback):
    """Counts steps over the whole run, and acts every so many.

    Args:
        span: Which steps, and how often.
    """

    def __init__(self, span: Span):
        super().__init__()
        self.span = span
        self.acted = span.first

    def step_after(self, batch: int) -> int:
        """Count the steps done after a batch, whose number is from 0 in this part of the run."""
        return self.span.first + batch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Act when an action is due; `batch` counts from 0 in this part of the run."""
        step, every = self.step_after(batch), self.span.every
        # One execution may run several steps and pass the exact multiple.
        if step // every > self.acted // every or step == self.span.last:
            self.acted = step
            self.act(step)

    def act(self, step: int) -> None:
        """Do what is due after so many steps."""
        raise NotImplementedError
