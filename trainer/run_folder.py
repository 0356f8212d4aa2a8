"""The run folder: its resolved config.yaml, its metrics.jsonl and its TensorBoard logs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import yaml

from adapters_tf.run_sources import list_sources, with_sources
from adapters_tf.runs import CONFIG_FILE, read_config
from eval.report import list_versions
from prep import Manifest
from prep.manifest import write_atomically
from trainer.checks import check_same_run, packed_lengths
from trainer.config import RunConfig

METRICS_FILE = "metrics.jsonl"
# Written for the reader; not part of what makes two runs the same.
PROVENANCE = ("commit", "versions")


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


def open_run(resolved: Mapping[str, Any]) -> Path:
    """Create the run folder, or check that it belongs to the same configuration.

    Args:
        resolved: From `resolve`.

    Returns:
        The run folder.

    Raises:
        UsageError: The folder is of another configuration.
    """
    folder = Path(resolved["run"])
    if (folder / CONFIG_FILE).exists():
        old = read_config(folder)
        check_same_run(
            {key: old[key] for key in old if key not in PROVENANCE}, resolved, folder.name
        )
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    provenance = {"commit": find_commit(), "versions": list_versions()}
    text = yaml.safe_dump({**resolved, **provenance}, sort_keys=False, allow_unicode=True)
    write_atomically(folder / CONFIG_FILE, text.encode())
    return folder


def find_commit() -> str:
    """Name the commit this code was checked out at, or say that it is unknown."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


class MetricsLog:
    """Writes figures to metrics.jsonl and to TensorBoard.

    Args:
        folder: The run folder.
        first_step: Steps done before; later lines, of a part that was lost, are dropped.
    """

    def __init__(self, folder: Path, first_step: int):
        self.file = folder / METRICS_FILE
        self._drop_after(first_step)
        self.summaries = tf.summary.create_file_writer(str(folder / "logs"))

    def _drop_after(self, step: int) -> None:
        if not self.file.exists():
            return
        lines = self.file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _line_step(line) <= step]
        write_atomically(self.file, "".join(line + "\n" for line in kept).encode())

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Append one line of figures.

        Args:
            kind: `train` or `validation`.
            step: Steps done.
            figures: By name, such as `rte/loss`.
        """
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"kind": kind, "step": step, **figures}) + "\n")
        with self.summaries.as_default(step):
            for name, value in figures.items():
                tf.summary.scalar(f"{kind}/{name}", value)
        self.summaries.flush()


def _line_step(line: str) -> float:
    # A line cut short by a kill belongs to no step.
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError):
        return float("inf")
