"""Validation between steps, the best checkpoint, and the end of a run that gets no better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from trainer.callbacks.step_callback import Report, Span, StepCallback
from trainer.callbacks.validation_table import validation_table
from trainer.run.best_rows import score_tasks
from trainer.run.checkpoints import RunCheckpoints
from trainer.run.metrics_log import MetricsLog
from trainer.run.signals import StopRequested

KIND = "validation"  # of lines in the log


class ValidationCallback(StepCallback):
    """Validates, logs the figures, and keeps the best checkpoint.

    Args:
        span: Which steps, and how often.
        validate: Returns figures by name.
        checkpoints: Of the run.
        metric: The figure that the best checkpoint is best by.
        log: Of the run.
        report: Called with the lines of every validation.
        patience: After so many validations in a row without a new best one training stops; 0 for
            never.
        columns: How wide lines may be.
        averaged: Gives the model the weights to validate, while they are.
        part: What is validated, where that is not all examples; said with the figures.

    Attributes:
        was_left: Whether the program was told to stop during a validation.
        seconds: What validations have taken so far.
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
        patience: int = 0,
        columns: int = 80,
        averaged: Callable[[], AbstractContextManager[None]] = nullcontext,
        part: str = "",
    ):
        super().__init__(span)
        self.validate, self.checkpoints, self.metric = validate, checkpoints, metric
        self.log, self.report = log, report
        self.patience, self.columns, self.averaged = patience, columns, averaged
        self.part = f", {part}" * bool(part)
        self.was_left, self.seconds = False, 0.0

    def act(self, step: int) -> None:
        """Validate now, unless the program is told to stop meanwhile."""
        begun = time.monotonic()
        try:
            self._validate(step)
        except StopRequested as signal:
            self.was_left = True
            self.report(
                f"{signal}: the validation at step {step}, which is saved, was left; the same "
                "command makes up for it"
            )
        self.seconds += time.monotonic() - begun

    def _validate(self, step: int) -> None:
        # What goes wrong in a validation must not cost the steps before it.
        self.checkpoints.save(step)
        with self.averaged():
            figures = self.validate()
            # Before the log: a kill between the two repeats the validation, and no best is missed.
            said, problems = self._keep_best(step, figures)
        earlier = list(self.log.lines(KIND))
        self.log.write(KIND, step, figures)
        overall = "  ".join(f"{name} {figures[name]:.3f}" for name in figures if "/" not in name)
        self.report(f"validation at step {step}{said}{self.part}: {overall}")
        for line in validation_table(figures, earlier, step, self.columns):
            self.report(line)
        for line in problems:
            self.report(line)
        if step < self.span.last and self.is_over():
            self._say_over()
            self.model.stop_training = True

    def _say_over(self) -> None:
        self.report(
            f"no better in {self.patience} validation{'s' * (self.patience > 1)} since step "
            f"{self.checkpoints.best_step()}: training stops (training.patience)"
        )

    def is_over(self) -> bool:
        """Tell whether there have been so many validations since the best that training stops."""
        if not self.patience:
            return False
        best = self.checkpoints.best_step()
        return sum(line["step"] > best for line in self.log.lines(KIND)) >= self.patience

    def _keep_best(self, step: int, figures: dict[str, float]) -> tuple[str, list[str]]:
        """Keep what is best; say what that is, and of what nothing can be."""
        if self.checkpoints.rows is not None:
            scores = score_tasks(figures, self.metric)
            better = self.checkpoints.save_best_rows(step, scores)
            odd = ", ".join(task for task, score in scores.items() if not score.is_finite())
            problems = [f"{odd}: not finite at step {step}, no best row of it"] if odd else []
            if len(better) > 1:
                many = "every task" if len(better) == len(scores) else f"{len(better)} tasks"
                return f" (best of {many})", problems
            return "".join(f" (best of {task})" for task in better), problems
        name = self._not_finite(figures)
        if name is not None:
            return "", [f"{name} is {figures[name]} at step {step}: no best checkpoint of it"]
        is_best = self.checkpoints.save_if_best(
            step, self.metric, figures[self.metric], figures.get("loss", math.inf)
        )
        return " (best)" if is_best else "", []

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
        self.checkpoints.wait.signals.listen()
        self.catch_up()

    def catch_up(self) -> None:
        """Validate now if that was due at the steps done before, and something ended it."""
        first, last, every = self.span.first, self.span.last, self.span.every
        done = self.log.last_step(KIND)
        if first // every > done // every or (first == last and done < last):
            self.act(first)
        elif first < last and self.is_over():
            self._say_over()
