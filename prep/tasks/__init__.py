"""Every task there is, by name: one explicit table, nothing registers itself.

Adding a task: write its record in the file of its family, and name it in that file's TASKS.
"""

from collections.abc import Collection

from prep.errors import UsageError, nearest
from prep.tasks.catalogue import (
    commonsense,
    data_to_text,
    glue,
    inference,
    inflection,
    questions,
    russian,
    scan,
    superglue,
    superglue_reading,
    synthetic,
    topics,
    translation,
)
from prep.tasks.task import Task

ALL_TASKS = (
    *glue.TASKS,
    *superglue.TASKS,
    *superglue_reading.TASKS,
    *inference.TASKS,
    *topics.TASKS,
    *commonsense.TASKS,
    *questions.TASKS,
    *data_to_text.TASKS,
    *translation.TASKS,
    *russian.TASKS,
    *inflection.TASKS,
    *scan.TASKS,
    *synthetic.TASKS,
)

TASKS_BY_NAME = {task.name: task for task in ALL_TASKS}


def get_task(name: str, others: Collection[str] = ()) -> Task:
    """Look a task up.

    Args:
        name: The task's name.
        others: Names of tasks that are known elsewhere, for the hint in a message.

    Returns:
        The task.

    Raises:
        UsageError: If there is no such task; names the nearest one.
    """
    if name.startswith(inflection.PREFIX) and name not in TASKS_BY_NAME:
        return inflection.inflection_task(name.removeprefix(inflection.PREFIX))
    if name not in TASKS_BY_NAME:
        hint = nearest(name, [*TASKS_BY_NAME, *others])
        raise UsageError(f"unknown task {name!r}; {hint}; `python -m prep tasks` lists all")
    return TASKS_BY_NAME[name]
