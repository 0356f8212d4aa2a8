"""The run's metrics.jsonl and its TensorBoard logs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from adapters_tf.files.tensors import naming
from prep import DataError
from prep.storage.durable_files import write_atomically

METRICS_FILE = "metrics.jsonl"
LOGS_FOLDER = "logs"
NOT_FINITE = "not_finite"  # the key that says why figures of a line are null


class MetricsLog:
    """Writes figures to metrics.jsonl and to TensorBoard.

    JSON has no NaN and no infinity: such a figure is null, and the line names it and its value
    under `not_finite`.

    Args:
        folder: The run folder.
        first_step: Steps done before; later lines, of a part that was lost, are dropped, and what
            an earlier version wrote that is no JSON is mended.
    """

    def __init__(self, folder: Path, first_step: int):
        self.file = folder / METRICS_FILE
        self._keep_until(first_step)
        self.folder = folder / LOGS_FOLDER
        self.summaries = tf.summary.create_file_writer(str(self.folder))

    def _keep_until(self, step: int) -> None:
        if self.file.exists():
            kept = [line for line in self.lines() if line["step"] <= step]
            text = "".join(_as_json(line) + "\n" for line in kept)
            write_atomically(self.file, text.encode())

    def lines(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """Read what was written, in order.

        Args:
            kind: `train` or `validation`; None for all.

        Yields:
            Each line's values, `kind` and `step` among them; null where one was no number.
        """
        if not self.file.exists():
            return
        for line in self.file.read_bytes().splitlines():
            try:
                values = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                continue  # cut short by a kill or damaged, it belongs to no step
            if not (isinstance(values, dict) and isinstance(values.get("step"), int)):
                continue
            if kind is None or values.get("kind") == kind:
                yield values

    def last_step(self, kind: str) -> int:
        """Find the last step that has a line of a kind; 0 if there is none."""
        return max((line["step"] for line in self.lines(kind)), default=0)

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Append one line of figures.

        Args:
            kind: `train` or `validation`.
            step: Steps done.
            figures: By name, such as `rte/loss`.

        Raises:
            OSError: The disk refuses the line.
            DataError: It refuses the curves.
        """
        with naming(self.file), self.file.open("a", encoding="utf-8") as stream:
            stream.write(_as_json({"kind": kind, "step": step, **figures}) + "\n")
        try:
            with self.summaries.as_default(step):
                for name, value in figures.items():
                    tf.summary.scalar(f"{kind}/{name}", value)
            self.summaries.flush()
        except tf.errors.OpError as error:
            reason = "disk full" if "No space left" in error.message else error.message
            raise DataError(
                f"{reason.splitlines()[0]}: the curves of step {step} could not be written to "
                f"{self.folder}; the same command goes on from the last checkpoint"
            ) from error


def _as_json(line: Mapping[str, Any]) -> str:
    odd = {
        name: str(value)
        for name, value in line.items()
        if isinstance(value, float) and not math.isfinite(value)
    }
    values = {**line, **dict.fromkeys(odd)}
    if odd:
        values[NOT_FINITE] = {**line.get(NOT_FINITE, {}), **odd}
    return json.dumps(values, allow_nan=False)
