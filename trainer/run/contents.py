"""What lies where in the folder of a finished run."""

from __future__ import annotations

from pathlib import Path

from adapters_tf.files.adapter_files import ADAPTERS_FOLDER
from adapters_tf.runs.config import CHECKPOINTS
from adapters_tf.task_adapters.head_files import HEADS_FOLDER
from trainer.run.curves import CURVES_FILE
from trainer.run.export import BACKBONE_FOLDER
from trainer.run.metrics_log import LOGS_FOLDER, METRICS_FILE

_WHAT = {
    ADAPTERS_FOLDER: "each task's adapter",
    HEADS_FOLDER: "each task's head",
    BACKBONE_FOLDER: "the trained model",
    CHECKPOINTS["best"]: "the best weights; best.json says of which step",
    METRICS_FILE: "losses and metrics in numbers",
    CURVES_FILE: "the same drawn",
    LOGS_FOLDER: "the same for TensorBoard",
}


def describe_contents(folder: Path) -> list[str]:
    """Say where everything is, and what comes next.

    Args:
        folder: The run folder.

    Returns:
        A line for each thing that is there, and one with the command that scores the run.
    """
    there = {name: what for name, what in _WHAT.items() if (folder / name).exists()}
    names = {name: f"{name}/" * (folder / name).is_dir() or name for name in there}
    width = max(map(len, names.values()), default=0)
    lines = [f"  {names[name].ljust(width)}  {what}" for name, what in there.items()]
    return [*lines, f"  next: python -m eval --run {folder}"]
