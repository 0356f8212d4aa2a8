"""Tasks of a person's own: a YAML file of declarations, or a Python module with `Task` records.

A YAML file is checked key by key before anything is read, and every message names the line. What
cannot be said in YAML, row functions above all, is said in a module with a list `TASKS`.
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prep.errors import UsageError
from prep.sources.row import Row, RowError
from prep.tasks.row_steps import value_at
from prep.tasks.task import Rewording, Task
from prep.tasks.tasks_module import tasks_of_module
from prep.tasks.templates import fields_of
from prep.tasks.yaml_sources import read_files, read_hub, read_tfds
from prep.tasks.yaml_steps import STEPS, check_fields_made, columns_needed, read_steps
from prep.tasks.yaml_values import Value, YamlReader, line_about

_TASK_KEYS = (
    *("name", "kind", "description", "folder", "files", "carve", "fields", "inputs", "targets"),
    *("labels", "metrics", "truncation", "max_input_length", "max_target_length", "tfds", "hf"),
    *("hyperformer", "whole_words", "note", "objective", "answers", "group"),
    *("document", "no_answer", "language", "encoder", "choices"),
    *STEPS,
)
# What each of the other wordings may say; prep/tasks/wordings.py looks at nothing else.
_REWORDING_KEYS = {
    "hyperformer": ("inputs", "name", "targets", "labels"),
    "encoder": ("inputs", "targets", "labels", "choices"),
}
_REQUIRED_KEYS = ("name", "kind", "files", "inputs", "targets", "metrics")


def answers_in_field(field: str, row: Row) -> list[str]:
    """Lists the right answers that one field of a row holds.

    Args:
        field: Its name.
        row: A row where it is a list of texts, or a text with tabs between the answers.

    Returns:
        The answers that are not empty.

    Raises:
        RowError: If it is neither.
    """
    value = row[field]
    texts = value.split("\t") if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RowError("unusable field", f"{field!r} is neither a text nor a list of texts")
    return [text.strip() for text in texts if text.strip()]


def nested_answers(path: str, row: Row) -> list[str]:
    """List the right answers that lie inside a field of a row.

    Args:
        path: Such as "answers.text": of an object with lists, or of a list of objects.
        row: A row.

    Returns:
        The answers that are not empty.

    Raises:
        RowError: If there are no texts.
    """
    return answers_in_field(path, {path: value_at(row, path)})


def answers_or_none(path: str, word: str, row: Row) -> list[str]:
    """List the right answers of a row; where there is none, the word that says so.

    Args:
        path: A field, or the way into it, such as "answers.text".
        word: What to answer where there is no answer.
        row: A row whose answers may be an empty list, an empty text or null.

    Returns:
        The answers, at least one.

    Raises:
        RowError: If there is no such field, or an answer is the word.
    """
    value = None if _is_null_on_the_way(row, path) else value_at(row, path)
    answers = [] if value is None else answers_in_field(path, {path: value})
    if word in answers:
        raise RowError("an answer is what `no_answer` says", repr(word))
    return answers or [word]


def _is_null_on_the_way(row: Row, path: str) -> bool:
    """Tell whether `answers` itself is null where "answers.text" is asked for."""
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
        if value is None:
            return True
    return False


def load_tasks(path: Path) -> tuple[Task, ...]:
    """Read tasks from a YAML file or a Python module.

    Args:
        path: A file that ends with .yaml, .yml or .py.

    Returns:
        The tasks, in order.

    Raises:
        UsageError: If one is not a task; it names the file and the line.
        OSError: If the file cannot be read.
    """
    if path.suffix == ".py":
        return tasks_of_module(path)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path}: expected a .yaml file or a .py module with tasks")
    return _TasksFile(path).tasks()


class _TasksFile:
    """A YAML file of tasks.

    Args:
        path: The file.
    """

    def __init__(self, path: Path):
        self._reader = YamlReader(path)

    def tasks(self) -> tuple[Task, ...]:
        entries = self._reader.items(self._reader.root())
        if not entries:
            self._reader.fail(1, "expected a list of tasks, each with a name")
        tasks = [self._task(entry) for entry in entries]
        for index, task in enumerate(tasks):
            if task.name in [other.name for other in tasks[:index]]:
                self._reader.fail(entries[index].line, f"a second task {task.name!r}")
        return tuple(tasks)

    def _task(self, entry: Value) -> Task:
        reader = self._reader
        keys = reader.mapping(entry, _TASK_KEYS)
        for key in _REQUIRED_KEYS:
            is_made_elsewhere = (
                key == "targets" and ("objective" in keys or "answers" in keys)
            ) or (key == "inputs" and "choices" in keys)
            if key not in keys and not is_made_elsewhere:
                reader.fail(entry.line, f"the task has no {key!r}")
        name = reader.text(keys["name"])
        given = {
            **self._what_it_says(keys),
            "source": read_files(reader, name, keys),
            **self._fields(keys),
        }
        try:
            return Task(**{"name": name, "description": name, "inputs": "", "targets": ""} | given)
        except UsageError as error:
            problem = str(error).removeprefix(f"task {name!r}: ")
            reader.fail(line_about(problem, keys, entry.line), str(error))

    def _what_it_says(self, keys: Mapping[str, Value]) -> dict[str, Any]:
        """Read the keys that are a field of the task each."""
        reader = self._reader
        readers: dict[str, Callable[[Value], Any]] = {
            **dict.fromkeys(("kind", "description", "truncation", "objective"), reader.text),
            **dict.fromkeys(("inputs", "targets", "group", "document"), self._template),
            **dict.fromkeys(("whole_words", "metrics"), reader.texts),
            **dict.fromkeys(("max_input_length", "max_target_length"), reader.number),
            "labels": reader.text_of_text,
            **dict.fromkeys(("no_answer", "language"), reader.text),
            **{
                wording: functools.partial(self._rewording, allowed)
                for wording, allowed in _REWORDING_KEYS.items()
            },
            "choices": self._templates,
            "tfds": functools.partial(read_tfds, reader),
            "hf": functools.partial(read_hub, reader),
        }
        return {key: read(keys[key]) for key, read in readers.items() if key in keys}

    def _fields(self, keys: Mapping[str, Value]) -> dict[str, Any]:
        """Read what rows must have, and what is made of them before they are worded."""
        reader = self._reader
        named: list[str] = []
        for key in ("inputs", "targets"):
            named += fields_of(keys[key].content) if key in keys else ()
        for template in self._templates(keys["choices"]) if "choices" in keys else ():
            named += fields_of(template)
        given: dict[str, Any] = {}
        answers: list[str] = []
        if "answers" in keys:
            path = reader.text(keys["answers"])
            given["answers"] = self._answers(path, keys)
            answers = [path.split(".")[0]]
            named += [] if "no_answer" in keys else answers
        fields = tuple(dict.fromkeys(named))
        given["fields"] = reader.texts(keys["fields"]) if "fields" in keys else fields
        named = [*fields, *answers, *given["fields"]]
        for key in ("group", "document"):
            named += fields_of(keys[key].content) if key in keys else ()
        given["row_functions"] = read_steps(reader, keys)
        given["columns"] = columns_needed(reader, keys, named)
        for wording in set(_REWORDING_KEYS) & set(keys):
            reworded = reader.mapping(keys[wording])
            for key in {"inputs", "targets"} & set(reworded):
                named += fields_of(self._template(reworded[key]))
            for template in self._templates(reworded["choices"]) if "choices" in reworded else ():
                named += fields_of(template)
        check_fields_made(reader, keys, named)
        return given

    def _answers(self, path: str, keys: Mapping[str, Value]) -> Callable[[Row], list[str]]:
        if "no_answer" in keys:
            word = self._reader.text(keys["no_answer"])
            return functools.partial(answers_or_none, path, word)
        if "." in path:
            return functools.partial(nested_answers, path)
        return functools.partial(answers_in_field, path)

    def _template(self, value: Value) -> str:
        template = self._reader.text(value)
        try:
            fields = fields_of(template)
        except ValueError as error:
            self._reader.fail(value.line, f"the template {template!r} is wrong: {error}")
        if not fields:
            self._reader.fail(value.line, f"the template {template!r} names no {{field}}")
        return template

    def _templates(self, value: Value) -> tuple[str, ...]:
        return tuple(map(self._template, self._reader.items(value)))

    def _rewording(self, allowed: tuple[str, ...], value: Value) -> Rewording:
        readers: dict[str, Callable[[Value], Any]] = {
            **dict.fromkeys(("inputs", "name", "targets"), self._reader.text),
            "labels": self._reader.text_of_text,
            "choices": self._templates,
        }
        keys = self._reader.mapping(value, allowed)
        if not keys:
            self._reader.fail(value.line, f"nothing is worded anew; keys: {', '.join(allowed)}")
        if {"inputs", "choices"} <= set(keys):
            line = keys["inputs"].line
            self._reader.fail(line, "choices take the place of inputs: expected one of them")
        return Rewording(**{key: readers[key](inner) for key, inner in keys.items()})
