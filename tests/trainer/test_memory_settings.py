"""Runs that trade time for memory are the runs they would have been."""

import shutil

import numpy as np
import pytest

from tests.trainer.test_fit import arguments, weights_of
from trainer.__main__ import main

pytestmark = pytest.mark.slow

FEW = ("--training.steps=9", "--training.checkpoint_every=3", "--optimizer.schedule=constant")
LEAN = ("--training.gradient_checkpointing=true", "--training.loss_chunk=2")


def test_weights_are_the_same_and_the_settings_may_change_on_the_way(
    small_dataset, tmp_path, go_back
):
    """Three steps as ever, three that spare memory, three as ever."""
    plain, changed = tmp_path / "plain", tmp_path / "changed"
    assert main(arguments(small_dataset, plain, *FEW)) == 0
    shutil.copytree(plain, changed)
    go_back(changed, 3)
    assert main(arguments(small_dataset, changed, *FEW, "--training.steps=6", *LEAN)) == 0
    assert main(arguments(small_dataset, changed, *FEW)) == 0
    for step in (6, 9):
        right = weights_of(plain, step)
        for name, value in weights_of(changed, step).items():
            np.testing.assert_allclose(value, right[name], rtol=1e-5, atol=1e-6, err_msg=name)
