"""The TPU wheel of TensorFlow, on a machine without a TPU: it loads, builds, trains and scores.

`make test-tpu-wheel` installs it, which is a large download, and names its interpreter.
"""

import csv
import json
import math
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VARIABLE = "TPU_WHEEL_PYTHON"
# What a person may have set; the programs must do without.
FORGOTTEN = ("FORCE_TF_AVAILABLE", "TPU_SKIP_MDS_QUERY", "TPU_LIBRARY_PATH", "PYTHONPATH")
TASKS = """
- name: warmth
  kind: classification
  folder: things
  files: {train: train.csv, validation: train.csv}
  inputs: "warmth: {text}"
  targets: "{warm}"
  labels: {0: cold, 1: warm}
  metrics: [accuracy]
"""
TINY = "{d_model: 32, d_kv: 8, d_ff: 64, num_heads: 4, num_layers: 1, num_decoder_layers: 1}"
STEPS = 6

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        VARIABLE not in os.environ,
        reason=f"{VARIABLE} is not set: `make test-tpu-wheel` installs the TPU wheel and sets it",
    ),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a program of ours with the TPU wheel in a folder of its own; returns its output."""
    folder = tmp_path_factory.mktemp("wheel")
    python = (ROOT / os.environ[VARIABLE]).absolute()
    environment = {name: value for name, value in os.environ.items() if name not in FORGOTTEN}

    def call(command, seconds=300):
        done = subprocess.run(
            [python, "-m", *command.split()],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # libtpu, where it is loaded without a TPU, writes that it finds no host.
        assert "TPU_WORKER_HOSTNAMES" not in done.stderr, done.stderr
        return done.stdout

    call.folder = folder
    return call


def test_the_doctor_finds_the_wheel_whole(run):
    found = json.loads(run("trainer.doctor --json"))["findings"]
    assert {one["what"] for one in found if one["about"] == "tensorflow's files"} == {
        "those of tensorflow-tpu 2.20.0"
    }
    assert [one for one in found if one["status"] == "fault"] == []


def test_a_run_is_built_trained_and_scored(run):
    rows = [
        (f"a {colour} {i}", int(colour == "red")) for i in range(8) for colour in ("red", "blue")
    ]
    data = run.folder / "raw" / "things"
    data.mkdir(parents=True)
    with (data / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "warm"), *rows])
    (run.folder / "tasks.yaml").write_text(TASKS)
    tasks = "--tasks warmth --tasks-file tasks.yaml --data-dir raw"
    run(f"prep train-vocabulary {tasks} --size 60 --out spiece.model")
    run(f"prep build {tasks} --vocabulary spiece.model --workers 1 --out data")
    (run.folder / "run.yaml").write_text(
        f"model: {{backbone: t5-tiny, overrides: {TINY}}}\n"
        "adapters: {method: bottleneck, settings: {bottleneck: {reduction_factor: 2}}}\n"
        "data: {batch_size: 8}\n"
        f"training: {{steps: {STEPS}, log_every: 2, validate_every: {STEPS}}}\n"
    )
    told = run("trainer --config run.yaml --dataset data --run run")
    assert f"done: step {STEPS}" in told
    lines = (run.folder / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [row["loss"] for row in map(json.loads, lines) if "loss" in row]
    assert len(losses) >= STEPS // 2 and all(map(math.isfinite, losses))
    assert "warmth" in run("eval --run run")
