"""What the user left to the dataset, filled in: `RunConfig` → `ResolvedRun`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from adapters_tf.files.local_paths import BUCKET, dataset_place, local_path
from adapters_tf.runs.sections import AdapterConfig, DataConfig, ModelConfig
from adapters_tf.runs.settings import (
    ResolvedModel,
    ResolvedOptimizer,
    ResolvedRun,
    ResolvedTraining,
)
from adapters_tf.runs.sources import list_sources, with_sources
from prep import Manifest, UsageError, nearest
from trainer.settings.config import RunConfig
from trainer.settings.durations import (
    asked_durations,
    asked_epochs,
    asked_lists,
    count_durations,
    with_durations,
)
from trainer.settings.heads import resolve_heads
from trainer.settings.memory import resolve_limit
from trainer.settings.mixture import (
    OF_A_KNOWN_END,
    epochs_of_run,
    steps_of_epochs,
)

_UNCOUNTED_OPTIMIZER: Mapping[str, Any] = {"warmup_steps": 0, "schedule_steps": 0}  # for a moment
_UNCOUNTED_TRAINING: Mapping[str, Any] = {
    "log_every": 1,
    "validate_every": 0,
    "checkpoint_every": 1,
    "max_skipped_steps": 1,
    "patience": 0,
}
LENGTH_MULTIPLE = 8  # of the lengths that are chosen here, in tokens


def resolve(config: RunConfig, manifest: Manifest) -> ResolvedRun:
    """Fill in what the user left to the dataset.

    Args:
        config: As the user wrote it.
        manifest: Of its dataset.

    Returns:
        The settings that everything else takes: tasks listed in the bank's row order, lengths and
        vocabulary in numbers, places absolute.

    Raises:
        UsageError: A task that the dataset does not have, or one that is named twice.
        ConfigurationError: An adapter method or trained adapters that cannot be.
    """
    names = config.task_list() or trained_tasks(manifest, config.data.train_split)
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"tasks: {name!r} is named twice")
    tasks = tuple(manifest.task(name).name for name in names)
    epochs, steps = asked_epochs(config.training), config.training.steps
    length = {"steps": steps if isinstance(steps, int) else 1, "epochs": epochs}
    run = ResolvedRun(
        dataset=_dataset(config.dataset),
        run=_absolute(config.run, "--run"),
        tasks=tasks,
        seed=config.seed,
        model=_resolve_model(config.model, manifest),
        adapters=_resolve_adapters(config.adapters),
        data=_resolve_data(config.data, tasks, manifest),
        optimizer=ResolvedOptimizer(**{**vars(config.optimizer), **_UNCOUNTED_OPTIMIZER}),
        training=ResolvedTraining(**{**vars(config.training), **_UNCOUNTED_TRAINING, **length}),
        balancing=config.balancing,
        heads=resolve_heads(config.heads, tasks, manifest, config.data.train_split),
        distribution=config.distribution,
        vocabulary_sha256=manifest.vocabulary.sha256,
    )
    if run.training.epochs:
        run = _with_counted_steps(run, manifest)
    return _with_counted_durations(run, config, manifest)


def _with_counted_durations(run: ResolvedRun, config: RunConfig, manifest: Manifest) -> ResolvedRun:
    """Count in steps whatever was given in epochs or as a share of the run."""
    asked = [*asked_durations(config).values(), *itertools.chain(*asked_lists(config).values())]
    epochs = 0.0
    if any(duration.unit == "epochs" for duration in asked):
        epochs = epochs_of_run(run, *_sizes_and_rows(run, manifest))
    return with_durations(run, count_durations(config, run, epochs))


def _with_counted_steps(run: ResolvedRun, manifest: Manifest) -> ResolvedRun:
    sizes, rows = _sizes_and_rows(run, manifest)
    if run.data.mixture in OF_A_KNOWN_END:
        raise UsageError(
            f"training.epochs: data.mixture {run.data.mixture} needs a number of training.steps to "
            "share out"
        )
    steps = steps_of_epochs(run, sizes, rows)
    return replace(run, training=replace(run.training, steps=steps))


def _sizes_and_rows(run: ResolvedRun, manifest: Manifest) -> tuple[list[int], list[int]]:
    """Count the tasks' training examples, and the rows that hold them, to count epochs by."""
    training = run.training
    valid = (*run.tasks, "shortest", "longest")
    if training.epochs_of not in valid:
        raise UsageError(
            f"training.epochs_of {training.epochs_of!r} is unknown; "
            f"{nearest(training.epochs_of, valid)}"
        )
    splits = [manifest.task(task).split(run.data.train_split) for task in run.tasks]
    sizes = [split.examples for split in splits]
    rows = [split.records for split in splits]
    return sizes, rows


def trained_tasks(manifest: Manifest, split: str) -> list[str]:
    """List the tasks that can be trained on.

    Args:
        manifest: Of the dataset.
        split: The training split; some tasks, such as xquad, have none and are for evaluation.

    Returns:
        Their names, or all names where no task has the split, so that the error names one.
    """
    names = [name for name, entry in manifest.tasks.items() if split in entry.splits]
    return names or list(manifest.tasks)


def packed_lengths(manifest: Manifest, tasks: Iterable[str], split: str) -> tuple[int, int] | None:
    """Find the lengths that the packed rows of some tasks need.

    Args:
        manifest: Of the dataset.
        tasks: The run's tasks.
        split: The training split.

    Returns:
        Input and target positions per row; None if the split is not packed.

    Raises:
        UsageError: A task has no such split.
    """
    entries = [manifest.task(task).split(split).packing for task in tasks]
    packings = [entry for entry in entries if entry is not None]
    if not packings:
        return None
    return (
        max(packing.input_length for packing in packings),
        max(packing.target_length for packing in packings),
    )


def _resolve_model(model: ModelConfig, manifest: Manifest) -> ResolvedModel:
    place = local_path(model.backbone, "model.backbone")
    resolved = ResolvedModel(**asdict(model), vocabulary_size=manifest.vocabulary.size)
    return replace(resolved, backbone=str(place.resolve())) if place.is_dir() else resolved


def _resolve_data(data: DataConfig, tasks: tuple[str, ...], manifest: Manifest) -> DataConfig:
    packed = packed_lengths(manifest, tasks, data.train_split)
    input_length, target_length = packed or longest_lengths(manifest, tasks)
    return replace(
        data,
        input_length=data.input_length or input_length,
        target_length=data.target_length or target_length,
        memory_limit=resolve_limit(data, tasks, manifest),
    )


def longest_lengths(manifest: Manifest, tasks: Iterable[str]) -> tuple[int, int]:
    """Find the lengths that cut no example of some tasks, in any split.

    Args:
        manifest: Of the dataset.
        tasks: The run's tasks.

    Returns:
        Input and target tokens, rounded up to what devices like; at most what the build cut to.
    """
    splits = [split for task in tasks for split in manifest.task(task).splits.values()]
    caps = manifest.max_input_length, manifest.max_target_length
    longest = (
        max((split.longest_input for split in splits), default=0),
        max((split.longest_target for split in splits), default=0),
    )
    input_length, target_length = (
        min(-(-length // LENGTH_MULTIPLE) * LENGTH_MULTIPLE or cap, cap)
        for length, cap in zip(longest, caps, strict=True)
    )
    return input_length, target_length


def _resolve_adapters(adapters: AdapterConfig) -> AdapterConfig:
    """Name the adapters that a run starts from, or is built on, by absolute places."""
    starts = adapters.start_from
    named = replace(
        adapters,
        start_from={
            task: _absolute(folder, f"adapters.start_from.{task}")
            for task, folder in starts.items()
        }
        if isinstance(starts, dict)
        else starts and _absolute(starts, "adapters.start_from"),
        nearest_by=adapters.nearest_by and _absolute(adapters.nearest_by, "adapters.nearest_by"),
    )
    places: dict[str, str | list[str]] = {}
    for name, source in list_sources(named).items():
        of = source.get("of", "")
        what = f"`of` of {name}:"
        places[name] = (
            [_absolute(one, what) for one in of]
            if isinstance(of, list)
            else of and _absolute(of, what)
        )
    return with_sources(named, places)


def _absolute(path: str, setting: str) -> str:
    return str(local_path(path, setting).resolve())


def _dataset(address: str) -> str:
    place = dataset_place(address, "--dataset")
    return place if place.startswith(BUCKET) else str(Path(place).resolve())
