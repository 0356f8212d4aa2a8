"""A YAML file as values that know their lines, and what is said where one is of another kind."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from prep.errors import UsageError, nearest
from prep.storage.yaml_nodes import compose_yaml


@dataclasses.dataclass(frozen=True)
class Value:
    """A value of a YAML file and its line.

    Attributes:
        content: A text, a list of values, or a mapping from keys to values.
        line: Where it is, from 1; of a value in a mapping, where its key is.
    """

    content: Any
    line: int


class YamlReader:
    """A YAML file, read with line numbers; whatever is not as expected is an error with its line.

    Args:
        path: The file.
    """

    def __init__(self, path: Path):
        self.path = path

    def root(self) -> Value:
        """Read the file.

        Returns:
            What is in it; an empty list for an empty file.

        Raises:
            UsageError: If it is not YAML.
            OSError: If it cannot be read.
        """
        node = compose_yaml(self.path)
        try:
            return Value([], 1) if node is None else self._plain(node)
        except RecursionError:
            self.fail(1, "nested too deeply, or a value that holds itself")

    def fail(self, line: int, problem: str) -> NoReturn:
        """Raise a UsageError that names the file and a line."""
        raise UsageError(f"{self.path}:{line}: {problem}")

    def _plain(self, node: yaml.Node) -> Value:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            content: Any = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    self.fail(key.start_mark.line + 1, "expected a text as a key")
                if key.value in content:
                    self.fail(key.start_mark.line + 1, f"a second {key.value!r}")
                content[key.value] = dataclasses.replace(
                    self._plain(value), line=key.start_mark.line + 1
                )
            return Value(content, line)
        if isinstance(node, yaml.SequenceNode):
            return Value([self._plain(item) for item in node.value], line)
        return Value(node.value, line)  # as written: a label 0 or no stays a text

    def mapping(self, value: Value, keys: tuple[str, ...] = ()) -> dict[str, Value]:
        """Take keys and values; where `keys` are given, no others."""
        if not isinstance(value.content, dict):
            self.fail(value.line, f"expected keys and values, found {shown(value)}")
        for key, inner in value.content.items():
            if keys and key not in keys:
                self.fail(inner.line, f"there is no key {key!r}; {nearest(key, keys)}")
        return value.content

    def items(self, value: Value) -> list[Value]:
        """Take a list."""
        if not isinstance(value.content, list):
            self.fail(value.line, f"expected a list, found {shown(value)}")
        return value.content

    def text(self, value: Value) -> str:
        """Take a text that is not empty."""
        if not isinstance(value.content, str) or not value.content:
            self.fail(value.line, f"expected a text, found {shown(value)}")
        return value.content

    def texts(self, value: Value) -> tuple[str, ...]:
        """Take a list of texts."""
        return tuple(map(self.text, self.items(value)))

    def text_of_text(self, value: Value) -> dict[str, str]:
        """Take keys with a text each."""
        return {key: self.text(inner) for key, inner in self.mapping(value).items()}

    def number(self, value: Value, convert: Callable[[str], Any] = int) -> Any:
        """Take a finite number of zero or more."""
        try:
            number = convert(value.content)
        except (TypeError, ValueError):
            self.fail(value.line, f"expected a number, found {shown(value)}")
        if not 0 <= number < math.inf:
            self.fail(value.line, f"expected a number of zero or more, found {shown(value)}")
        return number


def shown(value: Value) -> str:
    """Show what was found in place of what was expected."""
    if isinstance(value.content, str):
        return repr(value.content) if value.content else "nothing"
    return "a list" if isinstance(value.content, list) else "keys and values"


def line_about(problem: str, keys: Mapping[str, Value], line: int) -> int:
    """Find the line of the key that a problem is about.

    Args:
        problem: A message, in which the key is a word, or that quotes an item of the key's list.
        keys: The keys there are.
        line: What to say if it is about none of them.

    Returns:
        The line.
    """
    items = [
        item
        for value in keys.values()
        for item in (value.content if isinstance(value.content, list) else ())
        if isinstance(item.content, str) and repr(item.content) in problem
    ]
    if items:  # the last one of what is quoted first: hints come later, and so do repetitions
        return min(reversed(items), key=lambda item: problem.index(repr(item.content))).line
    return next((value.line for key, value in keys.items() if f"{key} " in problem), line)
