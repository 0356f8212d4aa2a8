"""A fingerprint of how a task words its rows, so that a changed task is noticed."""

import functools
import hashlib
import inspect
from collections.abc import Callable

from prep.tasks.task import Task


def definition_digest(task: Task) -> str:
    """Fingerprint whatever decides how a row is worded, so that a changed task is noticed.

    Args:
        task: The task.

    Returns:
        Sixteen hexadecimal digits.
    """
    parts: list[object] = [
        task.fields,
        _source_of(task.inputs),
        _source_of(task.targets),
        task.labels,
    ]
    if task.all_row_functions:
        parts += [_source_of(function) for function in task.all_row_functions]
    if task.prefix:
        parts.append(task.prefix)
    if task.max_input_length or task.max_target_length:
        parts += [task.max_input_length, task.max_target_length]
    if task.choices:
        several = task.choices
        parts += [_source_of(one) for one in ((several,) if callable(several) else several)]
    if task.objective:
        parts.append(task.objective)
    parts += [_source_of(part) for part in (task.answers, task.group, task.document) if part]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _source_of(wording: str | Callable) -> str:
    if isinstance(wording, str):
        return wording
    if isinstance(wording, functools.partial):
        return f"{inspect.getsource(wording.func)}{wording.args}{wording.keywords}"
    return inspect.getsource(wording)
