"""Times of a run: given in steps, in epochs, or as a share of it; counted in steps."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

from adapters_tf.runs.settings import ResolvedOptimizer, ResolvedRun, ResolvedTraining
from prep import UsageError
from trainer.settings.config import RunConfig

# Settings that may be given so, by section.
DURATIONS: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("warmup_steps",),
    "training": ("log_every", "validate_every", "checkpoint_every"),
}
_WORDS = re.compile(r"(\d+|\d*\.\d+|\d+\.)\s*(%|per cent|percent|epochs?)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Duration:
    """A time as a person gives it.

    Attributes:
        amount: How many.
        unit: What is counted: `steps`, `epochs`, or `%` of the run.
    """

    amount: float
    unit: str


def parse_duration(name: str, value: int | str) -> Duration:
    """Read a time.

    Args:
        name: The setting, for messages.
        value: Steps; or a text such as `10%` or `0.5 epochs`.

    Returns:
        The time.

    Raises:
        UsageError: A text that is none, or more than the whole run.
    """
    if isinstance(value, int):
        return Duration(value, "steps")
    found = _WORDS.fullmatch(value.strip())
    if not found:
        raise UsageError(
            f"{name}: expected steps such as 500, a share of the run such as 10%, or epochs such "
            f"as '0.5 epochs', found {value!r}"
        )
    duration = Duration(float(found[1]), "epochs" if found[2].lower().startswith("e") else "%")
    if duration.unit == "%" and duration.amount > 100:
        raise UsageError(f"{name} must be at most 100%, got {value}")
    return duration


def asked_durations(config: RunConfig) -> dict[str, Duration]:
    """Read all times of a run.

    Args:
        config: As the user wrote it.

    Returns:
        By setting, such as `training.log_every`.

    Raises:
        UsageError: The first that is none.
    """
    return {
        f"{section}.{name}": parse_duration(
            f"{section}.{name}", getattr(getattr(config, section), name)
        )
        for section, names in DURATIONS.items()
        for name in names
    }


def count_steps(duration: Duration, steps: int, epochs: float) -> int:
    """Count a time in steps.

    Args:
        duration: The time.
        steps: Of the whole run.
        epochs: Of the task that they are counted by, in the whole run; 0 if it never comes up.

    Returns:
        Steps: a nought stays one, and what is more is at least one step, and, but for a time given
        in steps, at most the whole run.
    """
    if duration.unit == "steps" or not duration.amount:
        return int(duration.amount)
    if duration.unit == "%":
        counted = round(steps * duration.amount / 100)
    elif epochs:
        # So that n epochs of a run of m × n have m actions, however it is rounded.
        counted = math.ceil(min(steps * duration.amount / epochs, steps) - 1e-9)
    else:
        counted = steps
    return min(max(counted, 1), steps)


def with_durations(run: ResolvedRun, counted: Mapping[str, int]) -> ResolvedRun:
    """Put times that were counted into a run's settings.

    Args:
        run: The settings.
        counted: Steps by setting, such as `training.log_every`.

    Returns:
        A changed copy.
    """
    optimizer, training = dict(vars(run.optimizer)), dict(vars(run.training))
    for setting, steps in counted.items():
        section, _, name = setting.partition(".")
        (optimizer if section == "optimizer" else training)[name] = steps
    return dataclasses.replace(
        run, optimizer=ResolvedOptimizer(**optimizer), training=ResolvedTraining(**training)
    )


def describe_durations(config: RunConfig, settings: ResolvedRun, is_new: bool) -> list[str]:
    """Say how many steps the times are that were given otherwise.

    Args:
        config: As the user wrote it.
        settings: Of the run.
        is_new: Whether it begins; a run that goes on keeps its warm-up.

    Returns:
        A line, if there is such a time.
    """
    parts = []
    for setting, duration in asked_durations(config).items():
        if duration.unit == "steps":
            continue
        section, _, name = setting.partition(".")
        steps = getattr(getattr(settings, section), name)
        asked = getattr(getattr(config, section), name)
        kept = ", as the run began" * (name == "warmup_steps" and not is_new)
        parts.append(f"{setting} {asked} is {steps:,} step{'s' * (steps != 1)}{kept}")
    return ["; ".join(parts)] if parts else []
