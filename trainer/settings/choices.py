"""Settings that are one of a few words, told before TensorFlow loads."""

from __future__ import annotations

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
    lines = []
    for name in CHOICES:
        section, _, setting = name.partition(".")
        lines.append(find_wrong_choice(name, getattr(getattr(config, section), setting)))
    return [line for line in lines if line]
