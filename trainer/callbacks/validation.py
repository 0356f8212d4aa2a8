"""Validation between steps, and the best checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

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
        # What goes wrong in a validation must not cost the steps before it.
        self.checkpoints.save(step)
        figures = self.validate()
        odd = self._not_finite(figures)
        # In this order: a kill between the two repeats the validation, and no best one is missed.
        is_best = odd is None and self.checkpoints.save_if_best(
            step, self.metric, figures[self.metric], figures.get("loss", math.inf)
        )
        self.log.write("validation", step, figures)
        first, *tasks = _lines_of(figures)
        self.report(f"validation at step {step}{' (best)' if is_best else ''}: {first}")
        for line in tasks:
            self.report(f"  {line}")
        if odd is not None:
            self.report(f"{odd} is {figures[odd]} at step {step}: no best checkpoint of it")

    def _not_finite(self, figures: Mapping[str, float]) -> str | None:
        """Name the figure for which no best checkpoint can be made of these.

        Answers that were read off scores which are no numbers are answers all the same, and may
        even be right; the loss of the same tasks tells.
        """
        task, slash, _ = self.metric.rpartition("/")
        names = (self.metric, f"{task}{slash}loss")
        return next((name for name in names if not math.isfinite(figures.get(name, 0.0))), None)

    def on_train_begin(self, logs: Any = None) -> None:
        """Make up for what a stop came in the way of."""
        self.catch_up()

    def catch_up(self) -> None:
        """Validate now if that was due at the steps done before, and something ended it."""
        first, last, every = self.span.first, self.span.last, self.span.every
        done = self.log.last_step("validation")
        if first // every > done // every or (first == last and done < last):
            self.act(first)


def _lines_of(figures: dict[str, float]) -> list[str]:
    """Write figures down: those of all tasks on a line, then those of each on one of its own."""
    by_task: dict[str, list[str]] = {"": []}
    for name, value in figures.items():
        task, _, metric = name.rpartition("/")
        by_task.setdefault(task, []).append(f"{metric} {value:.3f}")
    lines = {task: "  ".join(parts) for task, parts in by_task.items()}
    return [f"{task}: {line}" if task else line for task, line in lines.items()]
