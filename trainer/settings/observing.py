"""Who looks on: a profile of some steps, and Weights & Biases."""

from __future__ import annotations

import importlib.util

from prep import UsageError
from trainer.settings.config import RunConfig

WANDB = "wandb"
PROFILE = "training.profile"


def read_range(text: str) -> tuple[int, int] | None:
    """Read a range of steps.

    Args:
        text: Such as `100-110`.

    Returns:
        The first and the last, counted from 1; None if it is no such range.
    """
    first, dash, last = text.partition("-")
    if not (dash and first.strip().isdecimal() and last.strip().isdecimal()):
        return None
    found = int(first), int(last)
    return found if 1 <= found[0] <= found[1] else None


def split_range(text: str) -> list[int | str]:
    """Take a range apart whose bounds may be given in steps, as a share of the run or in epochs.

    Args:
        text: Such as `100-110` or `10%-11%`; empty for none.

    Returns:
        The first and the last, numbers where they are steps; nothing of an empty text.

    Raises:
        UsageError: It has no two bounds.
    """
    if not text:
        return []
    bounds = [bound.strip() for bound in text.split("-")]
    if len(bounds) != 2 or not all(bounds):
        raise UsageError(
            f"{PROFILE}: expected the first and the last step, such as 100-110 or 10%-11%, got "
            f"{text!r}"
        )
    return [int(bound) if bound.isdecimal() else bound for bound in bounds]


def check_observing(config: RunConfig) -> None:
    """Refuse a profile of no steps, and a service whose package is not here.

    Args:
        config: As the user wrote it.

    Raises:
        UsageError: Naming the setting.
    """
    training = config.training
    bounds = split_range(training.profile)
    is_in_steps = bounds and all(isinstance(bound, int) for bound in bounds)
    if is_in_steps and read_range(training.profile) is None:
        raise UsageError(
            f"{PROFILE}: expected the first and the last step, such as 100-110, got "
            f"{training.profile!r}"
        )
    if training.wandb and importlib.util.find_spec(WANDB) is None:
        raise UsageError(
            f"training.wandb needs the package {WANDB}, which is an extra: pip install "
            "'t5-task-adapters[wandb]'"
        )
