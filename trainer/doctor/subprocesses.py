"""Ask TensorFlow in a process of its own, which may hang, abort or be killed in our place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a process told before it ended, or was ended.

    Attributes:
        said: Everything it found out, by name; `stage` is what it did last.
        is_late: Whether it was still at it when its time was up.
        code: Its exit code, negative for the signal that ended it.
        errors: What it wrote to the standard error.
    """

    said: Mapping[str, Any]
    is_late: bool
    code: int
    errors: str

    def last_line(self) -> str:
        """Say what it wrote last, or which signal ended it."""
        if self.code < 0 and not self.is_late:
            return f"the process was ended by {signal.Signals(-self.code).name}"
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else f"the process ended with {self.code} and without a word"


def run_stages(
    stage: str,
    arguments: Sequence[str],
    seconds: float,
    command: Sequence[str] = (sys.executable, "-m", "trainer.doctor.probe"),
) -> Outcome:
    """Run a probe, which writes an object of JSON in a line whenever it knows something.

    Args:
        stage: One of the probe's.
        arguments: Of the stage.
        seconds: After which it is killed.
        command: The probe, which tests replace.

    Returns:
        What it told.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [*command, stage, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    ) as process:
        is_late = False
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            is_late = True
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
        except BaseException:  # Ctrl-C: what was begun is not left behind
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Outcome(_read(output), is_late, process.returncode, errors)


def _read(output: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for line in output.splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # what a library printed
            continue
        if isinstance(told, dict):
            said |= told
    return said
