"""Rows that hold several examples: nothing of one example reaches another."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import BottleneckConfig, TaskModel, load_backbone

pytestmark = pytest.mark.slow

# Rows of examples of so many input and target tokens; the first row is full.
ROWS = (((3, 2), (7, 4), (6, 1)), ((9, 3),), ((2, 5), (2, 1)))
S, T = 16, 9
BACKBONES = {
    "t5-tiny": {},
    "t5-v1_1-small": {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4},
}


def make_examples(seed=0):
    """The examples of each row: pairs of token id lists that end with EOS."""
    random = np.random.default_rng(seed)

    def tokens(length):
        return [*random.integers(3, 100, length - 1).tolist(), 1]

    return [[(tokens(inputs), tokens(targets)) for inputs, targets in row] for row in ROWS]


def pack(rows, task=1):
    """One batch row per row, written out example by example."""
    batch = {
        "encoder_input_tokens": np.zeros((len(rows), S), np.int32),
        "encoder_segment_ids": np.zeros((len(rows), S), np.int32),
        "decoder_input_tokens": np.zeros((len(rows), T), np.int32),
        "decoder_target_tokens": np.zeros((len(rows), T), np.int32),
        "decoder_segment_ids": np.zeros((len(rows), T), np.int32),
        "decoder_loss_weights": np.zeros((len(rows), T), np.float32),
        "task": np.full(len(rows), task, np.int32),
    }
    for number, row in enumerate(rows):
        start_S = start_T = 0
        for segment, (inputs, targets) in enumerate(row, start=1):
            here_S = slice(start_S, start_S := start_S + len(inputs))
            here_T = slice(start_T, start_T := start_T + len(targets))
            batch["encoder_input_tokens"][number, here_S] = inputs
            batch["encoder_segment_ids"][number, here_S] = segment
            batch["decoder_input_tokens"][number, here_T] = [0, *targets[:-1]]
            batch["decoder_target_tokens"][number, here_T] = targets
            batch["decoder_segment_ids"][number, here_T] = segment
            batch["decoder_loss_weights"][number, here_T] = 1.0
    return batch


def unpack(rows, task=1):
    """One batch row per example, without segment ids."""
    batch = pack([[example] for row in rows for example in row], task)
    return {key: value for key, value in batch.items() if "segment" not in key}


def make_model(preset, adapters):
    overrides = {"dropout_rate": 0.0, **BACKBONES[preset]}
    backbone = load_backbone(preset, vocabulary_size=100, overrides=overrides)
    config = BottleneckConfig(reduction_factor=8) if adapters else None
    return TaskModel(backbone, ("a", "b"), config, train_layer_norms=True)


def loss_and_gradients(model, batch):
    """Summed token loss over the token count, and the dense gradient of every trainable."""
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["decoder_target_tokens"], model(batch)
        )
        weights = batch["decoder_loss_weights"]
        loss = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
    gradients = tape.gradient(loss, model.trainable_variables)
    return loss, [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
@pytest.mark.parametrize("adapters", [True, False])
@pytest.mark.parametrize("preset", BACKBONES)
def test_loss_and_gradients_are_those_of_single_examples(preset, adapters):
    model, rows = make_model(preset, adapters), make_examples()
    packed_loss, packed = loss_and_gradients(model, pack(rows))
    single_loss, single = loss_and_gradients(model, unpack(rows))
    assert abs(float(packed_loss - single_loss)) < 1e-5
    for path, one, other in zip(model.trainable_by_path(), packed, single, strict=True):
        assert np.any(other), f"{path} has no gradient"
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5, err_msg=path)


@pytest.mark.parametrize("preset", BACKBONES)
def test_logits_are_those_of_single_examples(preset):
    model, rows = make_model(preset, True), make_examples()
    batch = pack(rows)
    packed = model(batch).numpy()[batch["decoder_segment_ids"] > 0]
    batch = unpack(rows)
    single = model(batch).numpy()[batch["decoder_loss_weights"] > 0]
    np.testing.assert_allclose(packed, single, atol=1e-5 * np.abs(single).max())


@pytest.mark.parametrize("part", ["inputs", "targets"])
@pytest.mark.parametrize("changed", [1, 2, 3])
@pytest.mark.parametrize("preset", BACKBONES)
def test_another_example_in_the_row_changes_nothing(preset, changed, part):
    """Not by a bit: attention to other examples is exactly zero."""
    model, rows = make_model(preset, True), make_examples()
    before = pack(rows)
    other = make_examples(seed=9)[0][changed - 1]
    kept = rows[0][changed - 1]
    rows[0][changed - 1] = (other[0], kept[1]) if part == "inputs" else (kept[0], other[1])
    after = pack(rows)
    assert np.any(before["encoder_input_tokens"] != after["encoder_input_tokens"]) == (
        part == "inputs"
    )
    is_token = before["decoder_segment_ids"][0] > 0
    is_changed = before["decoder_segment_ids"][0] == changed
    logits = [model(batch).numpy()[0] for batch in (before, after)]
    is_other = np.any(logits[0] != logits[1], axis=-1) & is_token
    assert not np.any(is_other & ~is_changed)
    if part == "inputs":
        np.testing.assert_array_equal(is_other, is_changed)
    else:
        # The first position of a target has seen none of it yet.
        assert is_other.sum() == is_changed.sum() - 1


def test_a_target_does_not_see_its_own_future():
    model, rows = make_model("t5-tiny", True), make_examples()
    before = pack(rows)
    after = {key: value.copy() for key, value in before.items()}
    after["decoder_input_tokens"][0, 4] += 1  # the third token of the second example, of 4
    logits = [model(batch).numpy()[0] for batch in (before, after)]
    is_same = np.all(logits[0] == logits[1], axis=-1)
    assert is_same.tolist() == [True] * 4 + [False] * 2 + [True] * 3


def test_padding_of_a_packed_row_changes_nothing():
    model, batch = make_model("t5-tiny", True), pack(make_examples())
    longer = {
        key: np.pad(value, [(0, 0), (0, 5)]) if value.ndim == 2 else value
        for key, value in batch.items()
    }
    is_token = batch["decoder_segment_ids"] > 0
    logits = model(longer).numpy()[:, :T]
    assert np.all(np.isfinite(logits))
    np.testing.assert_allclose(logits[is_token], model(batch).numpy()[is_token], atol=1e-4)
