"""Let tasks start from adapters that were trained before, named or chosen by likeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.adapter_files import WEIGHTS_FILE, read_task
from adapters_tf.files.embeddings_file import find_embeddings, read_embeddings
from adapters_tf.methods.trained.folders import find_task_folders, refuse_cut_off
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.embedding import cosine_matrix
from adapters_tf.task_adapters.folder import assign_tasks, check_settings, is_task_folder
from adapters_tf.task_adapters.head_files import fits_head, load_head


def start_tasks(
    model: TaskModel, folders: str | Mapping[str, str], nearest_by: str = ""
) -> Mapping[str, str]:
    """Let tasks start from adapters that were trained before, and from their heads that fit.

    Args:
        model: With adapters, as they are drawn.
        folders: By task, the folder of an adapter. Or one folder for all: of an adapter, which
            every task starts from, or a run, whose tasks of the same names are taken.
        nearest_by: A file of task embeddings. Tasks that the run does not have then start from
            the adapter of the one it has that is nearest by the cosine of the two (Vu et al. 2020,
            arXiv 2005.00770).

    Returns:
        By task, the folder it started from; others start as drawn.

    Raises:
        ConfigurationError: Nothing to choose from, or a task without an embedding.
        WeightsError: A task or folder that is not there, or that does not fit.
    """
    chosen = choose_starts(folders, model.task_names, nearest_by)
    for folder in chosen.values():
        check_settings(model, folder)
    if chosen:
        assign_tasks(model, {task: (folder, read_task(folder)) for task, folder in chosen.items()})
    for task, folder in chosen.items():
        if fits_head(model, task, folder):
            load_head(model, task, folder)
    return chosen


def choose_starts(
    folders: str | Mapping[str, str], tasks: Sequence[str], nearest_by: str = ""
) -> Mapping[str, str]:
    """Choose what tasks start from, before there is a model.

    Args:
        folders: As `start_tasks`; so is `nearest_by`.
        tasks: The model's.
        nearest_by: A file of task embeddings.

    Returns:
        By task, the folder it starts from; others start as drawn.

    Raises:
        ConfigurationError: Nothing to choose from, or a task without an embedding.
        WeightsError: A task or folder that is not there.
    """
    if nearest_by and not (folders and isinstance(folders, str) and not is_task_folder(folders)):
        raise ConfigurationError(
            "adapters.nearest_by needs adapters.start_from: a run whose adapters to choose from"
        )
    if not folders:
        return {}
    if isinstance(folders, str):
        return _find_folders(folders, tasks, nearest_by)
    for task, folder in folders.items():
        if task not in tasks:
            raise WeightsError(f"the model has no task {task!r}; {suggest(task, tasks)}")
        if not is_task_folder(folder):
            raise WeightsError(f"{folder} holds no {WEIGHTS_FILE}")
    return folders


def _find_folders(folder: str, tasks: Sequence[str], nearest_by: str) -> dict[str, str]:
    if is_task_folder(folder):
        return dict.fromkeys(tasks, folder)
    present = find_task_folders((folder,))
    refuse_cut_off(Path(folder), tasks)
    chosen = {task: task for task in tasks if task in present}
    if nearest_by:
        new = [task for task in tasks if task not in present]
        chosen |= nearest_of(nearest_by, new, list(present))
    if not chosen:
        raise WeightsError(
            f"{folder} has none of the tasks {', '.join(tasks)}, but {', '.join(present)}"
        )
    return {task: str(present[chosen[task]]) for task in tasks if task in chosen}


def nearest_of(file: str, tasks: Sequence[str], present: Sequence[str]) -> dict[str, str]:
    """Find the tasks that some are nearest to, by the cosine of their embeddings.

    Args:
        file: Of task embeddings.
        tasks: Those that look for one.
        present: Those to choose from; what has no embedding is not chosen.

    Returns:
        By task, the nearest one.

    Raises:
        ConfigurationError: A task has no embedding, or none of those to choose from has.
    """
    names, vectors_KE = read_embeddings(file)
    known = [name for name in present if name in names]
    if not known:
        raise ConfigurationError(f"{file} has no embedding of any of {', '.join(present)}")
    cosines = cosine_matrix(find_embeddings(file, names, vectors_KE, [*tasks, *known]))
    nearest = cosines[: len(tasks), len(tasks) :].argmax(-1)
    return {task: known[column] for task, column in zip(tasks, nearest, strict=True)}
