"""A file of settings, checked line by line before it is read: every mistake has its place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import yaml

from adapters_tf.runs.sections import RENAMED
from prep.errors import UsageError, nearest
from prep.storage.yaml_nodes import compose_yaml
from trainer.settings.choices import find_wrong_choice
from trainer.settings.config import RunConfig

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_EXPECTED |= {dict: "keys and values", list: "a list"}
_PYTHON_TAG = "tag:yaml.org,2002:python/"


def check_config_file(path: str) -> None:
    """Refuse a file whose keys or values cannot be settings.

    Args:
        path: A YAML or JSON file.

    Raises:
        UsageError: It is not there or not YAML, a key is unknown or stands there twice, a value is
            of another type. It names the file, the line and the nearest key.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"--config {path}: there is no such file")
    root = compose_yaml(path)
    if root is None:
        _fail(path, 1, "the file is empty; expected settings such as data: {batch_size: 8}")
    if isinstance(root, yaml.SequenceNode):
        _fail(
            path, 1, "a list, as a file of tasks is (`prep build --tasks-file`); expected settings"
        )
    try:
        _check_section(path, root, RunConfig, "")
    except RecursionError:
        _fail(path, 1, "nested too deeply, or a value holds itself")


def _check_section(path: str, node: yaml.Node, section: Any, name: str) -> None:
    """Check the keys and values of a section, or of the whole file."""
    if not isinstance(node, yaml.MappingNode):
        what = name or "a file of settings"
        _fail(path, _line(node), f"{what}: expected keys and values, found {_shown(node)}")
    hints = get_type_hints(section)
    seen: set[str] = set()
    for key, value in node.value:
        word = str(key.value)
        if word in seen:
            _fail(path, _line(key), f"a second {(name and name + '.') + word!r}")
        seen.add(word)
        field, hint = _look_up(word, hints, name)
        if hint is None:
            _fail(path, _line(key), f"there is no key {field!r}; {_hint_for(word, hints, name)}")
        _check_value(path, value, hint, field)


def _look_up(word: str, hints: dict[str, Any], name: str) -> tuple[str, Any]:
    """Find a key's full name, and its type; None where there is no such key."""
    if name and (name, word) in ((section, old) for section, (old, _) in RENAMED.items()):
        word = RENAMED[name][1]
    if not name and "." in word:  # data.batch_size, as options are written
        section, _, inner = word.partition(".")
        if section in hints and dataclasses.is_dataclass(hints[section]):
            return _look_up(inner, get_type_hints(hints[section]), section)
    return (f"{name}.{word}" if name else word), hints.get(word)


def _hint_for(word: str, hints: dict[str, Any], section: str) -> str:
    """Name the nearest key; at the top of a file, also one that lacks its section."""
    if section:
        return nearest(word, hints)
    settings = list(_settings(hints))
    within = [setting for setting in settings if setting.endswith(f".{word}")]
    return f"did you mean {within[0]!r}?" if within else nearest(word, settings)


def _settings(hints: dict[str, Any]) -> Iterator[str]:
    """List the sections, and the settings in them as options are written."""
    for name, hint in hints.items():
        yield name
        if dataclasses.is_dataclass(hint):
            yield from (f"{name}.{inner}" for inner in get_type_hints(hint))


def _check_value(path: str, node: yaml.Node, hint: Any, name: str) -> None:
    if dataclasses.is_dataclass(hint):
        _check_section(path, node, hint, name)
        return
    if hint is Any:
        return
    wanted = get_args(hint) if get_origin(hint) not in (dict, list, None) else (hint,)
    kinds = [get_origin(one) or one for one in wanted]
    _check_tags(path, node)
    if not any(_fits(node, kind) for kind in kinds):
        expected = " or ".join(_EXPECTED[kind] for kind in kinds if kind is not NoneType)
        is_text_once_quoted = isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":null")
        advice = "; in quotes it is one" if kinds[0] is str and is_text_once_quoted else ""
        _fail(path, _line(node), f"{name}: expected {expected}, found {_shown(node)}{advice}")
    if isinstance(node, yaml.ScalarNode) and (problem := find_wrong_choice(name, node.value)):
        _fail(path, _line(node), problem)
    for one, kind in zip(wanted, kinds, strict=True):
        if kind is dict and isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                _check_value(path, value, get_args(one)[1], f"{name}.{key.value}")
        if kind is list and isinstance(node, yaml.SequenceNode):
            for item in node.value:
                _check_value(path, item, get_args(one)[0], name)
    for inner in repeated_keys(node):
        _fail(path, _line(inner), f"a second {inner.value!r} in {name}")


def _fits(node: yaml.Node, kind: Any) -> bool:
    if kind in (dict, list):
        return isinstance(node, yaml.MappingNode if kind is dict else yaml.SequenceNode)
    if not isinstance(node, yaml.ScalarNode):
        return False
    tag = node.tag.rpartition(":")[2]
    if kind is NoneType or tag == "null":
        return kind is NoneType and tag == "null"
    if kind is bool:
        return tag == "bool"
    if kind in (int, float):
        try:
            kind(node.value.replace("_", ""))  # YAML 1.1 takes 3e-4 for a text
        except ValueError:
            return False
        return tag != "bool"
    return tag in ("str", "timestamp")  # not `no`, which YAML takes for false


def _check_tags(path: str, node: yaml.Node) -> None:
    """Refuse what asks for more than numbers, texts, lists and mappings, at any depth."""
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith(_PYTHON_TAG):
        shown = node.tag.replace("tag:yaml.org,2002:", "!!", 1)
        _fail(path, _line(node), f"the tag {shown!r} is none of a setting's")
    if not isinstance(node, yaml.ScalarNode):
        for inner in node.value:
            for one in inner if isinstance(inner, tuple) else (inner,):
                _check_tags(path, one)


def repeated_keys(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """Find keys that stand twice in one mapping, at any depth.

    Args:
        node: Of a YAML text; None for an empty one.

    Yields:
        The second of each.

    Raises:
        RecursionError: It is nested too deeply, or holds itself.
    """
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from repeated_keys(item)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                yield key
            seen.add(str(key.value))
            yield from repeated_keys(value)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        is_null = node.tag.endswith(":null")
        return "nothing" if is_null and not node.value else json.dumps(node.value[:40])
    return "keys and values" if isinstance(node, yaml.MappingNode) else "a list"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _fail(path: str, line: int, problem: str) -> NoReturn:
    raise UsageError(f"{path}:{line}: {problem}")
