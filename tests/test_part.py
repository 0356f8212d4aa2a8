"""Parts of the test-suite by their short names, and what `make` shows of pip."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.part import UnknownPartError, find_part

ROOT = Path(__file__).parents[1]
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "-m pip "*) echo "WARNING: a location is ignored" >&2; %s ;;
esac
"""


@pytest.fixture
def tests(tmp_path):
    """A folder of tests as ours is."""
    for name in ("prep/tokens/test_packing.py", "prep/conftest.py", "prep/golden/numbers.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "methods").mkdir()
    for name in ("test_harness.py", "test_prompt.py"):
        (tmp_path / "methods" / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("part", "arguments"),
    [
        ("prep", ["prep"]),
        ("prep/tokens/", ["prep/tokens"]),
        ("prep/tokens/packing", ["prep/tokens/test_packing.py"]),
        ("tests/prep/tokens/test_packing.py", ["prep/tokens/test_packing.py"]),
        ("prep/tokens/rows", ["prep/tokens", "-k", "rows"]),
        (
            "methods/prompt",
            ["methods/test_prompt.py", "methods/test_harness.py", "-k", "prompt"],
        ),
        ("methods/lora", ["methods", "-k", "lora"]),
        ("methods/harness", ["methods/test_harness.py"]),
    ],
)
def test_a_part_is_a_folder_a_file_or_a_word(tests, part, arguments):
    whole = [argument if argument == "-k" else str(tests / argument) for argument in arguments]
    if "-k" in arguments:
        whole[-1] = arguments[-1]
    assert find_part(part, tests) == whole


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("prp/tokens/packing", "no tests 'prp/tokens/packing'; did you mean prep/tokens/packing"),
        ("perp", "did you mean prep?"),
        ("golden", "there are methods, prep"),
        ("", "there are methods, prep, prep/tokens, methods/harness"),
    ],
)
def test_what_is_not_there_names_the_nearest(tests, part, message):
    with pytest.raises(UnknownPartError) as caught:
        find_part(part, tests)
    assert message in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "nearest"),
    [("prep/tokens/vocabluary", "prep/tokens/vocabulary"), ("prep/tasks/ret", "prep/tasks/rte")],
)
def test_a_word_that_selects_nothing_is_an_error(part, nearest):
    command = [sys.executable, "-m", "tests.part", part]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"no tests {part!r}; did you mean {nearest}" in done.stderr.splitlines()[-1]


def test_make_runs_the_whole_or_a_part():
    def planned(*words):
        # `make test` runs this too, and a make inside a make says which folder it is in.
        command = ["make", "-n", "--no-print-directory", "-o", ".venv/installed", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    folders = [line.split("loadgroup ")[1].split() for line in planned("test")]
    assert len(folders) == 5
    named = {found for part in folders for name in part for found in ROOT.glob(name)}
    files = list((ROOT / "tests").rglob("test_*.py"))
    assert [file for file in files if not named & {file, *file.parents}] == []
    assert planned("test", "PART=prep/tokens") == [".venv/bin/python -m tests.part prep/tokens"]


@pytest.mark.parametrize(
    ("ending", "code"), [("exit 0", 0), ("echo no such package >&2; exit 1", 2)]
)
def test_what_pip_says_is_shown_where_it_fails(tmp_path, ending, code):
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON % ending)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    command = ["make", "setup", f"PYTHON={python}", f"VENV={tmp_path}/venv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    shown = done.stdout + done.stderr
    assert done.returncode == code
    assert ("no such package" in shown) == ("WARNING" in shown) == (code != 0)
    assert (tmp_path / "venv" / "installed").exists() == (code == 0)
