"""A bar that moves with every step, in a terminal, and lines that are not wider than it."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from adapters_tf.errors import wrap_lines
from trainer.batches.mixture_batches import MixtureBatches
from trainer.callbacks.step_callback import Span, StepCallback

# What a narrow terminal cuts off stands last.
_FORMAT = "{n_fmt}/{total_fmt} {bar:8} {remaining} left{postfix}"


def say(line: str, stream: TextIO | None = None) -> None:
    """Print lines: in a terminal above the bar, if there is one, and not wider than it.

    Args:
        line: One or more; whole where they go to a file. A word is never broken: it may be a path.
        stream: Where to; by default what the program prints to.
    """
    stream = stream or sys.stdout
    if stream.isatty():
        line = wrap_lines(line, shutil.get_terminal_size().columns)
        tqdm.write(line, file=stream)
    else:
        print(line, file=stream)
    stream.flush()


class ProgressCallback(StepCallback):
    """Moves a bar with every step.

    Args:
        first: Steps done before this part of the run.
        last: Steps of the whole run.
        task_at: Names what the step after so many is of.
        stream: The terminal.
    """

    def __init__(
        self, first: int, last: int, task_at: Callable[[int], str], stream: TextIO | None = None
    ):
        super().__init__(Span(first, last, 1))
        self.task_at, self.stream = task_at, stream
        self.figures = ""
        self.bar: tqdm[Any] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Draw it."""
        self.bar = tqdm(
            total=self.span.last,
            initial=self.span.first,
            bar_format=_FORMAT,
            dynamic_ncols=True,
            leave=False,
            smoothing=0,  # Keras starts steps ahead of the device: only the mean says something
            file=self.stream or sys.stdout,
        )

    def act(self, step: int) -> None:
        """Move it."""
        if self.bar is None:
            return
        task = self.task_at(min(step, self.span.last - 1))
        self.bar.set_postfix_str(f"{self.figures}{task}", refresh=False)
        self.bar.update(step - self.bar.n)

    def show(self, loss: float, tokens_per_second: float, share: float) -> None:
        """Take over figures, which are read from the device every so many steps.

        Args:
            loss: In nats per target token, over all tasks.
            tokens_per_second: Of inputs and targets, without padding.
            share: Of the positions, of those that hold a token.
        """
        self.figures = f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s ({share:.0%} real), "

    def on_train_end(self, logs: Any = None) -> None:
        """Take it away."""
        self.close()

    def close(self) -> None:
        """Take it away, where training ended otherwise too."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def task_of_step(schedule: np.ndarray, names: tuple[str, ...], per_step: int, step: int) -> str:
    """Name what a step is of.

    Args:
        schedule: int32, the task of every draw of the run.
        names: Of the tasks.
        per_step: Draws of a step.
        step: Its number, from 0.

    Returns:
        The task's name, or how many tasks there are in it.
    """
    tasks = np.unique(schedule[step * per_step : (step + 1) * per_step])
    return names[int(tasks[0])] if len(tasks) == 1 else f"{len(tasks)} tasks"


def make_bar(batches: MixtureBatches, first: int, last: int) -> ProgressCallback:
    """Make the bar of a terminal.

    Args:
        batches: Of the whole run.
        first: Steps done before this part of the run.
        last: Steps of the whole run.

    Returns:
        A callback.
    """
    per_step = batches.per_step * batches.draws
    task_at = functools.partial(task_of_step, batches.schedule, tuple(batches.names), per_step)
    return ProgressCallback(first, last, task_at)
