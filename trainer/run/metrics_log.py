"""The run's metrics.jsonl and its TensorBoard logs."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from adapters_tf.errors import FULL, reason_of_refusal
from adapters_tf.files.tensors import naming
from prep import DataError
from prep.storage.durable_files import write_atomically
from trainer.run.full_disk import FullDiskError, SpaceWait

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
        wait: What is done about a full disk.

    Attributes:
        others: Who is told each line too.
    """

    def __init__(self, folder: Path, first_step: int, wait: SpaceWait | None = None):
        self.others: list[Callable[[str, int, Mapping[str, float]], None]] = []
        self.wait = wait or SpaceWait()
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
        line = _as_json({"kind": kind, "step": step, **figures}) + "\n"
        with naming(self.file):
            self.wait(lambda: self._append(line))
        self.wait(lambda: self._write_curves(kind, step, figures))
        for other in self.others:
            other(kind, step, figures)

    def _append(self, line: str) -> None:
        # Without a buffer, which would be written once more as the file is closed.
        with self.file.open("ab", buffering=0) as stream:
            begin, left = stream.tell(), memoryview(line.encode())
            try:
                while left:
                    left = left[stream.write(left) :]
            except OSError:
                with contextlib.suppress(OSError):
                    stream.truncate(begin)  # half a line would spoil the next one
                raise

    def _write_curves(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        try:
            with self.summaries.as_default(step):
                for name, value in figures.items():
                    tf.summary.scalar(f"{kind}/{name}", value)
            self.summaries.flush()
        except tf.errors.OpError as error:
            reason = reason_of_refusal(error.message)
            raise (FullDiskError if reason == FULL else DataError)(
                f"{reason}: the curves of step {step} could not be written to "
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
