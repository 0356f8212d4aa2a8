"""Validation between steps, and the best checkpoint."""

from collections.abc import Callable

from trainer.callbacks.step_callback import Report, StepCallback
from trainer.run.checkpoints import RunCheckpoints
from trainer.run.metrics_log import MetricsLog


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
