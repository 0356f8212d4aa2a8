"""A killed `python -m eval`, started again, leaves what an undisturbed one leaves."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval import __main__ as evaluate
from prep import run_command

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

# An evaluation that is killed when a file is written and not yet in its place.
KILLED = """
import os, signal, sys

replace, last = os.replace, sys.argv[1]

def replace_or_die(new, name):
    if os.path.basename(name) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(new, name)

os.replace = replace_or_die
from eval.__main__ import main as evaluate
evaluate(sys.argv[2:])
"""


def kill_at(file, words):
    """What an evaluation said, in a process of its own, until it was killed before a file."""
    command = [sys.executable, "-c", KILLED, file, *words]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return killed.stdout


def read_files(run):
    """What an evaluation left, but for the name of the run in it."""
    folder = run / "eval"
    figures = json.loads((folder / "validation.json").read_text())
    assert figures.pop("run") == str(run)
    names = sorted(path.name for path in folder.iterdir())
    return figures, (folder / "validation.predictions.jsonl").read_bytes(), names


def test_killed_while_answering_and_while_reporting_it_goes_on(run_folder, tmp_path, capsys):
    runs = [tmp_path / name for name in ("undisturbed", "killed")]
    for run in runs:
        shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("eval", "report.html"))
    assert run_command(evaluate.main, ["--run", str(runs[0])]) == 0
    words = ["--run", str(runs[1])]
    kill_at("grade-0.npz", words)
    there = runs[1] / "eval"
    answered = {path.name for path in (there / "validation.unfinished").glob("*.npz")}
    assert answered == {"colour-0.npz", "pick-0.npz"}
    kill_at("validation.json", words)  # predictions are written, their figures are not
    assert not (there / "validation.json").exists() and not (runs[1] / "report.html").exists()
    capsys.readouterr()
    assert run_command(evaluate.main, words) == 0
    said = capsys.readouterr()
    for task in ("colour", "pick", "grade", "copy"):
        assert f"{task}: 13 answers are those of an evaluation" in said.out + said.err
    assert read_files(runs[1]) == read_files(runs[0])
