"""Fusion, stack and average against what AdapterHub's library computes with the same weights.

The files were written by benchmarks/parity/torch_fusion.py.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from adapters_tf import (
    FusionConfig,
    TaskModel,
    average_adapters,
    load_backbone,
    save_task,
    stack_adapter,
)
from adapters_tf.interop import import_task

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("a", "b", "c")
ROWS = 2
LIMIT = 1e-5


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """AdapterHub's three adapters as task folders of ours."""
    folder = tmp_path_factory.mktemp("hub")
    for name in NAMES:
        model = import_task(backbone(), name, "adapterhub", GOLDEN / "fusion" / name).model
        save_task(model, name, folder / name)
    return str(folder)


def backbone():
    return load_backbone(str(GOLDEN / "t5"))


def batch(row):
    stored = np.load(GOLDEN / "t5" / "expected.npz")
    targets = np.where(stored["labels"] < 0, 0, stored["labels"])[:ROWS]
    return {
        "encoder_input_tokens": tf.constant(stored["input_ids"][:ROWS]),
        "decoder_input_tokens": tf.constant(np.pad(targets, ((0, 0), (1, 0)))[:, :-1]),
        "task": tf.fill([ROWS], row),
    }


def assert_same(logits, name):
    theirs = np.load(GOLDEN / "fusion" / "expected.npz")[name]
    assert np.abs(logits - theirs).max() < LIMIT * np.abs(theirs).max()


def test_a_fusion_is_theirs(adapters):
    model = TaskModel(backbone(), ("other", "target"), FusionConfig(of=adapters))
    tensors = load_file(GOLDEN / "fusion" / "fusion.safetensors")
    assert len(tensors) == 5 * len(model.banks)
    for path, bank in model.banks.items():
        site = path.rpartition(".")[0]
        for variable, name, layout in (
            (bank.query_kernel, "query.weight", np.transpose),
            (bank.query_bias, "query.bias", np.asarray),
            # Transposed once for PyTorch's layout, and once for being applied to the query.
            (bank.key_kernel, "key.weight", np.asarray),
            (bank.value_kernel, "value.weight", np.transpose),
        ):
            rows = variable.numpy()
            rows[1] = layout(tensors[f"{site}.{name}"])
            variable.assign(rows)
        # What we leave out: it moves all scores of a position alike.
        assert np.abs(tensors[f"{site}.key.bias"]).max() > 0.1
    assert_same(model(batch(1)).numpy(), "fuse")


def test_a_stack_is_theirs(adapters):
    stacked = backbone()
    stack_adapter(stacked, adapters, "a")
    assert_same(TaskModel(stacked, ("x",))(batch(0)).numpy(), "a")
    model = import_task(stacked, "b", "adapterhub", GOLDEN / "fusion" / "b").model
    assert_same(model(batch(0)).numpy(), "stack")


def test_an_average_is_theirs(adapters):
    model = backbone()
    average_adapters(model, adapters, ("b", "c"), (3.0, 1.0))
    assert_same(TaskModel(model, ("x",))(batch(0)).numpy(), "average")
