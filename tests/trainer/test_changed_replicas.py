"""A run goes on with other replicas and other steps per execution; its schedule may begin anew."""

import json
import shutil

import numpy as np
import pytest

from tests.trainer.checkpoint_values import weights_of
from tests.trainer.position_counts import check_positions
from tests.trainer.test_fit import SMALL, arguments, spawn
from trainer.__main__ import main

pytestmark = pytest.mark.slow

FEW = ("--training.steps=8", "--training.checkpoint_every=4", "--training.log_every=2")
PLAIN = (
    f"--model.overrides={json.dumps(SMALL | {'dropout_rate': 0.0})}",
    "--training.tasks_per_step=2",
)
METHOD = ("--balancing.method=famo", "--optimizer.ema_decay=0.9")


def losses(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "train"}


@pytest.fixture(scope="module")
def plain(small_dataset, tmp_path_factory):
    """A run on one replica that was never interrupted, its schedule that of twelve steps."""
    run = tmp_path_factory.mktemp("plain") / "run"
    end = "--optimizer.end_rate=0.001"
    assert main(arguments(small_dataset, run, *FEW, *PLAIN, *METHOD, end)) == 0
    return run, end


def test_other_replicas_and_executions_take_the_same_steps(plain, small_dataset, tmp_path, go_back):
    """In a process of its own: TensorFlow's collectives keep what another strategy left."""
    whole, end = plain
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    go_back(run, 4)
    changed = (
        "--distribution.kind=cpu",
        "--distribution.logical_devices=2",
        "--training.steps_per_execution=2",
    )
    process = spawn(small_dataset, run, *FEW, *PLAIN, *METHOD, end, *changed)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and "2 replicas" in said and "going on from step 4" in said, said
    found, right = losses(run), losses(whole)
    assert found.keys() == right.keys() == {2, 4, 6, 8}
    check_positions(whole)
    check_positions(run)
    for step, loss in right.items():
        assert abs(found[step] - loss) < 1e-5, step
    for name, value in weights_of(whole).items():
        np.testing.assert_allclose(weights_of(run)[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_an_extended_run_begins_its_schedule_anew(plain, small_dataset, tmp_path, capsys):
    """It ends where the run ends that was asked for both schedules from the start."""
    whole, end = plain
    run, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(whole, run)
    longer = (*FEW, *PLAIN, *METHOD, end, "--training.steps=12")
    anew = (*longer, "--optimizer.schedule_steps=[8, 12]")
    assert main(arguments(small_dataset, run, *anew)) == 0
    assert "going on from step 8" in capsys.readouterr().out
    assert main(arguments(small_dataset, other, *anew)) == 0
    for name, value in weights_of(other).items():
        np.testing.assert_array_equal(weights_of(run)[name], value, err_msg=name)
