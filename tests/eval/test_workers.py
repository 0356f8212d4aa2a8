"""Two worker processes on loopback answer as one does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eval import __main__ as evaluate
from eval import predict
from eval.report.unfinished import UnfinishedAnswers
from prep import run_command
from tests.trainer.test_two_workers import free_ports

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def cluster(number, ports):
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": number}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def read_predictions(run):
    """The answers, and all their probabilities apart, which are sums of other batches' shapes."""
    lines = (run / "eval" / "validation.predictions.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    shares = [share for one in records for share in one.pop("probabilities", {}).values()]
    return records, shares


def test_two_workers_give_the_answers_of_one_and_go_on_with_those_of_another(
    run_folder, tmp_path, monkeypatch
):
    runs = [tmp_path / name for name in ("alone", "together")]
    for run in runs:
        shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("eval"))
    words = ["--tasks", "colour,copy,grade", "--batch-size", "4"]
    monkeypatch.setattr(UnfinishedAnswers, "take_away", lambda self: None)
    assert run_command(evaluate.main, ["--run", str(runs[0]), *words]) == 0
    # As one that was killed when it had answered `grade` left them.
    kept = runs[1] / "eval" / "validation.unfinished"
    shutil.copytree(runs[0] / "eval" / kept.name, kept)
    for task in ("colour", "copy"):
        (kept / f"{task}-0.npz").unlink()
    ports = free_ports(2)
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "eval", "--run", str(runs[1]), *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_CONFIG": cluster(number, ports)},
        )
        for number in range(2)
    ]
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert "wrote" in said[0] and "wrote" not in said[1]
    assert ["grade: 13 answers are those of an evaluation" in one for one in said] == [True, False]
    assert not kept.exists()
    found = [read_predictions(run) for run in runs]
    assert [found[0][0], found[0][1]] == [found[1][0], pytest.approx(found[1][1], rel=1e-4)]
    figures = [json.loads((run / "eval" / "validation.json").read_text()) for run in runs]
    assert figures[1]["replicas"] == 2
    metrics = [{name: one["metrics"] for name, one in of["tasks"].items()} for of in figures]
    assert metrics[0] == metrics[1]


def test_what_one_process_does_is_refused(run_folder, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", cluster(0, (1, 2)))
    words = ["--run", str(run_folder), "--task", "copy", "--text", "red"]
    assert run_command(predict.main, words) == 2
    assert "answering texts is done by one process" in capsys.readouterr().err
    assert run_command(evaluate.main, ["--run", str(run_folder), "--logical-devices", "2"]) == 2
    assert "leave out --logical-devices" in capsys.readouterr().err
