import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from adapters_tf.backbone import huggingface
from adapters_tf.backbone.huggingface import export_tensors, import_tensors, save_backbone
from adapters_tf.backbone.loading import load_backbone
from adapters_tf.errors import WeightsError

pytestmark = pytest.mark.slow

# Written by benchmarks/torch_golden.py --write.
GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("t5", "t5_v1_1")


@pytest.mark.parametrize("name", NAMES)
def test_exporting_gives_back_exactly_what_pytorch_wrote(name):
    stored = load_file(GOLDEN / name / "model.safetensors")
    exported = export_tensors(load_backbone(str(GOLDEN / name)))
    assert set(exported) == set(stored)
    for key, tensor in stored.items():
        np.testing.assert_array_equal(exported[key], tensor)


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading_again_gives_the_same_model(name, tmp_path):
    model = load_backbone(str(GOLDEN / name))
    save_backbone(model, tmp_path / "saved")
    again = load_backbone(str(tmp_path / "saved"))
    for key, tensor in export_tensors(model).items():
        np.testing.assert_array_equal(export_tensors(again)[key], tensor)
    files = sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert files == ["config.json", "generation_config.json", "model.safetensors"]
    with safe_open(tmp_path / "saved" / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
    written = json.loads((tmp_path / "saved" / "config.json").read_text())
    golden = json.loads((GOLDEN / name / "config.json").read_text())
    differing = {key for key in golden if written.get(key) != golden[key]}
    assert differing <= {"dtype", "torch_dtype", "transformers_version"}


def test_a_failed_save_leaves_the_earlier_one(tmp_path, monkeypatch):
    model = load_backbone(str(GOLDEN / "t5"))
    save_backbone(model, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    model.shared.embeddings.assign_add(np.ones(model.shared.embeddings.shape, np.float32))
    monkeypatch.setattr(huggingface, "write_tensors", fail)
    with pytest.raises(OSError, match="No space left"):
        save_backbone(model, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_is_assigned_when_the_tensors_do_not_fit():
    model = load_backbone(str(GOLDEN / "t5"))
    before = export_tensors(model)
    halves = {key: tensor * 0.5 for key, tensor in before.items()}
    halves.pop("decoder.final_layer_norm.weight")
    with pytest.raises(ValueError, match=r"missing decoder\.final_layer_norm\.weight"):
        import_tensors(model, halves)
    for key, tensor in export_tensors(model).items():
        np.testing.assert_array_equal(tensor, before[key])


def test_injected_adapters_are_looked_through():
    from adapters_tf import BottleneckConfig, LayerNormConfig, LoraConfig, inject_method

    model = load_backbone(str(GOLDEN / "t5"))
    before = export_tensors(model)
    for method in (BottleneckConfig(reduction_factor=8), LoraConfig(), LayerNormConfig()):
        inject_method(model, method, ("a", "b"), seed=0)
    after = export_tensors(model)
    assert list(after) == list(before)
    for key, tensor in before.items():
        np.testing.assert_array_equal(after[key], tensor)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensor: np.full_like(tensor, np.nan), "values that are not finite"),
        (lambda tensor: (tensor * 100).astype(np.int8), "holds int8, and weights are floats"),
    ],
)
def test_what_is_no_weight_is_refused(spoil, message):
    backbone = load_backbone(str(GOLDEN / "t5"))
    tensors = export_tensors(backbone)
    name = next(name for name in tensors if name.endswith("wo.weight"))
    with pytest.raises(WeightsError, match=f"{name} {message}|{name} holds {message}"):
        import_tensors(backbone, {**tensors, name: spoil(tensors[name])})
