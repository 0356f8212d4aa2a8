"""Every public name of a face is there and says what it is."""

import ast
import importlib
import inspect
import types
import typing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("prep", "adapters_tf", "eval", "trainer")
FACES = [
    ".".join(file.parent.relative_to(ROOT).parts)
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("__init__.py"))
    if "__all__" in file.read_text(encoding="utf-8")
]


def public_names(face):
    module = importlib.import_module(face)
    return {name: getattr(module, name) for name in module.__all__}


def is_described_elsewhere(value):
    """Constants, and names of types that are made of others, have no docstring to ask for.

    What they are is said in a comment where they are assigned, or by their own name.
    """
    if (
        typing.get_origin(value) is not None
    ):  # such as dict[str, Any], which Python 3.10 calls a class
        return True
    return not isinstance(value, type | types.FunctionType)


def own_docstring(value):
    """The docstring in the source: a dataclass without one is given one by Python."""
    file = inspect.getsourcefile(inspect.unwrap(value))
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == value.__name__:
            return ast.get_docstring(node)
    return None


def test_the_packages_and_some_rooms_have_a_face():
    assert {*PACKAGES, "prep.sources", "adapters_tf.methods"} <= set(FACES)


@pytest.mark.parametrize("face", FACES)
def test_public_names_are_there_once(face):
    names = list(public_names(face))
    assert names and len(set(names)) == len(names)
    assert [name for name in names if name.startswith("_")] == []


@pytest.mark.parametrize("face", FACES)
def test_public_names_say_what_they_are(face):
    values = public_names(face)
    asked = {name: value for name, value in values.items() if not is_described_elsewhere(value)}
    assert [name for name, value in asked.items() if not own_docstring(value)] == []
    # Whoever names a class like a constant would get around this.
    assert [name for name in asked if name.isupper()] == []


def test_what_has_no_docstring_is_found():
    assert own_docstring(public_names) is None
    assert own_docstring(own_docstring)
    assert is_described_elsewhere(dict[str, int]) and is_described_elsewhere(("a", "b"))
    assert not is_described_elsewhere(dict)


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_that_there_are_types(package):
    assert (ROOT / package / "py.typed").is_file()
