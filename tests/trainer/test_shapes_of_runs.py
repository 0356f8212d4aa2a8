"""Runs whose tasks have batches of their own lengths."""

import contextlib
import io
import json
import re
import shutil

import numpy as np
import pytest

from prep import load_manifest
from tests.trainer.position_counts import check_positions
from tests.trainer.test_fit import SMALL, arguments, weights_of
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


@pytest.fixture(scope="module")
def own(small_dataset, tmp_path_factory):
    """A run of six steps whose tasks have their own lengths."""
    run = tmp_path_factory.mktemp("shapes") / "own"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(arguments(small_dataset, run, *PER_TASK)) == 0
    said = said.getvalue()
    assert "in 2 shapes" in said and said.count(" of batches, ") == 2
    assert re.search(r"\n32 and 8 tokens: \d+% of batches, \d+% real \(synthetic_", said)
    return run


def test_nothing_but_padding_differs(own, small_dataset, tmp_path):
    """Losses, validations and weights are those of one shape for all."""
    manifest = load_manifest(small_dataset)
    needs = {longest_lengths(manifest, [task]) for task in manifest.tasks}
    assert len(needs) == 2
    one = tmp_path / "one"
    assert main(arguments(small_dataset, one, *ONE)) == 0
    check_positions(own)
    check_positions(one)
    right = weights_of(one)
    for name, value in weights_of(own).items():
        np.testing.assert_allclose(value, right[name], rtol=1e-4, atol=2e-5, err_msg=name)
    for found, expected in zip(figures_of(own), figures_of(one), strict=True):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if name == "real_share":
                assert found[name] > 1.05 * value
            elif isinstance(value, float) and "second" not in name:
                assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_in_two_parts_it_is_the_same_run(own, small_dataset, tmp_path, go_back):
    parts = tmp_path / "parts"
    shutil.copytree(own, parts)
    go_back(parts, 3)
    assert main(arguments(small_dataset, parts, *PER_TASK)) == 0
    same = weights_of(own)
    for name, value in weights_of(parts).items():
        np.testing.assert_array_equal(value, same[name], err_msg=name)
