"""Two worker processes are one run: the steps of a single process, and one of them writes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.trainer.checkpoint_values import weights_of
from tests.trainer.test_fit import ROOT, SMALL, arguments, wait_for_checkpoint
from trainer.__main__ import main

pytestmark = pytest.mark.slow

FEW = (
    f"--model.overrides={json.dumps(SMALL | {'dropout_rate': 0.0})}",
    "--training.steps=16",
    "--data.lanes=2",  # one for each worker
    "--training.checkpoint_every=4",
    "--training.log_every=4",
    "--training.validate_every=8",
)


def free_ports(count):
    with_sockets = [socket.socket() for _ in range(count)]
    for one in with_sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


@pytest.fixture
def spawn_workers(small_dataset, tmp_path):
    """Starts two workers on a run folder; whatever is left of them ends with the test."""
    started = []

    def spawn(run):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
        for number in range(2):
            config = {"cluster": cluster, "task": {"type": "worker", "index": number}}
            own = tmp_path / f"temporary-{number}"
            own.mkdir(exist_ok=True)
            names = {"TF_CONFIG": json.dumps(config), "TMPDIR": str(own), "PYTHONUNBUFFERED": "1"}
            process = subprocess.Popen(
                [sys.executable, "-m", "trainer", *arguments(small_dataset, run, *FEW)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **names},
            )
            started.append(process)
        return started[-2:]

    yield spawn
    for process in started:
        process.kill()
        process.communicate()


def figures(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return {
        (line["kind"], line["step"], name): value
        for line in lines
        for name, value in line.items()
        if isinstance(value, float) and "second" not in name
    }


def test_of_two_workers_one_dies_and_the_same_command_ends_as_one_process_does(
    spawn_workers, small_dataset, tmp_path
):
    run, alone = tmp_path / "run", tmp_path / "alone"
    chief, other = spawn_workers(run)
    wait_for_checkpoint(run, chief, 4)
    other.send_signal(signal.SIGKILL)
    said, _ = chief.communicate(timeout=300)
    assert chief.returncode == 1, said
    assert "error: worker 0 of 2 has lost another one; " in said and "goes on from there" in said
    assert "Traceback" not in said and not (run / "adapters").exists()
    shutil.rmtree(tmp_path / "temporary-1")  # of the one that was killed
    chief, other = spawn_workers(run)
    said, _ = chief.communicate(timeout=300)
    others, _ = other.communicate(timeout=300)
    assert chief.returncode == other.returncode == 0, said + others
    assert "2 replicas" in said and "going on from step" in said
    assert f"done: step 16, run folder {run}" in others and "loss " not in others
    assert list((tmp_path / "temporary-1").iterdir()) == []
    assert main(arguments(small_dataset, alone, *FEW)) == 0
    found, right = figures(run), figures(alone)
    assert found.keys() == right.keys() and len(list((run / "logs").iterdir())) == 2
    for name, value in right.items():
        assert found[name] == pytest.approx(value, abs=1e-5), name
    for name, value in weights_of(alone).items():
        np.testing.assert_allclose(weights_of(run)[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    assert (
        json.loads((run / "best.json").read_text())["step"]
        == json.loads((alone / "best.json").read_text())["step"]
    )
