"""Runs whose tasks have batches of their own lengths."""

import json

import numpy as np
import pytest

from prep import load_manifest
from tests.trainer.test_fit import SMALL, arguments, last_weights, spawn
from trainer.__main__ import main
from trainer.settings.resolving import longest_lengths

pytestmark = pytest.mark.slow

OVERRIDES = f"--model.overrides={json.dumps({**SMALL, 'dropout_rate': 0.0})}"
FEW = ("--training.steps=6", "--training.checkpoint_every=3", "--optimizer.schedule=constant")
PER_TASK = (OVERRIDES, *FEW, "--data.lengths=per_task", "--data.input_length=0")
ONE = (OVERRIDES, *FEW, "--data.lengths=one", "--data.input_length=0")


def figures_of(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_nothing_but_padding_differs(small_dataset, tmp_path, capsys):
    """Losses, validations and weights are those of one shape for all, in two parts too."""
    manifest = load_manifest(small_dataset)
    needs = {longest_lengths(manifest, [task]) for task in manifest.tasks}
    assert len(needs) == 2
    one, own, parts = tmp_path / "one", tmp_path / "own", tmp_path / "parts"
    assert main(arguments(small_dataset, one, *ONE)) == 0
    capsys.readouterr()
    assert main(arguments(small_dataset, own, *PER_TASK)) == 0
    assert "in 2 shapes" in capsys.readouterr().out
    assert main(arguments(small_dataset, parts, *PER_TASK, "--training.steps=3")) == 0
    assert main(arguments(small_dataset, parts, *PER_TASK)) == 0
    right = last_weights(one)
    for run in (own, parts):
        for name, value in last_weights(run).items():
            np.testing.assert_allclose(value, right[name], rtol=1e-4, atol=2e-5, err_msg=name)
    for found, expected in zip(figures_of(own), figures_of(one), strict=True):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if isinstance(value, float) and "second" not in name:
                assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    same = last_weights(own)
    for name, value in last_weights(parts).items():
        np.testing.assert_array_equal(value, same[name], err_msg=name)


def test_replicas_share_batches_of_every_shape(small_dataset, tmp_path):
    """In a process of its own: TensorFlow's collectives keep what another strategy left."""
    four, own = tmp_path / "four", tmp_path / "own"
    few = (*PER_TASK, "--training.steps=3")
    assert main(arguments(small_dataset, own, *few)) == 0
    devices = ("--distribution.kind=cpu", "--distribution.logical_devices=4")
    process = spawn(small_dataset, four, *few, *devices)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "4 replicas" in said and "in 2 shapes" in said
    right = last_weights(own)
    for name, value in last_weights(four).items():
        np.testing.assert_allclose(value, right[name], rtol=1e-4, atol=2e-5, err_msg=name)
