"""What a finished run leaves: one folder per task's adapter, or the whole backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adapters_tf import TaskModel, save_backbone, save_task
from adapters_tf.files.adapter_files import ADAPTERS_FOLDER
from trainer.run.checkpoints import RunCheckpoints

BACKBONE_FOLDER = "backbone"


def export(
    folder: Path, model: TaskModel, checkpoints: RunCheckpoints, report: Callable[[str], None]
) -> None:
    """Write the best weights: one folder per task's adapter, or the whole backbone.

    Args:
        folder: The run folder.
        model: It has the best weights afterwards.
        checkpoints: Of the run.
        report: Called with what was written.
    """
    step = checkpoints.restore_best()
    if not model.banks:
        save_backbone(model.backbone, folder / BACKBONE_FOLDER)
        report(f"wrote {folder / BACKBONE_FOLDER} (weights of step {step})")
        return
    for task in model.task_names:
        save_task(model, task, folder / ADAPTERS_FOLDER / task)
    report(
        f"wrote {len(model.task_names)} adapters under {folder / ADAPTERS_FOLDER} "
        f"(weights of step {step})"
    )
