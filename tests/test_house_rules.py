"""Rules of the house that no linter knows."""

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for folder in ("prep", "adapters_tf", "trainer", "eval", "tests", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname) for alias in node.names)


def test_there_is_something_to_check():
    assert len(SOURCES) > 60


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_hides_the_builtin_eval(path):
    """`import eval` would make the builtin unreachable; `from eval import …` is the way."""
    assert ("eval", None) not in list(imported_modules(path))


@pytest.mark.parametrize("package", ("prep", "adapters_tf", "trainer", "eval"))
def test_every_wing_is_a_package(package):
    """Setuptools leaves out what has no `__init__.py`; its docstring says what is in the wing."""
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    for folder in folders:
        text = (folder / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), folder


def test_pytest_goes_into_every_folder_of_tests(pytestconfig):
    """What it has been told to pass by, `build` by default, would not be missed by anybody."""
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    names = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    assert "build" in names
    passed_by = pytestconfig.getini("norecursedirs")
    assert [name for name in sorted(names) if any(fnmatch(name, one) for one in passed_by)] == []


def test_make_help_lists_every_target():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    phony = next(line for line in lines if line.startswith(".PHONY:")).split()[1:]
    described = {line.split(":")[0] for line in lines if "## " in line and line[0].isalpha()}
    targets = {line.split(":")[0] for line in lines if line[:1].isalpha() and ":" in line}
    targets -= {line.split(" ")[0] for line in lines if "=" in line.split(":")[0]}
    # `setup` is described where its file target is named.
    assert set(phony) == described
    assert {target for target in targets if " " not in target} <= set(phony)
