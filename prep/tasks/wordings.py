"""One task in several wordings: as T5's authors or HyperFormer's did, or for a head."""

import dataclasses

from prep.errors import UsageError, nearest
from prep.tasks.task import Rewording, Task

FORMATS = ("t5", "hyperformer", "encoder")


def worded_as(task: Task, name: str, has_name_in_front: bool = False) -> Task:
    """Word the task as a publication does, or for a head on the encoder.

    Args:
        task: The task.
        name: "t5" (Raffel et al. 2020, appendix D) or "hyperformer" (Mahabadi et al. 2021):
            fields joined as "sentence1: … sentence2: …", labels as digits; or "encoder": as T5,
            but a similarity is not rounded, and each choice of a multiple choice is a text of its
            own.
        has_name_in_front: In the second, whether the inputs begin with the task's name, as
            they do where no adapters tell the tasks apart.

    Returns:
        The task in that wording.

    Raises:
        UsageError: If there is no such format, or the task has no wording in it.
    """
    if name not in FORMATS:
        raise UsageError(f"`format`: there is no format {name!r}; {nearest(name, FORMATS)}")
    if name == "t5":
        return task
    if name == "encoder":
        return _for_encoder(task)
    other = task.hyperformer or Rewording()
    digits = {word: str(number) for number, word in enumerate(task.label_words)}
    return dataclasses.replace(
        task,
        inputs=other.inputs or _inputs_without_name(task),
        targets=other.targets or task.targets,
        labels=other.labels or {value: digits[word] for value, word in task.labels.items()},
        prefix=f"{other.name or task.name} " if has_name_in_front else "",
    )


def _for_encoder(task: Task) -> Task:
    other = task.encoder or Rewording()
    return dataclasses.replace(
        task,
        inputs="" if other.choices else other.inputs or task.inputs,
        choices=other.choices or task.choices,
        targets=other.targets or task.targets,
        labels=other.labels or task.labels,
    )


def _inputs_without_name(task: Task) -> str:
    name = f"{task.name} "
    if isinstance(task.inputs, str) and task.inputs.startswith(name):
        return task.inputs.removeprefix(name)
    raise UsageError(f"task {task.name!r} has no wording in `format=hyperformer`")
