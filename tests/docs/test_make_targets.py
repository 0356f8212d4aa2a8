"""What `make docs` and `make notebooks` call is there, and takes the words it is called with."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.docs.commands import Command, parse
from tests.docs.pages import commands_of

ROOT = Path(__file__).parents[2]


def lines_of(target, *words):
    """List the commands of a target, as make would give them to a shell; nothing is run."""
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/installed", target, *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return commands_of(done.stdout)


def test_make_notebooks_calls_what_runs_them():
    (words,) = lines_of("notebooks")
    assert words[0] == ".venv/bin/python" and words[1:3] == ["-m", "notebooks.run"]
    parse(Command("Makefile", ("python", *words[1:]), "parsed", "it takes minutes"), ROOT)
    with pytest.raises(AssertionError):
        parse(Command("Makefile", ("python", *words[1:], "--step"), "parsed", "minutes"), ROOT)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="what makes the site needs Python 3.11")
def test_make_docs_calls_what_makes_the_site(tmp_path):
    from click.testing import CliRunner
    from mkdocs.__main__ import cli

    (words,) = lines_of("docs")
    assert words[0] == ".venv/bin/mkdocs" and "--strict" in words
    with patch("mkdocs.commands.build.build") as build:
        done = CliRunner().invoke(cli, [*words[1:], "--config-file", str(ROOT / "mkdocs.yml")])
        assert done.exit_code == 0, done.output
        assert build.call_args[0][0].strict is True
        assert CliRunner().invoke(cli, [*words[1:], "--strickt"]).exit_code == 2
    assert build.call_count == 1
