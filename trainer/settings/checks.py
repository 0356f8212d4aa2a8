"""Refuse settings that cannot work, before anything is built or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters_tf import PrefixConfig, PromptConfig, read_methods
from adapters_tf.methods import prefixed_attention, prompt
from prep import Manifest, UsageError, nearest
from trainer.optimizers.learning_rate import DECAYS
from trainer.optimizers.registry import OPTIMIZERS
from trainer.settings.config import RunConfig
from trainer.settings.resolving import packed_lengths

# What may change between the parts of one run: it does not reach the weights.
HARMLESS = (
    "run",
    "dataset",
    "training.log_every",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "training.validate_every",
    "training.validation_examples",
)


def check_config(config: RunConfig) -> None:
    """Check every setting that needs neither data nor devices.

    Args:
        config: As the user wrote it.

    Raises:
        UsageError: The first thing that is wrong.
    """
    for option, value in (("--dataset", config.dataset), ("--run", config.run)):
        if not value:
            raise UsageError(f"{option} is missing: name the folder")
    _check_choice("optimizer.name", config.optimizer.name, OPTIMIZERS)
    _check_choice("optimizer.decay", config.optimizer.decay, DECAYS)
    positive = {
        "training.steps": config.training.steps,
        "training.log_every": config.training.log_every,
        "training.checkpoint_every": config.training.checkpoint_every,
        "training.keep_checkpoints": config.training.keep_checkpoints,
        "training.steps_per_execution": config.training.steps_per_execution,
        "data.batch_size": config.data.batch_size,
        "data.temperature": config.data.temperature,
        "optimizer.learning_rate": config.optimizer.learning_rate,
    }
    for name, number in positive.items():
        if not number > 0:
            raise UsageError(f"{name} must be above 0, got {number}")
    not_negative = {
        "data.cap": config.data.cap,
        "data.input_length": config.data.input_length,
        "data.target_length": config.data.target_length,
        "optimizer.warmup_steps": config.optimizer.warmup_steps,
        "optimizer.weight_decay": config.optimizer.weight_decay,
        "optimizer.clip_norm": config.optimizer.clip_norm,
        "training.validate_every": config.training.validate_every,
        "training.validation_examples": config.training.validation_examples,
        "seed": config.seed,
    }
    for name, number in not_negative.items():
        if number < 0:
            raise UsageError(f"{name} must be 0 or more, got {number}")


def _check_choice(name: str, value: str, valid: Iterable[str]) -> None:
    if value not in valid:
        raise UsageError(f"{name} {value!r} is unknown; {nearest(value, valid)}")


def check_replicas(batch_size: int, replicas: int) -> None:
    """Refuse a batch that the replicas cannot share evenly.

    Args:
        batch_size: Examples per global batch.
        replicas: How many replicas train.

    Raises:
        UsageError: With the nearest batch sizes that work.
    """
    if batch_size % replicas:
        below = batch_size // replicas * replicas
        near = f"{below} or {below + replicas}" if below else str(replicas)
        raise UsageError(
            f"data.batch_size {batch_size} is not divisible by {replicas} replicas; use {near}"
        )


def check_packed_lengths(resolved: Mapping[str, Any], manifest: Manifest) -> None:
    """Refuse lengths that are not those of the rows the dataset was packed into.

    Args:
        resolved: The run's settings.
        manifest: Of the dataset.

    Raises:
        UsageError: With the dataset's lengths.
    """
    data = resolved["data"]
    lengths = packed_lengths(manifest, resolved["tasks"], data["train_split"])
    if lengths is None:
        return
    for name, length in zip(("input", "target"), lengths, strict=True):
        if data[f"{name}_length"] != length:
            option = "--max-input-length" if name == "input" else "--pack-target-length"
            raise UsageError(
                f"data.{name}_length is {data[f'{name}_length']}, and the dataset is packed into "
                f"rows of {lengths[0]} input and {lengths[1]} target tokens; leave it out, or "
                f"build the dataset with another {option}"
            )


def check_packed_methods(resolved: Mapping[str, Any], manifest: Manifest) -> None:
    """Refuse adapter methods that cannot read the rows the dataset was packed into.

    Args:
        resolved: The run's settings.
        manifest: Of the dataset.

    Raises:
        UsageError: It names the method.
    """
    adapters = resolved["adapters"]
    methods = read_methods(adapters["method"], adapters["settings"])
    is_packed = packed_lengths(manifest, resolved["tasks"], resolved["data"]["train_split"])
    if not is_packed:
        return
    if any(isinstance(method, PromptConfig) for method in methods):
        raise UsageError(prompt.PACKED_ROWS)
    if any(isinstance(method, PrefixConfig) and method.positions != "none" for method in methods):
        raise UsageError(prefixed_attention.PACKED_ROWS)


def check_best_metric(name: str, tasks: Iterable[str], manifest: Manifest) -> None:
    """Refuse a best-checkpoint metric that no validation would compute.

    Args:
        name: `loss`, `mean` or `<task>/<metric>`.
        tasks: The run's tasks.
        manifest: Of the dataset.

    Raises:
        UsageError: With the nearest valid name.
    """
    valid = ["mean", "loss"] + [
        f"{task}/{metric}" for task in tasks for metric in (*manifest.task(task).metrics, "loss")
    ]
    _check_choice("training.best_metric", name, valid)


def check_same_run(old: Mapping[str, Any], new: Mapping[str, Any], folder: str) -> None:
    """Refuse to resume a run with settings that would have made other weights.

    Args:
        old: The run folder's config.
        new: The config asked for now.
        folder: The run folder, for the message.

    Raises:
        UsageError: Naming every setting that differs.
    """
    before, after = _flatten(old), _flatten(new)
    differing = [
        f"{key} was {before.get(key)!r}, now {after.get(key)!r}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in HARMLESS
    ]
    if differing:
        raise UsageError(
            f"run folder {folder} is of another configuration: {'; '.join(differing)}; "
            "use its settings, or another --run folder"
        )


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves.update(_flatten(value, f"{prefix}{key}."))
        else:
            leaves[prefix + key] = value
    return leaves
