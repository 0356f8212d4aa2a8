"""Tasks of a person's own: a YAML file of declarations, or a Python module with `Task` records.

A YAML file is checked key by key before anything is read, and every message names the line. What
cannot be said in YAML, row functions above all, is said in a module with a list `TASKS`.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, get_args

import yaml

from prep.errors import UsageError, nearest
from prep.sources.declarations import (
    FILE_FORMATS,
    Carve,
    FileFormat,
    FileSource,
    FileSpec,
    HubSource,
    Layout,
    TfdsSource,
)
from prep.sources.row import Row, RowError
from prep.tasks.row_steps import join_fields
from prep.tasks.task import Rewording, Task
from prep.tasks.tasks_module import tasks_of_module
from prep.tasks.templates import fields_of

_SUFFIX_FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".json": "json"}
_SUFFIX_FORMATS |= {".parquet": "parquet", ".txt": "lines"}
_TASK_KEYS = (
    *("name", "kind", "description", "folder", "files", "carve", "fields", "inputs", "targets"),
    *("labels", "metrics", "truncation", "max_input_length", "max_target_length", "tfds", "hf"),
    *("hyperformer", "whole_words", "note", "objective", "answers", "group", "join"),
    *("language",),
)
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


@dataclasses.dataclass(frozen=True)
class _Value:
    """A value of a YAML file and its line.

    Attributes:
        content: A text, a list of values, or a mapping from keys to values.
        line: Where it is, from 1; of a value in a mapping, where its key is.
    """

    content: Any
    line: int


class _TasksFile:
    """A YAML file of tasks, read with line numbers.

    Args:
        path: The file.
    """

    def __init__(self, path: Path):
        self._path = path

    def tasks(self) -> tuple[Task, ...]:
        try:
            root = yaml.compose(self._path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fail(mark.line + 1 if mark else 1, f"not YAML: {error.problem}")
        except UnicodeDecodeError as error:
            self._fail(1, f"not UTF-8: {error}")
        entries = self._list(self._plain(root)) if root is not None else []
        if not entries:
            self._fail(1, "expected a list of tasks, each with a name")
        tasks = [self._task(entry) for entry in entries]
        for index, task in enumerate(tasks):
            if task.name in [other.name for other in tasks[:index]]:
                self._fail(entries[index].line, f"a second task {task.name!r}")
        return tuple(tasks)

    def _fail(self, line: int, problem: str) -> NoReturn:
        raise UsageError(f"{self._path}:{line}: {problem}")

    def _plain(self, node: yaml.Node) -> _Value:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            content: Any = {}
            for key, value in node.value:
                if key.value in content:
                    self._fail(key.start_mark.line + 1, f"a second {key.value!r}")
                content[key.value] = dataclasses.replace(
                    self._plain(value), line=key.start_mark.line + 1
                )
            return _Value(content, line)
        if isinstance(node, yaml.SequenceNode):
            return _Value([self._plain(item) for item in node.value], line)
        return _Value(node.value, line)  # as written: a label 0 or no stays a text

    def _mapping(self, value: _Value, keys: tuple[str, ...] = ()) -> dict[str, _Value]:
        if not isinstance(value.content, dict):
            self._fail(value.line, f"expected keys and values, found {_shown(value)}")
        for key, inner in value.content.items():
            if keys and key not in keys:
                self._fail(inner.line, f"there is no key {key!r}; {nearest(key, keys)}")
        return value.content

    def _list(self, value: _Value) -> list[_Value]:
        if not isinstance(value.content, list):
            self._fail(value.line, f"expected a list, found {_shown(value)}")
        return value.content

    def _text(self, value: _Value) -> str:
        if not isinstance(value.content, str) or not value.content:
            self._fail(value.line, f"expected a text, found {_shown(value)}")
        return value.content

    def _texts(self, value: _Value) -> tuple[str, ...]:
        return tuple(map(self._text, self._list(value)))

    def _text_of_text(self, value: _Value) -> dict[str, str]:
        return {key: self._text(inner) for key, inner in self._mapping(value).items()}

    def _number(self, value: _Value, convert: Callable[[str], Any] = int) -> Any:
        try:
            return convert(value.content)
        except (TypeError, ValueError):
            self._fail(value.line, f"expected a number, found {_shown(value)}")

    def _task(self, entry: _Value) -> Task:
        keys = self._mapping(entry, _TASK_KEYS)
        for key in _REQUIRED_KEYS:
            is_made_elsewhere = key == "targets" and ("objective" in keys or "answers" in keys)
            if key not in keys and not is_made_elsewhere:
                self._fail(entry.line, f"the task has no {key!r}")
        name = self._text(keys["name"])
        if not name.replace("_", "a").replace("-", "a").isalnum():
            self._fail(keys["name"].line, f"{name!r}: expected letters, digits, '_' and '-' only")
        given: dict[str, Any] = {
            key: read(keys[key])
            for key, read in (
                ("labels", self._text_of_text),
                ("whole_words", self._texts),
                ("truncation", self._text),
                ("objective", self._text),
                ("answers", self._answers),
                ("group", self._text),
                ("language", self._text),
                ("max_input_length", self._number),
                ("max_target_length", self._number),
                ("hyperformer", self._rewording),
                ("tfds", self._tfds),
                ("hf", self._hub),
            )
            if key in keys
        }
        inputs = self._text(keys["inputs"])
        targets = self._text(keys["targets"]) if "targets" in keys else ""
        for key in ("inputs", "targets", "group"):
            if key in keys:
                self._check_template(keys[key])
        answers = self._text(keys["answers"]) if "answers" in keys else ""
        named = (*fields_of(inputs), *fields_of(targets), answers)
        named = tuple(filter(None, dict.fromkeys(named)))
        if "join" in keys:
            given["row_functions"] = (
                functools.partial(join_fields, self._separators(keys["join"])),
            )
            given["columns"] = named
        try:
            return Task(
                name=name,
                kind=self._text(keys["kind"]),
                description=self._text(keys["description"]) if "description" in keys else name,
                fields=self._texts(keys["fields"]) if "fields" in keys else named,
                inputs=inputs,
                targets=targets,
                metrics=self._texts(keys["metrics"]),
                source=self._files(name, keys),
                **given,
            )
        except UsageError as error:
            if str(error).startswith(f"{self._path}:"):
                raise
            self._fail(_line_about(str(error), keys, entry.line), str(error))

    def _check_template(self, value: _Value) -> None:
        try:
            fields = fields_of(value.content)
        except ValueError as error:
            self._fail(value.line, f"the template {value.content!r} is wrong: {error}")
        if not fields:
            self._fail(value.line, f"the template {value.content!r} names no {{field}}")

    def _answers(self, value: _Value) -> Callable[[Row], list[str]]:
        return functools.partial(answers_in_field, self._text(value))

    def _separators(self, value: _Value) -> dict[str, str]:
        separators = self._mapping(value)
        for separator in separators.values():
            if not isinstance(separator.content, str):
                self._fail(
                    separator.line, f"expected what to put between, found {_shown(separator)}"
                )
        return {name: separator.content for name, separator in separators.items()}

    def _rewording(self, value: _Value) -> Rewording:
        keys = self._mapping(value, ("inputs", "name", "targets", "labels"))
        texts = {key: self._text(inner) for key, inner in keys.items() if key != "labels"}
        labels = self._text_of_text(keys["labels"]) if "labels" in keys else {}
        return Rewording(labels=labels, **texts)

    def _tfds(self, value: _Value) -> TfdsSource:
        return TfdsSource(**self._named(value, "folder"))

    def _hub(self, value: _Value) -> HubSource:
        return HubSource(**self._named(value, "revision"))

    def _named(self, value: _Value, extra: str) -> dict[str, Any]:
        keys = self._mapping(value, ("name", "config", "splits", "rename", "labels", extra))
        if "name" not in keys:
            self._fail(value.line, "expected the 'name' of the dataset")
        is_mapping = ("splits", "rename", "labels")
        return {
            key: self._text_of_text(inner) if key in is_mapping else self._text(inner)
            for key, inner in keys.items()
        }

    def _files(self, name: str, keys: Mapping[str, _Value]) -> FileSource:
        files = {split: self._file(value) for split, value in self._mapping(keys["files"]).items()}
        if not files:
            self._fail(keys["files"].line, "expected a file per split")
        carve = self._carve(keys["carve"], files) if "carve" in keys else None
        note = self._text(keys["note"]) if "note" in keys else ""
        folder = self._text(keys["folder"]) if "folder" in keys else name
        return FileSource((folder,), (Layout(files, carve, note),))

    def _file(self, value: _Value) -> FileSpec:
        keys = (
            {"name": value}
            if isinstance(value.content, str)
            else self._mapping(value, tuple(field.name for field in dataclasses.fields(FileSpec)))
        )
        if "name" not in keys:
            self._fail(value.line, "expected the 'name' of a file")
        name = self._text(keys["name"])
        return FileSpec(
            name=name,
            format=self._format(name, keys.get("format"), value.line),
            columns=self._texts(keys["columns"]) if "columns" in keys else (),
            encoding=self._text(keys["encoding"]) if "encoding" in keys else "utf-8",
            delimiter=self._text(keys["delimiter"]) if "delimiter" in keys else "",
            rename=self._text_of_text(keys["rename"]) if "rename" in keys else {},
            records=self._texts(keys["records"]) if "records" in keys else (),
            parts=self._texts(keys["parts"]) if "parts" in keys else (),
        )

    def _format(self, name: str, given: _Value | None, line: int) -> FileFormat:
        suffix = Path(name.removesuffix(".gz")).suffix
        chosen = self._text(given) if given else _SUFFIX_FORMATS.get(suffix, "")
        for known in get_args(FileFormat):
            if chosen == known:
                return known
        if given:
            self._fail(
                given.line, f"there is no format {chosen!r}; {nearest(chosen, FILE_FORMATS)}"
            )
        self._fail(line, f"{name} does not tell its format: add 'format'")

    def _carve(self, value: _Value, files: Mapping[str, FileSpec]) -> Carve:
        keys = self._mapping(value, ("split", "from", "share", "rows", "seed"))
        if "split" not in keys or "from" not in keys or ("share" in keys) == ("rows" in keys):
            self._fail(value.line, "expected 'split', 'from', and either 'share' or 'rows'")
        source = self._text(keys["from"])
        if source not in files:
            self._fail(keys["from"].line, f"no file for {source!r}; {nearest(source, files)}")
        return Carve(
            self._text(keys["split"]),
            source,
            self._number(keys["share"], float) if "share" in keys else 0.0,
            self._number(keys["seed"]) if "seed" in keys else 0,
            self._number(keys["rows"]) if "rows" in keys else 0,
        )


def _line_about(problem: str, keys: Mapping[str, _Value], line: int) -> int:
    """Find the line of the key that a problem found by `Task` itself is about."""
    return next((value.line for key, value in keys.items() if f"{key} " in problem), line)


def _shown(value: _Value) -> str:
    if isinstance(value.content, str):
        return repr(value.content) if value.content else "nothing"
    return "a list" if isinstance(value.content, list) else "keys and values"
