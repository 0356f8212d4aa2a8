"""The figures of a run, sent to Weights & Biases beside what the run folder holds."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tf_keras

from adapters_tf.backbone.keras_internals import ReadsNoLogs
from adapters_tf.runs.settings import ResolvedRun
from prep.storage.durable_files import write_atomically
from trainer.run.metrics_log import LOGS_FOLDER, MetricsLog
from trainer.settings.observing import WANDB

ID_FILE = "wandb-id"  # in the folder of logs: by it a run that goes on is the same one there


class WandbLog:
    """Sends lines of figures. What goes wrong there is told once, and stops no run.

    Args:
        settings: Of the run; `training.wandb` names the project.
        folder: The run folder.
        report: Called with a line.
    """

    def __init__(self, settings: ResolvedRun, folder: Path, report: Callable[[str], None]):
        self.report, self.run = report, None
        with _Telling(self):
            self.run = importlib.import_module(WANDB).init(
                project=settings.training.wandb,
                name=folder.name,
                id=_read_id(folder / LOGS_FOLDER / ID_FILE),
                dir=str(folder / LOGS_FOLDER),
                resume="allow",
                config=settings.as_dict(),
            )

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Send one line of figures.

        Args:
            kind: `train` or `validation`.
            step: Steps done.
            figures: By name, such as `rte/loss`.
        """
        if self.run is not None:
            with _Telling(self):
                named = {f"{kind}/{name}": value for name, value in figures.items()}
                self.run.log(named, step=step)

    def close(self) -> None:
        """Send what is left."""
        if self.run is not None:
            with _Telling(self):
                self.run.finish()
            self.run = None


class SendCallback(ReadsNoLogs, tf_keras.callbacks.Callback):
    """Sends figures while a run trains.

    Args:
        settings: Of the run.
        log: Whose lines are sent.
        report: Called with a line.
    """

    def __init__(self, settings: ResolvedRun, log: MetricsLog, report: Callable[[str], None]):
        super().__init__()
        self.settings, self.log, self.report = settings, log, report
        self.sent: WandbLog | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin."""
        self.sent = WandbLog(self.settings, self.log.folder.parent, self.report)
        self.log.others.append(self.sent.write)

    def on_train_end(self, logs: Any = None) -> None:
        """Send what is left."""
        if self.sent is not None:
            self.log.others.remove(self.sent.write)
            self.sent.close()


class _Telling:
    """Lets a run go on without the service, whatever its client raises."""

    def __init__(self, log: WandbLog):
        self.log = log

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> bool:
        """Tell what was raised, and send nothing more."""
        if kind is None or not issubclass(kind, Exception):
            return False
        reason = " ".join(str(error).split())[:200] or kind.__name__
        self.log.report(f"note: nothing more is sent to Weights & Biases: {reason}")
        self.log.run = None
        return True


def _read_id(file: Path) -> str:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, uuid.uuid4().hex.encode())
    return file.read_text(encoding="utf-8").strip()
