"""What happens between steps: figures, validation, checkpoints, and a clean stop on a signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

import numpy as np
import tf_keras

from trainer.checkpoints import RunCheckpoints
from trainer.run_folder import MetricsLog

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


class Figures(StepCallback):
    """Prints and logs training losses per task, and the speed."""

    def __init__(self, log: MetricsLog, report: Report, *steps: int):
        super().__init__(*steps)
        self.log, self.report = log, report
        self.started = self.since = time.monotonic()
        self.previous = self.first_step

    def act(self, step: int) -> None:
        """Read the losses since the last time."""
        losses_K, tokens_K = self.model.task_losses.read()
        now = time.monotonic()
        seconds, steps = now - self.since, step - self.previous
        names = self.model.task_model.task_names
        figures = {
            f"{name}/loss": float(loss / tokens)
            for name, loss, tokens in zip(names, losses_K, tokens_K, strict=True)
            if tokens
        }
        total = float(np.sum(losses_K) / max(np.sum(tokens_K), 1.0))
        rate = steps / seconds
        self.log.write(
            "train",
            step,
            {
                "loss": total,
                **figures,
                "steps_per_second": rate,
                "target_tokens_per_second": float(np.sum(tokens_K)) / seconds,
            },
        )
        parts = " ".join(f"{name.removesuffix('/loss')} {figures[name]:.3f}" for name in figures)
        left = (self.last_step - step) * (now - self.started) / (step - self.first_step)
        self.report(
            f"step {step}/{self.last_step}  loss {total:.3f}  ({parts})  "
            f"{rate:.1f} steps/s  {format_seconds(left)} left"
        )
        self.since, self.previous = now, step


def format_seconds(seconds: float) -> str:
    """Write a duration as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Validation(StepCallback):
    """Validates, logs the figures, and keeps the best checkpoint."""

    def __init__(
        self,
        validate: Callable[[], dict[str, float]],
        checkpoints: RunCheckpoints,
        metric: str,
        log: MetricsLog,
        report: Report,
        *steps: int,
    ):
        super().__init__(*steps)
        self.validate, self.checkpoints, self.metric = validate, checkpoints, metric
        self.log, self.report = log, report

    def act(self, step: int) -> None:
        """Validate now."""
        figures = self.validate()
        self.log.write("validation", step, figures)
        is_best = self.checkpoints.save_if_best(step, self.metric, figures[self.metric])
        shown = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self.report(f"validation at step {step}{' (best)' if is_best else ''}: {shown}")


class Checkpoints(StepCallback):
    """Saves every so many steps, and at once when the program is told to stop."""

    def __init__(self, checkpoints: RunCheckpoints, report: Report, *steps: int):
        super().__init__(*steps)
        self.checkpoints, self.report = checkpoints, report
        self.stop_signal: str | None = None
        self.previous: dict[int, object] = {}

    def on_train_begin(self, logs=None) -> None:
        """Listen for SIGTERM and Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.previous[number] = signal.signal(number, self._on_signal)

    def on_train_end(self, logs=None) -> None:
        """Stop listening."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = signal.Signals(number).name
        # A second Ctrl-C ends the program at once.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Save when due, or when a signal came."""
        super().on_train_batch_end(batch, logs)
        if self.stop_signal:
            step = self.first_step + batch + 1
            self.checkpoints.save(step)
            self.model.stop_training = True
            self.report(f"{self.stop_signal}: saved at step {step}; the same command resumes")

    def act(self, step: int) -> None:
        """Save now."""
        self.checkpoints.save(step)
