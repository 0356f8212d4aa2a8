"""What the user left to the dataset, filled in."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adapters_tf.runs.sources import list_sources, with_sources
from prep import Manifest
from trainer.settings.config import RunConfig


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


def resolve(config: RunConfig, manifest: Manifest) -> dict[str, Any]:
    """Fill in what the user left to the dataset.

    Args:
        config: As the user wrote it.
        manifest: Of its dataset.

    Returns:
        Plain settings: tasks listed in the bank's row order, lengths and vocabulary in numbers.
    """
    resolved = config.as_dict()
    names = config.task_list() or trained_tasks(manifest, config.data.train_split)
    resolved["tasks"] = [manifest.task(name).name for name in names]
    resolved["dataset"] = _absolute(config.dataset)
    resolved["run"] = _absolute(config.run)
    if Path(config.model.backbone).is_dir():
        resolved["model"]["backbone"] = _absolute(config.model.backbone)
    starts = resolved["adapters"]["start_from"]
    resolved["adapters"]["start_from"] = (
        {task: _absolute(folder) for task, folder in starts.items()}
        if isinstance(starts, dict)
        else starts and _absolute(starts)
    )
    nearest_by = resolved["adapters"]["nearest_by"]
    resolved["adapters"]["nearest_by"] = nearest_by and _absolute(nearest_by)
    resolved["adapters"] = _absolute_sources(resolved["adapters"])
    resolved["model"]["vocabulary_size"] = manifest.vocabulary.size
    resolved["vocabulary_sha256"] = manifest.vocabulary.sha256
    data = resolved["data"]
    packed = packed_lengths(manifest, resolved["tasks"], data["train_split"])
    lengths = packed or (manifest.max_input_length, manifest.max_target_length)
    data["input_length"] = data["input_length"] or lengths[0]
    data["target_length"] = data["target_length"] or lengths[1]
    return resolved


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


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).resolve())


def _absolute_sources(adapters: Mapping[str, Any]) -> dict[str, Any]:
    """Name the trained adapters that a run is built on by absolute paths."""
    places: dict[str, str | list[str]] = {}
    for name, source in list_sources(adapters).items():
        of = source.get("of", "")
        places[name] = [*map(_absolute, of)] if isinstance(of, list) else of and _absolute(of)
    return with_sources(adapters, places)
