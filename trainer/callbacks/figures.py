"""Training losses per task, the speed and the padding, printed and logged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from trainer.callbacks.progress import ProgressCallback
from trainer.callbacks.step_callback import Report, Span, StepCallback
from trainer.run.metrics_log import MetricsLog


class FiguresCallback(StepCallback):
    """Prints and logs training losses and skipped steps per task, the speed and the padding.

    Args:
        span: Which steps, and how often.
        log: Of the run.
        report: Called with every line.
        bar: In a terminal, what shows the figures in place of lines.
        validated: Tells how many seconds validations have taken so far, which no speed counts.
    """

    def __init__(
        self,
        span: Span,
        log: MetricsLog,
        report: Report,
        bar: ProgressCallback | None = None,
        validated: Callable[[], float] = lambda: 0.0,
    ):
        super().__init__(span)
        self.log, self.report, self.bar = log, report, bar
        self.started = time.monotonic()
        self.validated, self.trained = validated, 0.0
        self.previous = span.first

    def act(self, step: int) -> None:
        """Read what came since the last time."""
        losses_K, tokens_K = self.model.task_losses.read()
        skipped_K = self.model.skipped_steps.read()
        real, positions = self.model.positions.read()
        now = time.monotonic()
        trained = now - self.started - self.validated()
        seconds, steps = trained - self.trained, step - self.previous
        names = self.model.task_model.task_names
        figures = {
            f"{name}/loss": float(loss / tokens)
            for name, loss, tokens in zip(names, losses_K, tokens_K, strict=True)
            if tokens
        }
        skipped = {name: int(n) for name, n in zip(names, skipped_K, strict=True) if n}
        total = float(np.sum(losses_K) / max(np.sum(tokens_K), 1.0))
        if skipped and not np.any(tokens_K):
            total = math.nan  # no step was taken
        rate, tokens_rate, share = steps / seconds, real / seconds, real / max(positions, 1.0)
        self.log.write(
            "train",
            step,
            {
                "loss": total,
                **figures,
                **{f"{name}/skipped_steps": number for name, number in skipped.items()},
                **self._balance(),
                **self._norms(),
                "steps_per_second": rate,
                "real_tokens_per_second": tokens_rate,
                "real_share": share,
            },
        )
        parts = " ".join(f"{name.removesuffix('/loss')} {figures[name]:.3f}" for name in figures)
        left = (self.span.last - step) * (now - self.started) / (step - self.span.first)
        if self.bar is not None:
            self.bar.show(total, tokens_rate, share)
        else:
            self.report(
                f"step {step}/{self.span.last}  loss {total:.3f}  ({parts})  "
                f"{rate:.1f} steps/s  {tokens_rate:,.0f} tokens/s ({share:.0%} real)  "
                f"{format_seconds(left)} left"
            )
        for name, number in skipped.items():
            plural = "s" if number > 1 else ""
            self.report(f"skipped {number} step{plural} of {name}: loss or gradient not finite")
        self.trained, self.previous = trained, step

    def _norms(self) -> dict[str, float]:
        """Read the last step's norms of gradients and updates, and those of the parameters."""
        norms = self.model.optimizer.norms
        return norms.read(self.model.task_model.trainable_variables) if norms else {}

    def _balance(self) -> dict[str, float]:
        """Read what the balancing method has learned of each task."""
        balancing, names = self.model.balancing, self.model.task_model.task_names
        learned = {} if balancing is None else balancing.learned_by_task()
        return {
            f"{task}/balancing_{name}": float(value)
            for name, value_K in learned.items()
            for task, value in zip(names, value_K.numpy(), strict=True)
        }


def format_seconds(seconds: float) -> str:
    """Write a duration as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
