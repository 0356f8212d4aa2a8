"""`make test PART=…`: the tests of one room, by its short name.

A part is a folder below tests (`prep/tokens`), a file there without `test_` and `.py`
(`prep/tokens/packing`), or a folder and a word that the names of some tests in it have
(`adapters_tf/methods/lora`: the cases of that method among those of all).
"""

import contextlib
import difflib
import io
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# A file of cases that other files of its folder share; a file's part has its own cases of them.
HARNESS = "test_harness.py"
RUN = ("-n", "2", "--dist", "loadgroup")
MOST = 12  # names in a message


class UnknownPartError(ValueError):
    """Nothing is called so."""


def find_part(part: str, tests: Path = TESTS) -> list[str]:
    """Turn a part into pytest's arguments.

    Args:
        part: As the user wrote it.
        tests: The folder it lies below.

    Returns:
        Folders or files, and perhaps a word to choose tests by.

    Raises:
        UnknownPartError: Neither the part nor the folder it would lie in is there; the message
            names the nearest.
    """
    name = part.strip("/").removeprefix("tests/").removesuffix(".py")
    folder, _, last = name.rpartition("/")
    stem = last.removeprefix("test_")
    file = tests / folder / f"test_{stem}.py"
    if name and (tests / name).is_dir() and parts_in(tests / name):
        return [str(tests / name)]
    if file.is_file():
        harness = file.with_name(HARNESS)
        shares = harness.is_file() and harness != file
        return [str(file), str(harness), "-k", stem] if shares else [str(file)]
    if folder and stem and parts_in(tests / folder):
        return [str(tests / folder), "-k", stem]
    raise UnknownPartError(f"there are no tests {part!r}; {nearest(name, parts_in(tests))}")


def parts_in(folder: Path) -> list[str]:
    """List the folders and files of tests below a folder, by their short names."""
    files = [file.relative_to(folder) for file in sorted(folder.rglob("test_*.py"))]
    folders = {parent.as_posix() for file in files for parent in file.parents} - {"."}
    stems = [file.with_name(file.stem.removeprefix("test_")).as_posix() for file in files]
    return [*sorted(folders), *stems]


def nearest(name: str, names: list[str]) -> str:
    """Name what is spelled most alike, or the first of what there is."""
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(names[:MOST])}{', …' if len(names) > MOST else ''}"


class Cases:
    """A plugin that notes the cases of tests: `lora` of `test_it_starts_as_published[lora]`."""

    def __init__(self):
        self.names: set[str] = set()

    def pytest_itemcollected(self, item):
        """Note those of one test."""
        _, _, cases = item.name.removesuffix("]").partition("[")
        self.names.update(case for case in cases.split("-") if case.isidentifier())


def cases_in(folder: str) -> list[str]:
    """List the cases of a folder's tests, which takes as long as importing them."""
    cases = Cases()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([folder, "--collect-only", "-q"], plugins=[cases])
    return sorted(cases.names)


def main(argv: list[str]) -> int:
    """Run a part; what selects nothing is an error."""
    try:
        arguments = find_part(argv[0])
    except UnknownPartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    code = pytest.main([*arguments, *RUN, *argv[1:]])
    if code != pytest.ExitCode.NO_TESTS_COLLECTED:
        return int(code)
    folder = Path(arguments[0]).relative_to(TESTS).as_posix()
    names = [f"{folder}/{name}" for name in (*parts_in(TESTS / folder), *cases_in(arguments[0]))]
    problem = f"there are no tests {argv[0]!r}; {nearest(argv[0], names)}"
    print(f"error: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
