"""A trained run that grows by a task: only the new task's row trains."""
