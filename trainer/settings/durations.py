"""Times of a run: given in steps, in epochs, or as a share of it; counted in steps."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from adapters_tf.runs.settings import ResolvedOptimizer, ResolvedRun, ResolvedTraining
from prep import UsageError
from trainer.settings.config import RunConfig, TrainingConfig
from trainer.settings.observing import PROFILE, read_range, split_range

# Settings that may be given so, by section, beside the run's own steps and those in LISTS.
DURATIONS: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("warmup_steps",),
    "training": (
        "log_every",
        "validate_every",
        "checkpoint_every",
        "max_skipped_steps",
        "patience",
    ),
}
STEPS, SCHEDULE_STEPS, PATIENCE = "training.steps", "optimizer.schedule_steps", "training.patience"
LISTS = (SCHEDULE_STEPS, PROFILE)  # of several times each
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
        value: Steps, or validations of `training.patience`; or a text such as `10%` or `0.5
            epochs`.

    Returns:
        The time.

    Raises:
        UsageError: A text that is none, or more than the whole run.
    """
    if isinstance(value, int):
        return Duration(value, "steps")
    found = _WORDS.fullmatch(value.strip())
    if not found:
        number = "validations such as 5" if name == PATIENCE else "steps such as 500"
        share = "" if name == STEPS else " a share of the run such as 10%,"
        raise UsageError(
            f"{name}: expected {number},{share} or epochs such as '0.5 epochs', found {value!r}"
        )
    duration = Duration(float(found[1]), "epochs" if found[2].lower().startswith("e") else "%")
    if duration.unit == "%" and duration.amount > 100:
        raise UsageError(f"{name} must be at most 100%, got {value}")
    return duration


def asked_durations(config: RunConfig) -> dict[str, Duration]:
    """Read the times of a run that are one each.

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


def asked_lists(config: RunConfig) -> dict[str, list[Duration]]:
    """Read the times of a run that are several: where schedules end, and a profile's range.

    Args:
        config: As the user wrote it.

    Returns:
        By setting of `LISTS`.

    Raises:
        UsageError: The first that is none.
    """
    ends, bounds = config.optimizer.schedule_steps, split_range(config.training.profile)
    listed = ends if isinstance(ends, list) else [ends]
    for end in listed:
        if isinstance(end, str) and not parse_duration(SCHEDULE_STEPS, end).amount:
            raise UsageError(f"{SCHEDULE_STEPS} must be above 0, got {end}")
    return {
        SCHEDULE_STEPS: [parse_duration(SCHEDULE_STEPS, end) for end in listed],
        PROFILE: [parse_duration(PROFILE, bound) for bound in bounds],
    }


def asked_epochs(training: TrainingConfig) -> float:
    """Read how long a run is where that is not given in steps.

    Args:
        training: As the user wrote it.

    Returns:
        Epochs of the task of `training.epochs_of`; 0 where steps are given.

    Raises:
        UsageError: A share of the run itself, or epochs given twice.
    """
    if isinstance(training.steps, int):
        return training.epochs
    duration = parse_duration(STEPS, training.steps)
    if duration.unit == "%":
        raise UsageError(
            f"{STEPS} {training.steps}: a run cannot be as long as a share of itself; expected "
            "steps such as 1000, or epochs such as '3 epochs'"
        )
    if training.epochs:
        raise UsageError(
            f"{STEPS} is {training.steps} and training.epochs {training.epochs:g}; leave one out"
        )
    if not duration.amount:
        raise UsageError(f"{STEPS} must be above 0, got {training.steps}")
    return duration.amount


def count_steps(duration: Duration, steps: int, epochs: float, is_within: bool = True) -> int:
    """Count a time in steps.

    Args:
        duration: The time.
        steps: Of the whole run.
        epochs: Of the task that they are counted by, in the whole run; 0 if it never comes up.
        is_within: Whether it ends with the run, but for one given in steps.

    Returns:
        Steps: a nought stays one, and what is more is at least one step.
    """
    if duration.unit == "steps" or not duration.amount:
        return int(duration.amount)
    if duration.unit == "%":
        counted = round(steps * duration.amount / 100)
    elif epochs:
        # So that n epochs of a run of m × n have m actions, however it is rounded.
        amount = min(duration.amount, epochs) if is_within else duration.amount
        counted = math.ceil(steps * amount / epochs - 1e-9)
    else:
        counted = steps
    return max(counted, 1)


def count_durations(config: RunConfig, run: ResolvedRun, epochs: float) -> dict[str, Any]:
    """Count all times of a run in steps.

    Args:
        config: As the user wrote it.
        run: Its settings; its steps are known.
        epochs: Of the task that they are counted by, in the whole run.

    Returns:
        By setting, what its config.yaml holds: steps, validations of `training.patience`, a list
        of `optimizer.schedule_steps` that is one, and of `training.profile` a text.

    Raises:
        UsageError: A profile that ends before it begins.
    """
    steps = run.training.steps
    asked = asked_durations(config)
    counted: dict[str, Any] = {
        name: count_steps(duration, steps, epochs) for name, duration in asked.items()
    }
    if asked[PATIENCE].unit != "steps":
        every = counted["training.validate_every"] or steps
        counted[PATIENCE] = -(-counted[PATIENCE] // every)
    lists = asked_lists(config)
    ends = [count_steps(one, steps, epochs, is_within=False) for one in lists[SCHEDULE_STEPS]]
    is_list = isinstance(config.optimizer.schedule_steps, list)
    counted[SCHEDULE_STEPS] = ends if is_list else ends[0]
    counted[PROFILE] = "-".join(str(count_steps(one, steps, epochs)) for one in lists[PROFILE])
    if counted[PROFILE] and read_range(counted[PROFILE]) is None:
        raise UsageError(
            f"{PROFILE}: {config.training.profile} is steps {counted[PROFILE]} of {steps}, which "
            "end before they begin"
        )
    return counted


def with_durations(run: ResolvedRun, counted: Mapping[str, Any]) -> ResolvedRun:
    """Put times that were counted into a run's settings.

    Args:
        run: The settings.
        counted: From `count_durations`.

    Returns:
        A changed copy.
    """
    optimizer, training = dict(vars(run.optimizer)), dict(vars(run.training))
    for setting, value in counted.items():
        section, _, name = setting.partition(".")
        (optimizer if section == "optimizer" else training)[name] = value
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
    asked = {name: [duration] for name, duration in asked_durations(config).items()}
    if isinstance(config.training.steps, str):
        asked = {STEPS: [parse_duration(STEPS, config.training.steps)], **asked}
    for setting, durations in {**asked, **asked_lists(config)}.items():
        if all(duration.unit == "steps" for duration in durations):
            continue
        section, _, name = setting.partition(".")
        counted = getattr(getattr(settings, section), name)
        given = getattr(getattr(config, section), name)
        kept = ", as the run began" * (name == "warmup_steps" and not is_new)
        parts.append(f"{setting} {_listed(given)} is {_counted(setting, counted)}{kept}")
    return ["; ".join(parts)] if parts else []


def _counted(setting: str, counted: Any) -> str:
    if not isinstance(counted, int):
        return f"steps {_listed(counted)}"
    unit = "validation" if setting == PATIENCE else "step"
    return f"{counted:,} {unit}{'s' * (counted != 1)}"


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
