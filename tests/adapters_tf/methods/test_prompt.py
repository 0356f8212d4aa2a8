"""Prompt tuning: where the prompt goes, its start, masks, and its place in the toolkit."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    PromptConfig,
    TaskModel,
    encode,
    export_tensors,
    inject_method,
    read_methods,
    route,
    states_mask,
)
from adapters_tf.methods.prompt import PACKED_ROWS, common_rows

pytestmark = pytest.mark.slow

TASKS = ("first", "second", "third")
CONFIG = PromptConfig(length=4)


@pytest.mark.parametrize("by_example", [False, True])
def test_is_read_before_the_tokens_and_never_masked(make_backbone, batch, by_example):
    """A prompt of the embeddings of tokens is the same as those tokens in front."""
    plain = TaskModel(make_backbone(), TASKS)
    model = TaskModel(make_backbone(), TASKS, CONFIG)
    bank = model.banks["encoder"].embeddings
    ids = np.random.default_rng(0).integers(3, 100, (3, 4)).astype(np.int32)
    bank.assign(tf.gather(plain.backbone.shared.embeddings, ids))
    tasks = np.array([0, 2, 1, 0, 2, 2, 1, 0]) if by_example else np.ones(8, np.int64)
    batch = {**batch, "task": tf.constant(tasks, tf.int32)}
    longer = tf.concat([ids[tasks], batch["encoder_input_tokens"]], axis=1)
    longer = {**batch, "encoder_input_tokens": longer}
    with route(batch["task"], by_example):
        states = encode(model.backbone, batch)
    np.testing.assert_allclose(states, encode(plain.backbone, longer), atol=1e-5)
    model.is_routed_by_example = by_example
    np.testing.assert_allclose(model(batch), plain(longer), atol=1e-4)


def test_padding_changes_nothing(make_model, batch):
    model = make_model(CONFIG)
    padded = tf.pad(batch["encoder_input_tokens"], [[0, 0], [0, 3]])
    longer = {**batch, "encoder_input_tokens": padded}
    np.testing.assert_allclose(model(batch), model(longer), atol=1e-5)
    mask = states_mask(model.backbone, batch["encoder_input_tokens"] != 0).numpy()
    assert mask[:, :4].all()
    np.testing.assert_array_equal(mask[:, 4:], batch["encoder_input_tokens"] != 0)


def test_starts_from_common_tokens_or_uniform(make_backbone):
    backbone = make_backbone()
    table = backbone.shared.embeddings.numpy()
    model = TaskModel(backbone, TASKS, PromptConfig(length=20))
    prompts = model.banks["encoder"].embeddings.numpy()
    rows = [[int(np.where((table == v).all(1))[0][0]) for v in prompt] for prompt in prompts]
    assert all(len(set(chosen)) == 20 for chosen in rows)
    assert rows[0] != rows[1]
    alone = TaskModel(make_backbone(), ("third",), PromptConfig(length=20))
    np.testing.assert_array_equal(alone.banks["encoder"].embeddings[0], prompts[2])

    config = PromptConfig(length=200, initialization="uniform")
    values = TaskModel(make_backbone(), TASKS, config).banks["encoder"].embeddings.numpy()
    assert 0.49 < np.abs(values).max() <= 0.5 and abs(values.std() - 0.5 / np.sqrt(3)) < 0.01


def test_only_the_first_five_thousand_tokens_are_common():
    table = np.arange(6000.0)[:, None]
    drawn = common_rows(table)(np.random.default_rng(0), (5000, 1))
    assert drawn.max() == 4999 and len(np.unique(drawn)) == 5000
    few = common_rows(table[:3])(np.random.default_rng(0), (10, 1))
    assert few.shape == (10, 1) and set(few[:, 0]) <= {0.0, 1.0, 2.0}


def test_the_variables_it_adds(make_backbone, adapt_t5_base):
    model = TaskModel(make_backbone(), TASKS, CONFIG)
    assert {path: tuple(v.shape) for path, v in model.trainable_by_path().items()} == {
        "encoder.prompt.embeddings": (3, 4, 32)
    }
    assert all(model.is_bank(variable) for variable in model.trainable_variables)
    assert adapt_t5_base(("a",), PromptConfig()).count_trainable() == 76_800


def test_routing_saving_and_decoding(
    assert_routes_by_example, assert_saves_and_loads, assert_decodes_step_by_step
):
    assert_routes_by_example(CONFIG)
    assert_saves_and_loads(CONFIG)
    assert_decodes_step_by_step(CONFIG, deviation=2.0)


def test_goes_with_methods_inside_the_blocks_in_either_order(make_backbone, batch):
    other = BottleneckConfig(reduction_factor=8)
    logits = []
    for methods in ((CONFIG, other), (other, CONFIG)):
        model = TaskModel(make_backbone(), TASKS, methods)
        assert len(model.banks) == 9
        logits.append(model(batch).numpy())
    np.testing.assert_allclose(*logits, atol=1e-6)


def test_the_backbone_is_exported_as_it_was(make_backbone):
    before = export_tensors(make_backbone())
    backbone = make_backbone()
    inject_method(backbone, CONFIG, TASKS, seed=0)
    after = export_tensors(backbone)
    assert list(after) == list(before)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_packed_rows_are_refused(make_model, batch):
    segments = tf.cast(batch["encoder_input_tokens"] != 0, tf.int32)
    packed = {
        **batch,
        "encoder_segment_ids": segments,
        "decoder_segment_ids": tf.cast(batch["decoder_target_tokens"] != 0, tf.int32),
    }
    with pytest.raises(ConfigurationError) as caught:
        make_model(CONFIG)(packed)
    assert PACKED_ROWS in str(caught.value)


def test_settings_and_injections_that_cannot_be(make_backbone):
    with pytest.raises(ConfigurationError, match="did you mean 'vocabulary'"):
        PromptConfig(initialization="vocab")
    with pytest.raises(ConfigurationError, match="length must be 1 or more, got 0"):
        PromptConfig(length=0)
    assert read_methods("prompt", {"prompt": {"length": 4}}) == (CONFIG,)
    backbone = make_backbone()
    inject_method(backbone, CONFIG, TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="encoder has an adapter already"):
        inject_method(backbone, CONFIG, TASKS, seed=0)
