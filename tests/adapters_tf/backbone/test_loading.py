import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from safetensors.numpy import load_file, save_file

from adapters_tf.backbone.huggingface import export_tensors
from adapters_tf.backbone.loading import load_backbone
from adapters_tf.errors import ConfigurationError, WeightsError

pytestmark = pytest.mark.slow

# Written by benchmarks/torch_golden.py --write.
GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("t5", "t5_v1_1")
SMALL = {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 2, "vocab_size": 64}


def shift_right(labels):
    tokens = np.where(labels < 0, 0, labels)
    return np.concatenate([np.zeros_like(tokens[:, :1]), tokens[:, :-1]], axis=1)


def golden_logits(model, expected):
    return model(
        input_ids=expected["input_ids"],
        attention_mask=expected["attention_mask"],
        decoder_input_ids=shift_right(expected["labels"]),
    ).logits.numpy()


@pytest.fixture
def golden_copy(tmp_path):
    shutil.copytree(GOLDEN / "t5", tmp_path / "t5")
    return tmp_path / "t5"


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_loss_equal_those_of_pytorch(name):
    expected = np.load(GOLDEN / name / "expected.npz")
    logits = golden_logits(load_backbone(str(GOLDEN / name)), expected)
    np.testing.assert_allclose(logits, expected["logits"], rtol=0, atol=1e-4)
    labels = expected["labels"]
    is_target = labels >= 0
    log_probabilities = tf.nn.log_softmax(logits).numpy()
    loss = -log_probabilities[(*np.nonzero(is_target), labels[is_target])].mean()
    assert loss == pytest.approx(float(expected["loss"]), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_greedy_output_equals_that_of_pytorch(name):
    expected = np.load(GOLDEN / name / "expected.npz")
    model = load_backbone(str(GOLDEN / name))
    tokens = np.zeros((len(expected["greedy"]), 1), np.int32)
    has_ended = np.zeros(len(tokens), bool)
    for _ in range(expected["greedy"].shape[1]):
        inputs = {key: expected[key] for key in ("input_ids", "attention_mask")}
        logits = model(**inputs, decoder_input_ids=tokens).logits.numpy()[:, -1]
        best = np.where(has_ended, 0, logits.argmax(-1)).astype(np.int32)
        tokens = np.concatenate([tokens, best[:, None]], axis=1)
        has_ended |= best == 1
    np.testing.assert_array_equal(tokens[:, 1:], expected["greedy"])


def test_the_same_seed_gives_the_same_weights_whatever_ran_before():
    first = export_tensors(load_backbone("t5-tiny", overrides=SMALL, seed=3))
    tf.random.set_seed(99)
    np.random.default_rng(5).standard_normal(7)
    again = export_tensors(load_backbone("t5-tiny", overrides=SMALL, seed=3))
    other = export_tensors(load_backbone("t5-tiny", overrides=SMALL, seed=4))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert name.endswith("layer_norm.weight") or (first[name] != other[name]).any()


def test_initial_scales_are_those_of_mesh_tensorflow():
    tensors = export_tensors(load_backbone("t5-tiny", vocabulary_size=1000))
    attention = "encoder.block.1.layer.0.SelfAttention"
    expected = {
        "shared.weight": 1.0,
        f"{attention}.q.weight": (128 * 32) ** -0.5,
        f"{attention}.k.weight": 128**-0.5,
        "decoder.block.0.layer.2.DenseReluDense.wo.weight": 512**-0.5,
    }
    for name, deviation in expected.items():
        assert tensors[name].std() == pytest.approx(deviation, rel=0.05)
    assert (tensors["encoder.final_layer_norm.weight"] == 1).all()
    assert tensors["shared.weight"].shape == (1024, 128)


def test_variable_names_are_the_same_every_time():
    first = load_backbone("t5-tiny", overrides=SMALL)
    second = load_backbone("t5-tiny", overrides=SMALL)
    names = [variable.name for variable in first.variables]
    assert names == [variable.name for variable in second.variables]
    assert len(set(names)) == len(names) == len(export_tensors(first))


def test_variables_are_float32_under_mixed_bfloat16():
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = load_backbone(str(GOLDEN / "t5_v1_1"))
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert {variable.dtype.name for variable in model.variables} == {"float32"}
    stored = load_file(GOLDEN / "t5_v1_1" / "model.safetensors")
    for name, tensor in export_tensors(model).items():
        np.testing.assert_array_equal(tensor, stored[name])


UNDER_A_STRATEGY = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from adapters_tf import load_backbone, save_backbone
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = load_backbone(sys.argv[1])
kinds = {type(variable).__name__ for variable in model.variables}
assert kinds == {"MirroredVariable"}, kinds
save_backbone(model, sys.argv[2])
"""


def test_loads_under_a_strategy_and_without_torch(tmp_path):
    program = f"import sys\nsys.modules['torch'] = None\n{UNDER_A_STRATEGY}"
    command = [sys.executable, "-c", program, str(GOLDEN / "t5"), str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3], timeout=300)
    stored = load_file(GOLDEN / "t5" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "model.safetensors").items():
        np.testing.assert_array_equal(tensor, stored[name])


def test_overrides_and_generation_config_of_a_checkpoint(golden_copy):
    generation = {"max_new_tokens": 7, "eos_token_id": 1, "pad_token_id": 0}
    (golden_copy / "generation_config.json").write_text(json.dumps(generation))
    model = load_backbone(str(golden_copy), overrides={"dropout_rate": 0.25}, vocabulary_size=90)
    assert model.decoder.block[0].layer[-1].dropout.rate == 0.25
    assert model.generation_config.max_new_tokens == 7


def test_a_sharded_checkpoint_is_read(golden_copy):
    tensors = load_file(golden_copy / "model.safetensors")
    (golden_copy / "model.safetensors").unlink()
    names, weight_map = sorted(tensors), {}
    for shard in range(2):
        file = f"model-{shard + 1:05}-of-00002.safetensors"
        part = {name: tensors[name] for name in names[shard::2]}
        save_file(part, golden_copy / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    index = golden_copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    loaded = export_tensors(load_backbone(str(golden_copy)))
    for name in names:
        np.testing.assert_array_equal(loaded[name], tensors[name])
    (golden_copy / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(WeightsError, match="a shard is absent"):
        load_backbone(str(golden_copy))


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_known_copies_and_half_precision_are_accepted(golden_copy):
    import ml_dtypes

    def change(tensors):
        for name in list(tensors):
            tensors[name] = tensors[name].astype(ml_dtypes.bfloat16)
        for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
            tensors[name] = tensors["shared.weight"]
        tensors["lm_head.weight"] = tensors["shared.weight"]
        bogus = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
        tensors[bogus] = np.zeros((8, 4), np.float32)

    before = load_file(golden_copy / "model.safetensors")["shared.weight"]
    rewrite(golden_copy, change)
    loaded = export_tensors(load_backbone(str(golden_copy)))["shared.weight"]
    np.testing.assert_array_equal(loaded, before.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_the_only_copy_of_the_embedding_is_found(golden_copy):
    def change(tensors):
        tensors["encoder.embed_tokens.weight"] = tensors.pop("shared.weight")

    before = load_file(golden_copy / "model.safetensors")["shared.weight"]
    rewrite(golden_copy, change)
    loaded = export_tensors(load_backbone(str(golden_copy)))["shared.weight"]
    np.testing.assert_array_equal(loaded, before)


KEY = "encoder.block.0.layer.0.SelfAttention.k.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(KEY), f"missing {KEY}; unexpected none"),
        (lambda tensors: tensors.update(extra=np.ones(2)), "missing none; unexpected extra"),
        (
            lambda tensors: tensors.update({KEY: np.ones((24, 31), np.float32)}),
            rf"wrong shape: {KEY} is \[24, 31\] and should be \[32, 24\]",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(golden_copy, change, message):
    rewrite(golden_copy, change)
    with pytest.raises(WeightsError, match=message):
        load_backbone(str(golden_copy))


def test_another_model_type_is_refused(golden_copy):
    config = json.loads((golden_copy / "config.json").read_text())
    (golden_copy / "config.json").write_text(json.dumps({**config, "model_type": "bart"}))
    with pytest.raises(WeightsError, match="model_type is 'bart'; expected one of t5, mt5"):
        load_backbone(str(golden_copy))


def test_pytorch_weights_say_how_to_convert(golden_copy):
    (golden_copy / "model.safetensors").rename(golden_copy / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"no model.safetensors; .*save_pretrained\('converted"):
        load_backbone(str(golden_copy))


def test_a_truncated_file_is_refused(golden_copy):
    path = golden_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        load_backbone(str(golden_copy))


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        load_backbone(str(tmp_path))


def test_a_vocabulary_larger_than_the_embedding_is_refused():
    with pytest.raises(WeightsError, match=r"has 97 token ids and the embedding .* only 96 rows"):
        load_backbone(str(GOLDEN / "t5"), vocabulary_size=97)


@pytest.mark.parametrize("name", ["t5-smol", "./no/such/folder", "a/b/c"])
def test_a_name_that_is_nothing_is_refused_without_asking_the_network(name):
    with pytest.raises(ConfigurationError, match="neither a preset, nor a folder"):
        load_backbone(name)


def test_an_unknown_override_is_refused_for_checkpoints_too():
    with pytest.raises(ConfigurationError, match=r"no field 'dropout_rat'.*'dropout_rate'"):
        load_backbone(str(GOLDEN / "t5"), overrides={"dropout_rat": 0.0})
