"""A task's folder: what it holds, the way back, and what it refuses."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapters_tf import BottleneckConfig, TaskModel, WeightsError, load_task, save_task

pytestmark = pytest.mark.slow

CONFIG = BottleneckConfig(reduction_factor=8)


def make_model(make_backbone, tasks=("a", "b", "c"), seed=0):
    return TaskModel(make_backbone(), tasks, CONFIG, train_layer_norms=True, seed=seed)


def test_saved_and_loaded_gives_the_same_outputs(make_backbone, batch, tmp_path):
    model = make_model(make_backbone, seed=1)
    for bank in model.banks.values():
        bank.up_bias.assign_add(np.random.default_rng(0).normal(size=bank.up_bias.shape))
    expected = model(batch).numpy()
    folder = save_task(model, "b", tmp_path / "b")
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["task"] == "b" and config["methods"]["bottleneck"]["reduction_factor"] == 8

    # Another seed, another bank order: task 1 of the batch is `renamed` now.
    other = make_model(make_backbone, ("c", "renamed"), seed=2)
    assert np.abs(other(batch).numpy() - expected).max() > 1e-2
    before = {p: v.numpy() for p, v in other.trainable_by_path().items()}
    load_task(other, "renamed", folder)
    np.testing.assert_array_equal(other(batch).numpy(), expected)
    for path, variable in other.trainable_by_path().items():
        if other.is_bank(variable):
            np.testing.assert_array_equal(variable[0], before[path][0])


def test_every_misfit_is_named(make_backbone, tmp_path):
    model = make_model(make_backbone)
    folder = save_task(model, "a", tmp_path / "a")
    file = folder / "adapter_model.safetensors"
    tensors = load_file(str(file))
    first, second = list(tensors)[:2]
    tensors["stranger"] = tensors.pop(first)
    tensors[second] = tensors[second][:1].copy()
    save_file(tensors, str(file))
    with pytest.raises(WeightsError) as caught:
        load_task(model, "a", folder)
    for part in (f"missing {first}", "unexpected stranger", f"{second} is"):
        assert part in str(caught.value)


def test_missing_torn_and_unknown_are_one_line(make_backbone, tmp_path):
    model = make_model(make_backbone)
    with pytest.raises(WeightsError, match="holds no adapter_model"):
        load_task(model, "a", tmp_path / "nowhere")
    folder = save_task(model, "a", tmp_path / "a")
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a whole safetensors"):
        load_task(model, "a", folder)
    with pytest.raises(WeightsError, match="no task 'd'"):
        save_task(model, "d", tmp_path / "d")
