"""Heads and embeddings as transformers 4 and 5 write them; the right logits are PyTorch's."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapters_tf import TaskModel
from adapters_tf.backbone.huggingface import save_backbone
from adapters_tf.backbone.loading import load_backbone, trace_tensors
from adapters_tf.backbone.tying import read_tying
from adapters_tf.commands.listing import list_command
from adapters_tf.errors import WeightsError
from tests.adapters_tf.interop.golden_folders import GOLDEN, golden_batch

pytestmark = pytest.mark.slow

EMBEDDING, HEAD = "shared.weight", "lm_head.weight"
ENCODER, DECODER = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
# config.json of an untied T5, and of an mT5, as transformers 5.23 was seen to write them.
AS_5 = {"tie_word_embeddings": True, "transformers_version": "5.23.0"}
T5_AS_5 = {**AS_5, "scale_decoder_outputs": False}
MT5_AS_5 = {**AS_5, "model_type": "mt5"}


@pytest.fixture
def change(tmp_path):
    """Copies a golden T5, with other fields and tensors; None takes one away."""

    def make(name, fields=(), tensors=()):
        folder = Path(
            shutil.copytree(GOLDEN / name, tmp_path / f"copy{len(list(tmp_path.iterdir()))}")
        )
        for file, changes, read, write in (
            ("config.json", fields, lambda p: json.loads(p.read_text()), _write_json),
            ("model.safetensors", tensors, lambda p: load_file(p), lambda t, p: save_file(t, p)),
        ):
            held = {**read(folder / file), **dict(changes)}
            write({key: value for key, value in held.items() if value is not None}, folder / file)
        return folder

    return make


def _write_json(fields, file):
    file.write_text(json.dumps(fields))


def logits(folder, name="t5_v1_1"):
    model = TaskModel(load_backbone(str(folder)), ("task",))
    return model(golden_batch(GOLDEN / name / "any")).numpy()


def expected(name):
    return np.load(GOLDEN / name / "expected.npz")["logits"][:2]


def stored(name):
    return load_file(GOLDEN / name / "model.safetensors")


@pytest.mark.parametrize("fields", [T5_AS_5, MT5_AS_5])
def test_a_head_that_transformers_5_says_is_tied_is_the_head_all_the_same(change, fields, capsys):
    np.testing.assert_allclose(logits(change("t5_v1_1", fields)), expected("t5_v1_1"), atol=1e-4)
    assert capsys.readouterr().err == ""


def test_a_tied_head_is_scaled_as_before(change):
    folder = change("t5", {**AS_5, "scale_decoder_outputs": True})
    np.testing.assert_allclose(logits(folder, "t5"), expected("t5"), atol=1e-4)


@pytest.mark.parametrize("fields", [T5_AS_5, MT5_AS_5])
def test_a_tied_head_whose_inputs_are_not_scaled(change, fields, tmp_path):
    """As transformers 5 makes a new T5 v1.1 or mT5: the file holds no head."""
    tensors = {HEAD: stored("t5")[EMBEDDING]}
    right = logits(change("t5", {"tie_word_embeddings": False}, tensors), "t5")
    assert np.abs(right - expected("t5")).max() > 1
    np.testing.assert_array_equal(logits(change("t5", fields), "t5"), right)


def test_a_head_of_its_own_whose_inputs_are_scaled(change):
    folder = change("t5_v1_1", {**AS_5, "scale_decoder_outputs": True})
    right = expected("t5_v1_1") * 24**-0.5
    np.testing.assert_allclose(logits(folder), right, atol=1e-4)


def test_which_head_is_meant_is_said_where_the_file_does_not(change, capsys):
    np.testing.assert_allclose(
        logits(change("t5_v1_1", {"tie_word_embeddings": True})), expected("t5_v1_1"), atol=1e-4
    )
    assert "says that the head is the embedding, and lm_head.weight" in capsys.readouterr().err


def test_what_is_saved_says_the_same_to_both(change, tmp_path):
    for name, fields in (("t5_v1_1", T5_AS_5), ("t5", {}), ("t5_v1_1", MT5_AS_5)):
        save_backbone(load_backbone(str(change(name, fields))), tmp_path / "saved")
        written = json.loads((tmp_path / "saved" / "config.json").read_text())
        is_tied = name == "t5"
        assert written["tie_word_embeddings"] is written["scale_decoder_outputs"] is is_tied
        assert (HEAD in load_file(tmp_path / "saved" / "model.safetensors")) is not is_tied


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_embeddings_that_differ_are_refused(change, name):
    other = stored("t5_v1_1")[EMBEDDING].copy()
    equal = change("t5_v1_1", tensors={name: other})
    np.testing.assert_allclose(logits(equal), expected("t5_v1_1"), atol=1e-4)
    other[3, 0] += 1
    with pytest.raises(WeightsError, match=rf"copy\d: {name} and {EMBEDDING} differ"):
        load_backbone(str(change("t5_v1_1", tensors={name: other})))
    both = {EMBEDDING: None, ENCODER: stored("t5_v1_1")[EMBEDDING], DECODER: other}
    with pytest.raises(WeightsError, match=f"{DECODER} and {ENCODER} differ"):
        load_backbone(str(change("t5_v1_1", tensors=both)))


def test_every_tensor_has_a_fate(change, capsys):
    copy = stored("t5")[EMBEDDING]
    folder = change("t5", tensors={HEAD: copy, DECODER: copy})
    fates = trace_tensors(folder)
    assert fates.keys() == load_file(folder / "model.safetensors").keys()
    assert fates[EMBEDDING] == "the embedding and the head"
    assert fates[HEAD] == fates[DECODER] == f"left out: equal to {EMBEDDING}"
    assert set(fates.values()) == {fates[EMBEDDING], fates[HEAD], "read"}
    list_command(type("Options", (), {"run": str(folder)}))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"{folder}: a T5 of {len(fates)} tensors"
    assert any(line.split() == [HEAD, "left", "out:", "equal", "to", EMBEDDING] for line in printed)


def test_only_the_head_may_be_left_of_the_tied_names():
    tensors = {HEAD: np.ones((2, 2))}
    assert read_tying({"tie_word_embeddings": True}, tensors).embedding == HEAD
    assert read_tying({"tie_word_embeddings": False}, tensors).embedding == EMBEDDING


def test_tying_asked_for_does_not_drop_a_head(change):
    with pytest.raises(WeightsError, match=r"tie_word_embeddings: True does not fit .* of its own"):
        load_backbone(str(GOLDEN / "t5_v1_1"), overrides={"tie_word_embeddings": True})
    with pytest.raises(WeightsError, match=r"tie_word_embeddings: False does not fit"):
        load_backbone(str(GOLDEN / "t5"), overrides={"tie_word_embeddings": False})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"quantization_config": {"load_in_8bit": True}}, "quantization_config is .*cannot be"),
        ({"tie_encoder_decoder": True}, "tie_encoder_decoder is True; such a T5 cannot be built"),
        ({"is_encoder_decoder": False}, "is_encoder_decoder is False"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads is"),
        ({"feed_forward_proj": "gated-magic"}, "activation is 'magic'; valid: "),
        ({"feed_forward_proj": "twice-gated-gelu"}, "config.json: `feed_forward_proj`"),
    ],
)
def test_a_config_of_another_model_is_refused(change, fields, message):
    if "feed_forward_proj" in fields:
        fields = {**fields, "dense_act_fn": None, "is_gated_act": None}
    with pytest.raises(WeightsError, match=message):
        load_backbone(str(change("t5_v1_1", fields)))


def test_fields_that_nothing_reads_are_named(change, capsys):
    folder = change("t5", {"rope_theta": 1e4, "n_positions": 512, "embedding_scale": 2.0})
    load_backbone(str(folder))
    assert capsys.readouterr().err == (
        f"note: {folder}/config.json: nothing here reads rope_theta = 10000.0, "
        "embedding_scale = 2.0\n"
    )
