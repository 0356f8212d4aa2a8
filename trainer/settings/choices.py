"""Settings that are one of a few words, told before TensorFlow loads."""

from __future__ import annotations

from operator import attrgetter

from adapters_tf.runs.settings import ResolvedRun
from prep.errors import nearest
from trainer.settings.config import RunConfig

# The words that the modules take which these settings are for; a test holds them together.
CHOICES = {
    "model.dropout": ("shared_along_length", "per_unit"),
    "model.frozen_dtype": ("float32", "bfloat16"),
    "data.lengths": ("one", "per_task"),
    "data.mixture": ("proportional", "equal", "weights", "unimax", "round"),
    "data.routing": ("batch", "example"),
    "optimizer.name": ("adamw", "adafactor", "lion"),
    "optimizer.schedule": (
        "constant",
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "inverse_square_root",
    ),
    "heads.pooling": ("mean", "first", "attention"),
    "balancing.method": (
        "tokens",
        "sum",
        "weights",
        "uncertainty",
        "gradnorm",
        "pcgrad",
        "famo",
    ),
    "training.precision": ("float32", "mixed_bfloat16"),
    "distribution.kind": ("auto", "tpu", "gpu", "cpu"),
}

_FALLING = ("linear", "cosine", "cosine_with_restarts", "polynomial")

# Settings that only some words of another one look at: that one, and those words.
USED_WITH = {
    "data.shapes": ("data.lengths", ("per_task",)),
    "data.temperature": ("data.mixture", ("proportional",)),
    "data.cap": ("data.mixture", ("proportional",)),
    "data.epochs": ("data.mixture", ("unimax",)),
    "optimizer.end_rate": ("optimizer.schedule", _FALLING),
    "optimizer.power": ("optimizer.schedule", ("polynomial",)),
    "optimizer.cycles": ("optimizer.schedule", ("cosine_with_restarts",)),
    "balancing.rate": ("balancing.method", ("uncertainty", "gradnorm", "famo")),
    "balancing.alpha": ("balancing.method", ("gradnorm",)),
    "balancing.weight_decay": ("balancing.method", ("famo",)),
}


def find_wrong_choice(name: str, value: str) -> str:
    """Say what is wrong with a setting's word.

    Args:
        name: Of the setting, such as `training.precision`.
        value: As a person gave it.

    Returns:
        One line with the nearest valid word; empty where nothing is wrong.
    """
    words = CHOICES.get(name, (value,))
    return "" if value in words else f"{name} {value!r} is unknown; {nearest(value, words)}"


def list_wrong_choices(config: RunConfig) -> list[str]:
    """Say what is wrong with all of them.

    Args:
        config: Settings of a run.

    Returns:
        A line for each that is wrong.
    """
    lines = [find_wrong_choice(name, attrgetter(name)(config)) for name in CHOICES]
    return [line for line in lines if line]


def list_idle(settings: ResolvedRun) -> list[str]:
    """Name the settings that were changed and that nothing in this run looks at.

    Args:
        settings: Of the run.

    Returns:
        A line for each, with the words of the other setting that would.
    """
    lines, defaults = [], RunConfig()
    for name, (chooser, words) in USED_WITH.items():
        word = attrgetter(chooser)(settings)
        if word not in words and attrgetter(name)(settings) != attrgetter(name)(defaults):
            lines.append(
                f"{name} is not used: it is of {chooser} {' or '.join(words)}, and that is {word}"
            )
    return lines
