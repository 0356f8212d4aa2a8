"""The run's metrics.jsonl and its TensorBoard logs."""

import json
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from prep.storage.durable_files import write_atomically

METRICS_FILE = "metrics.jsonl"


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
