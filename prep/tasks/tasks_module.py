"""Tasks of one's own in a Python module, imported by its path."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from prep.errors import UsageError
from prep.tasks.task import Task


def module_name(path: Path) -> str:
    """Name a module after its path, so that every process gives it the same name.

    Args:
        path: A .py file.

    Returns:
        A name that no installed module has.
    """
    path = path.resolve()
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def import_module(path: Path, name: str = "") -> Any:
    """Import a module by its path, under a name that every process gives it.

    Args:
        path: A .py file.
        name: Its name where it was first imported, if this file is a copy from another machine.

    Returns:
        The module, the same at every call.

    Raises:
        UsageError: If it cannot be imported.
        OSError: If it cannot be read.
    """
    path = path.resolve()
    name = name or module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    path.stat()  # a missing file is better told of by the system than by the import machinery
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before running it, so that what it defines can be pickled
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        line = _line_of(error, path)
        raise UsageError(f"{path}:{line}: {type(error).__name__}: {error}") from error
    return module


def _line_of(error: BaseException, path: Path) -> int:
    """Find the last line of the file that the error passed through."""
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def tasks_of_module(path: Path) -> tuple[Task, ...]:
    """Read the tasks that a module lists.

    Args:
        path: A .py file with a list TASKS.

    Returns:
        The tasks.

    Raises:
        UsageError: If the module cannot be imported, or has no such list.
        OSError: If it cannot be read.
    """
    tasks = getattr(import_module(path), "TASKS", None)
    if not isinstance(tasks, list | tuple) or not all(isinstance(task, Task) for task in tasks):
        raise UsageError(f"{path}: expected a list TASKS of prep.Task records")
    return tuple(tasks)
