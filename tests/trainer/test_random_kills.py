"""Twenty kills in one run, at random moments, end in the weights of a run without any.

It takes minutes: `make test-kills` sets the variable that asks for it.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.checkpoint_values import weights_of

ROOT = Path(__file__).parents[2]
VARIABLE = "KILLS"
SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
# A checkpoint after every step: most of the time is spent writing them.
SETTINGS = (
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL | {'dropout_rate': 0.1})}",
    "--adapters.method=lora",
    "--adapters.train_layer_norms=false",
    "--data.batch_size=4",
    "--data.mixture=round",
    "--optimizer.learning_rate=1e-3",
    "--training.tasks_per_step=2",
    "--training.checkpoint_every=1",
    "--training.validate_every=5",
    "--training.validation_examples=4",
    "--training.log_every=5",
)
LONGEST = 0.6  # seconds from the first new checkpoint to the kill

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        VARIABLE not in os.environ, reason=f"{VARIABLE} is not set: `make test-kills` sets it"
    ),
]


def spawn(dataset, run, steps):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "trainer", f"--dataset={dataset}", f"--run={run}"),
            *(*SETTINGS, f"--training.steps={steps}"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def newest(run):
    steps = [int(path.stem[5:]) for path in (run / "checkpoints").glob("ckpt-*.index")]
    return max(steps, default=0)


def is_writing(run):
    return any((run / "checkpoints").glob("*_temp")) or any((run / "best").glob("*_temp"))


def kill_at_random(dataset, run, steps, moment, in_a_write):
    """Kill a part of the run some time after its first new checkpoint; tells what it left."""
    before, process = newest(run), spawn(dataset, run, steps)
    while newest(run) <= before and process.poll() is None:
        time.sleep(0.001)
    time.sleep(moment)
    while in_a_write and not is_writing(run) and process.poll() is None:
        pass
    process.kill()
    output, _ = process.communicate()
    half = [path.name for path in run.rglob("*") if "temp" in path.name or ".tmp" in path.name]
    return process.returncode == -9, half, output


def test_killed_at_random_it_ends_in_the_same_bits(small_dataset, tmp_path):
    kills, seed = int(os.environ[VARIABLE]), int(os.environ.get("SEED", "0"))
    moments, run, whole = random.Random(seed), tmp_path / "run", tmp_path / "whole"
    steps, done, halves = 30 * kills, 0, 0
    while done < kills:
        was_killed, half, output = kill_at_random(
            small_dataset, run, steps, moments.uniform(0, LONGEST), done % 2
        )
        assert was_killed, f"the run ended before it was killed {kills} times\n{output}"
        done += 1
        halves += bool(half)
        print(f"kill {done} at step {newest(run)} of {steps}, half written: {half}", flush=True)
    process = spawn(small_dataset, run, steps)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    process = spawn(small_dataset, whole, steps)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    print(f"{halves} of {kills} kills were in the middle of a write")
    found, expected = weights_of(run), weights_of(whole)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    best, other = (
        json.loads((folder / "best.json").read_text(encoding="utf-8")) for folder in (run, whole)
    )
    assert best == other

    def validations(folder):
        lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        return [line for line in lines if line["kind"] == "validation"]

    assert validations(run) == validations(whole)
