"""From the made-up tickets to a report, cut short; and what it is told wrongly."""

import json
import subprocess
from pathlib import Path

import pytest

from adapters_tf.runs.config import read_config
from prep import run_command
from trainer.__main__ import main
from trainer.quickstart import default_run, make_parser, name_python


def quickstart(folder, *words):
    return run_command(main, ["quickstart", "--run", str(folder), *words])


@pytest.mark.slow
def test_from_no_file_at_all_to_a_report_and_found_done_again(tmp_path, capsys):
    folder = tmp_path / "it"
    assert quickstart(folder, "--steps", "4", "--answer", "category,urgency") == 0
    out = capsys.readouterr().out
    page = folder / "run" / "report.html"
    assert f"Open the report: {page}" in out and page.exists()
    typed = [line.split()[3] for line in out.splitlines() if line.startswith("$ python -m")]
    assert typed == ["prep", "prep", "prep", "trainer", "trainer", "eval"]
    assert read_config(folder / "run").adapters.method == "bottleneck"
    assert "kind: classification" in (folder / "tasks.yaml").read_text()
    before = page.stat().st_mtime_ns
    assert quickstart(folder, "--steps", "4", "--answer", "category,urgency") == 0
    assert page.stat().st_mtime_ns == before
    figures = page.parent / "eval" / "validation.json"
    document = {**json.loads(figures.read_text()), "checkpoint_digest": "00"}
    figures.write_text(json.dumps(document))
    assert quickstart(folder, "--steps", "4", "--answer", "category,urgency") == 0
    assert page.stat().st_mtime_ns > before  # those were figures of other weights
    assert quickstart(folder, __file__, "--steps", "4") == 2
    assert f"holds a quickstart of {folder / 'tickets.csv'}, not of" in capsys.readouterr().err


def test_the_interpreter_is_named_as_a_shell_would_find_it(monkeypatch, tmp_path):
    here = tmp_path / ".venv" / "bin" / "python"
    monkeypatch.setattr("sys.executable", str(here))
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/python")
    assert name_python() == str(here)
    monkeypatch.chdir(tmp_path)
    assert name_python() == ".venv/bin/python"
    monkeypatch.setattr("shutil.which", lambda name: str(here))
    assert name_python() == "python"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.csv"], "there is no file nothing.csv"),
        (["--backbone", "."], "has no spiece.model; give it with --vocabulary"),
        (["--bakbone", "x"], "unknown option --bakbone; did you mean '--backbone'?"),
        (["--answer", "categry"], "there is no column 'categry'"),
    ],
)
def test_mistakes_are_told(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert quickstart(tmp_path / "it", *words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ([], "runs/quickstart"),
        (["train=my data/Reviews 2.csv.gz", "validation=b.csv"], "runs/quickstart-reviews_2"),
        (["a.csv", "--backbone", "google-t5/t5-small"], "runs/quickstart-a-t5_small"),
    ],
)
def test_a_run_is_named_after_what_it_is_made_of(words, folder):
    assert default_run(make_parser().parse_args(words)) == folder


def test_make_looks_for_files_before_it_installs(tmp_path):
    (tmp_path / "a.csv").touch()

    def make(target, *files):
        words = ["make", "-s", target, f"FILE={' '.join(files)}", f"VENV={tmp_path / 'venv'}"]
        root = Path(__file__).parents[2]
        return subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)

    there, missing = str(tmp_path / "a.csv"), str(tmp_path / "b.csv")
    assert make(".files-there", there, f"train={there}").returncode == 0
    for file in (missing, f"test={missing}"):
        done = make("quickstart", there, file)
        assert done.returncode == 2 and f"error: FILE={file}: there is no such file" in done.stderr
    assert not (tmp_path / "venv").exists()
