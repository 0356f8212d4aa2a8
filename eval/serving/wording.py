"""How the inputs of a task are worded, where that is a plain template: inside a program."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from prep import Manifest, Task, TaskEntry, UsageError, get_task
from prep.tasks.digest import definition_digest
from prep.tasks.wordings import worded_as


@dataclass(frozen=True)
class Template:
    """A template over named fields.

    Attributes:
        fields: In the order of their first places.
        parts: Texts between fields, one more than there are places.
        places: Which of the fields goes behind each part but the last.
    """

    fields: tuple[str, ...]
    parts: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Template | None:
        """Take a template apart; None where its fields are more than names."""
        parts, names, pending = [], [], ""
        for literal, name, form, conversion in string.Formatter().parse(text):
            pending += literal
            if name is None:
                continue
            if form or conversion or not name.isidentifier():
                return None
            parts.append(pending)
            names.append(name)
            pending = ""
        fields = tuple(dict.fromkeys(names))
        if not fields:
            return None
        return cls(fields, (*parts, pending), tuple(map(fields.index, names)))

    def fill(self, columns: Sequence[tf.Tensor]) -> tf.Tensor:
        """Fill it.

        Args:
            columns: Strings [B], one tensor for each field.

        Returns:
            Strings [B].
        """
        first, *others = self.parts
        pieces: list[tf.Tensor | str] = [first]
        for place, part in zip(self.places, others, strict=True):
            pieces += [columns[place], part]
        return tf.strings.join(pieces)


def find_declared(
    entry: TaskEntry, manifest: Manifest, own_tasks: Mapping[str, Task]
) -> Task | None:
    """Find the declaration of a task that a dataset was built from.

    Args:
        entry: Of the task.
        manifest: Of the dataset.
        own_tasks: Tasks of a person's own, by name; they go before those of the same name here.

    Returns:
        The task as the dataset words it; None where there is none, or it has changed since.
    """
    try:
        task = own_tasks.get(entry.name) or get_task(entry.name)
    except UsageError:
        return None
    for has_name_in_front in (False, True):
        try:
            worded = worded_as(task, manifest.format, has_name_in_front)
        except UsageError:
            return None
        if definition_digest(worded) == entry.definition:
            return dataclasses.replace(worded, truncation=entry.truncation)
    return None


def template_of(task: Task | None) -> tuple[Template | None, str]:
    """Find the template of a task whose texts are made by nothing but a template.

    Args:
        task: As the dataset words it; None where that is not known.

    Returns:
        The template; None where there is none, and why.
    """
    if task is None:
        return None, "the declaration that its dataset was built with is not here (--tasks-file)"
    if task.all_row_functions:
        return None, "its rows are changed before they are worded, by `round`, say, or a function"
    if task.objective:
        return None, "its inputs are raw text"
    if task.choices:
        return None, "each of its choices is a text"
    if not isinstance(task.inputs, str):
        return None, "its inputs are worded by a function"
    prefix = task.prefix.replace("{", "{{").replace("}", "}}")
    template = Template.of(prefix + task.inputs)
    return template, "" if template else "its template has more than names of fields"


def longest_input(entry: TaskEntry, manifest: Manifest, task: Task | None) -> int:
    """Tell how many tokens of an input a dataset keeps, EOS included.

    Args:
        entry: Of the task.
        manifest: Of the dataset.
        task: What it was built from; None where that is not known, which leaves what the longest
            of inputs that were cut tells.

    Returns:
        Tokens.
    """
    if task is not None:
        return min(manifest.max_input_length, task.max_input_length or manifest.max_input_length)
    cut = [one for one in entry.splits.values() if one.truncated > one.truncated_targets]
    return max((one.longest_input for one in cut), default=manifest.max_input_length)
