"""What a finished run leaves: one folder per task's adapter, or the whole backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adapters_tf import TaskModel, save_backbone, save_task
from adapters_tf.errors import describe_os_error
from adapters_tf.files.adapter_files import ADAPTERS_FOLDER
from adapters_tf.task_adapters.head_files import HEADS_FOLDER, save_head
from prep import DataError
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

    Raises:
        DataError: The disk refuses; the run can be gone on with.
    """
    if checkpoints.has_lost_best():
        exported = [one for one in (ADAPTERS_FOLDER, BACKBONE_FOLDER) if (folder / one).exists()]
        if exported:
            report(f"{folder / exported[0]} stays as it is: the best checkpoint is damaged")
            return
    step = checkpoints.restore_best()
    try:
        is_by_task = checkpoints.rows is not None and checkpoints.best_step()
        of = "each task's of its own best step" if is_by_task else f"weights of step {step}"
        report(f"{_write(folder, model)} ({of})")
    except OSError as error:
        raise DataError(
            f"{describe_os_error(error)}; the adapters or the backbone could not be exported, all "
            "checkpoints are whole, and the same command writes the export"
        ) from error


def _write(folder: Path, model: TaskModel) -> str:
    if not model.banks:
        save_backbone(model.backbone, folder / BACKBONE_FOLDER)
        headed = [task for task in model.task_names if model.has_head(task)]
        for task in headed:
            save_head(model, task, folder / HEADS_FOLDER / task)
        heads = f" and {len(headed)} head{'s' * (len(headed) != 1)} under {folder / HEADS_FOLDER}"
        return f"wrote {folder / BACKBONE_FOLDER}" + (heads if headed else "")
    for task in model.task_names:
        save_task(model, task, folder / ADAPTERS_FOLDER / task)
    count = len(model.task_names)
    return f"wrote {count} adapter{'s' * (count != 1)} under {folder / ADAPTERS_FOLDER}"
