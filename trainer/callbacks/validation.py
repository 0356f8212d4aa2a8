"""Validation between steps, and the best checkpoint."""

from __future__ import annotations

from collections.abc import Callable

from trainer.callbacks.step_callback import Report, Span, StepCallback
from trainer.run.checkpoints import RunCheckpoints
from trainer.run.metrics_log import MetricsLog


class ValidationCallback(StepCallback):
    """Validates, logs the figures, and keeps the best checkpoint.

    Args:
        span: Which steps, and how often.
        validate: Returns figures by name.
        checkpoints: Of the run.
        metric: The figure that the best checkpoint is best by.
        log: Of the run.
        report: Called with a line for every validation.
    """

    def __init__(
        self,
        span: Span,
        validate: Callable[[], dict[str, float]],
        checkpoints: RunCheckpoints,
        *,
        metric: str,
        log: MetricsLog,
        report: Report,
    ):
        super().__init__(span)
        self.validate, self.checkpoints, self.metric = validate, checkpoints, metric
        self.log, self.report = log, report

    def act(self, step: int) -> None:
        """Validate now."""
        figures = self.validate()
        self.log.write("validation", step, figures)
        is_best = self.checkpoints.save_if_best(step, self.metric, figures[self.metric])
        shown = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self.report(f"validation at step {step}{' (best)' if is_best else ''}: {shown}")
