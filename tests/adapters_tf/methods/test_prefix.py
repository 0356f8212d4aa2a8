"""Prefix tuning: the attention's arithmetic, start, sizes, caches, place in the toolkit."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    LoraConfig,
    PrefixConfig,
    TaskModel,
    encode,
    inject_method,
    read_methods,
    route,
)

pytestmark = pytest.mark.slow

TASKS = ("first", "second", "third")
CONFIG = PrefixConfig(length=3, hidden_width=5)
FLAT = PrefixConfig(length=3, reparametrize=False)
ATTENTIONS = {
    "encoder": [f"encoder.block.{n}.layer.0.SelfAttention" for n in (0, 1)],
    "decoder": [f"decoder.block.{n}.layer.0.SelfAttention" for n in (0, 1)],
    "cross": [f"decoder.block.{n}.layer.1.EncDecAttention" for n in (0, 1)],
}


def prefixes(model, path, place, task):
    """The prefix keys and values of a task in numpy, each [N, P, H] of 4 heads of 8."""
    w = {name: variable.numpy()[task] for name, variable in model.banks[path].banks.items()}
    if "keys" in w:
        parts = w["keys"], w["values"]
    else:
        n = {k: v.numpy()[task] for k, v in model.banks[f"prefix.{place}"].banks.items()}
        hidden = np.tanh(n["embeddings"] @ n["kernel"] + n["bias"])
        parts = np.split(hidden @ w["kernel"] + w["bias"], 2, axis=-1)
    return [part.reshape(-1, 4, 8).transpose(1, 0, 2) for part in parts]


def attend(layer, query, states, bias, prefix, all_biased=False):
    """One example's attention in numpy: bias [N or 1, Q, S], or of the prefixes too."""

    def heads(inputs, projection):
        return (inputs @ projection.kernel.numpy()).reshape(-1, 4, 8).transpose(1, 0, 2)

    keys = np.concatenate([prefix[0], heads(states, layer.k)], 1)
    values = np.concatenate([prefix[1], heads(states, layer.v)], 1)
    scores = heads(query, layer.q) @ keys.transpose(0, 2, 1)
    scores[:, :, 0 if all_biased else prefix[0].shape[1] :] += bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    context = (weights @ values).transpose(1, 0, 2).reshape(len(query), 32)
    return context @ layer.o.kernel.numpy()


def attention_of(model, path):
    stack, _, block, _, layer, name = path.split(".")
    return getattr(getattr(model.backbone, stack).block[int(block)].layer[int(layer)], name)


@pytest.mark.parametrize("by_example", [False, True])
@pytest.mark.parametrize("config", [CONFIG, FLAT], ids=["network", "flat"])
@pytest.mark.parametrize("place", ["encoder", "decoder", "cross"])
def test_follows_the_published_definition(make_model, config, place, by_example):
    model = make_model(config)
    random = np.random.default_rng(0)
    query = random.normal(size=(2, 5, 32)).astype(np.float32)
    states = random.normal(size=(2, 7, 32)).astype(np.float32) if place == "cross" else query
    is_seen = np.arange(states.shape[1]) < [[4], [3]]
    mask = np.where(is_seen, 0, -1e9).astype(np.float32)[:, None, None, :]
    tasks = [2, 0] if by_example else [1, 1]
    # The first block makes the bias of positions, the second is given one.
    for number, path in enumerate(ATTENTIONS[place]):
        attention = attention_of(model, path)
        bias = np.zeros((1, 1, 1, 1), np.float32)
        if number == 0 and place != "cross":
            bias = attention.base.compute_bias(5, 5).numpy()
        given = {"mask": tf.constant(mask)} if number == 0 else {"position_bias": bias + mask}
        if place == "cross":
            given["key_value_states"] = tf.constant(states)
        with route(tf.constant(tasks), by_example):
            outputs = attention(tf.constant(query), **given)
        expected_bias = np.broadcast_to(bias + mask, outputs[2].shape)
        np.testing.assert_allclose(outputs[2], expected_bias, rtol=1e-6, atol=1e-6)
        for row, task in enumerate(tasks):
            prefix = prefixes(model, path, place, task)
            expected = attend(attention.base, query[row], states[row], expected_bias[row], prefix)
            np.testing.assert_allclose(outputs[0][row], expected, rtol=1e-4, atol=1e-4)


def prefixed_bias(attention, positions, queries, tokens):
    """T5's bias of each query to 3 prefixes and to each token, position by position."""
    attention = attention.base
    table = attention.relative_attention_bias.numpy()
    keys = np.arange(3 + tokens)
    rows = []
    for query in range(tokens - queries, tokens):
        distances = keys - query - (3 if positions == "before" else 0)
        buckets = attention._relative_position_bucket(
            tf.constant(distances), not attention.is_decoder, 8, 16
        )
        rows.append(table[buckets.numpy()])
    return np.stack(rows).transpose(2, 0, 1)[None]


@pytest.mark.parametrize("positions", ["before", "shifted"])
@pytest.mark.parametrize("place", ["encoder", "decoder"])
def test_prefixes_may_have_positions(make_model, make_backbone, place, positions):
    buckets = {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 16}
    config = PrefixConfig(3, (place,), reparametrize=False, positions=positions)
    model = make_model(config, backbone=make_backbone(**buckets))
    random = np.random.default_rng(0)
    query = random.normal(size=(2, 5, 32)).astype(np.float32)
    mask = np.where(np.arange(5) < [[4], [3]], 0, -1e9).astype(np.float32)[:, None, None, :]
    first, second = ATTENTIONS[place]
    with route(tf.constant([1, 1])):
        outputs = attention_of(model, first)(tf.constant(query), mask=tf.constant(mask))
        again = attention_of(model, second)(tf.constant(query), position_bias=outputs[2])
    bias = prefixed_bias(attention_of(model, first), positions, 5, 5)
    bias = bias + np.pad(mask, [(0, 0), (0, 0), (0, 0), (3, 0)])
    np.testing.assert_allclose(outputs[2], bias, rtol=1e-6, atol=1e-6)
    assert np.abs(bias[0, :, :, :3]).max() > 0.1
    for path, made in ((first, outputs), (second, again)):
        base = attention_of(model, path).base
        for row in range(2):
            prefix = prefixes(model, path, place, 1)
            expected = attend(base, query[row], query[row], bias[row], prefix, all_biased=True)
            np.testing.assert_allclose(made[0][row], expected, rtol=1e-4, atol=1e-4)


def test_starts_as_published(make_backbone):
    backbone = make_backbone()
    model = TaskModel(backbone, TASKS, PrefixConfig(length=100, hidden_width=400))
    network = model.banks["prefix.cross"]
    assert abs(network.embeddings.numpy().std() - 1) < 0.02
    site = model.banks[ATTENTIONS["cross"][1]]
    for variable, bound in (
        (network.kernel, 32**-0.5),
        (network.bias, 32**-0.5),
        (site.kernel, 400**-0.5),
        (site.bias, 400**-0.5),
    ):
        assert 0.95 * bound < np.abs(variable).max() <= bound
        assert abs(np.std(variable) - bound / np.sqrt(3)) < 0.1 * bound
    flat = TaskModel(make_backbone(), TASKS, PrefixConfig(length=100, reparametrize=False))
    assert abs(flat.banks[ATTENTIONS["encoder"][0]].keys.numpy().std() - 1) < 0.02


def test_the_variables_it_adds(make_backbone):
    model = TaskModel(make_backbone(), TASKS, CONFIG)
    expected = {}
    for place, paths in ATTENTIONS.items():
        expected[f"prefix.{place}.prefix.embeddings"] = (3, 3, 32)
        expected[f"prefix.{place}.prefix.kernel"] = (3, 32, 5)
        expected[f"prefix.{place}.prefix.bias"] = (3, 5)
        for path in paths:
            expected[f"{path}.prefix.kernel"] = (3, 5, 64)
            expected[f"{path}.prefix.bias"] = (3, 64)
    assert {p: tuple(v.shape) for p, v in model.trainable_by_path().items()} == expected
    assert all(model.is_bank(variable) for variable in model.trainable_variables)
    flat = TaskModel(make_backbone(), TASKS, PrefixConfig(3, ("cross",), reparametrize=False))
    assert {p: tuple(v.shape) for p, v in flat.trainable_by_path().items()} == {
        f"{path}.prefix.{name}": (3, 3, 32)
        for path in ATTENTIONS["cross"]
        for name in ("keys", "values")
    }


@pytest.mark.parametrize(("name", "expected"), [("prefix", 29_617_152), ("prefix_flat", 1_658_880)])
def test_parameter_counts_of_t5_base(adapt_t5_base, name, expected):
    model = adapt_t5_base(("a",), read_methods(name, {}))
    assert model.count_trainable() == expected


@pytest.mark.parametrize(
    ("place", "reparametrize"),
    [(tuple(ATTENTIONS), True), (("encoder",), False), (("decoder",), False), (("cross",), False)],
)
def test_routing_saving_and_decoding(
    assert_routes_by_example,
    assert_saves_and_loads,
    assert_decodes_step_by_step,
    place,
    reparametrize,
):
    config = PrefixConfig(3, place, reparametrize, hidden_width=5)
    assert_routes_by_example(config)
    assert_saves_and_loads(config)
    assert_decodes_step_by_step(config, deviation=1.0)


@pytest.mark.parametrize("positions", ["before", "shifted"])
def test_decoding_knows_the_distance_to_the_prefixes(assert_decodes_step_by_step, positions):
    config = PrefixConfig(3, reparametrize=False, positions=positions)
    assert_decodes_step_by_step(config, deviation=1.0)


def test_generate_with_a_cache_that_grows_gives_the_same(make_model, batch):
    """TFT5's own way, whose cache holds every position so far."""
    for positions in ("none", "before", "shifted"):
        model = make_model(PrefixConfig(3, reparametrize=False, positions=positions))
        tokens = batch["decoder_input_tokens"][:, :4]
        with route(batch["task"]):
            states = encode(model.backbone, batch)
            decoder = model.backbone.decoder
            whole = decoder(tokens, encoder_hidden_states=states, use_cache=True)
            start = decoder(tokens[:, :3], encoder_hidden_states=states, use_cache=True)
            rest = decoder(
                tokens[:, 3:],
                encoder_hidden_states=states,
                past_key_values=start.past_key_values,
                use_cache=True,
            )
        np.testing.assert_allclose(rest[0][:, 0], whole[0][:, 3], atol=1e-5)


@pytest.mark.parametrize("positions", ["none", "before", "shifted"])
def test_padding_changes_nothing(make_model, batch, positions):
    model = make_model(PrefixConfig(3, hidden_width=5, positions=positions))
    padded = tf.pad(batch["encoder_input_tokens"], [[0, 0], [0, 3]])
    longer = {**batch, "encoder_input_tokens": padded}
    np.testing.assert_allclose(model(batch), model(longer), atol=1e-5)


def test_packed_rows_give_what_their_examples_give(make_model):
    """Two examples in a row, each of which sees the prefixes as if alone."""
    model = make_model(CONFIG)
    inputs = tf.constant([[5, 6, 7, 8, 9, 10, 11]])
    targets = tf.constant([[0, 20, 21, 0, 30]])
    packed = {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": targets,
        "encoder_segment_ids": tf.constant([[1, 1, 1, 1, 2, 2, 2]]),
        "decoder_segment_ids": tf.constant([[1, 1, 1, 2, 2]]),
        "task": tf.constant([1]),
    }
    logits = model(packed).numpy()[0]
    for source, target in ((slice(0, 4), slice(0, 3)), (slice(4, 7), slice(3, 5))):
        alone = {
            "encoder_input_tokens": inputs[:, source],
            "decoder_input_tokens": targets[:, target],
            "task": tf.constant([1]),
        }
        np.testing.assert_allclose(logits[target], model(alone).numpy()[0], atol=1e-5)


def test_prefixes_with_positions_refuse_packed_rows(make_model, batch):
    segments = tf.cast(batch["encoder_input_tokens"] != 0, tf.int32)
    packed = {
        **batch,
        "encoder_segment_ids": segments,
        "decoder_segment_ids": tf.ones_like(batch["decoder_input_tokens"]),
    }
    config = PrefixConfig(3, ("decoder",), reparametrize=False, positions="before")
    with pytest.raises(ConfigurationError, match="cannot read packed rows"):
        make_model(config)(packed)
    cross = PrefixConfig(3, ("cross",), reparametrize=False, positions="before")
    assert make_model(cross)(packed).shape[0] == 8


def test_goes_with_lora_and_with_adapters_of_the_feed_forward(make_backbone, batch):
    feed_forward = BottleneckConfig(reduction_factor=8, placement=("feed_forward",))
    lora = LoraConfig(targets=("q", "k", "v"))
    logits = []
    for methods in ((FLAT, lora, feed_forward), (feed_forward, lora, FLAT)):
        model = TaskModel(make_backbone(), TASKS, methods)
        for bank in model.banks.values():
            for name, variable in bank.banks.items():
                if name == "b":  # LoRA's other half starts at zero
                    variable.assign(tf.ones_like(variable) * 0.1)
        logits.append(model(batch).numpy())
    np.testing.assert_allclose(*logits, atol=1e-5)
    without = TaskModel(make_backbone(), TASKS, (feed_forward, FLAT))(batch).numpy()
    assert np.abs(logits[0] - without).max() > 1e-3


def test_settings_and_injections_that_cannot_be(make_backbone):
    with pytest.raises(ConfigurationError, match="did you mean 'encoder'"):
        PrefixConfig(placement=("encodr",))
    with pytest.raises(ConfigurationError, match="did you mean 'before'"):
        PrefixConfig(positions="befor")
    with pytest.raises(ConfigurationError, match="length must be 1 or more, got 0"):
        PrefixConfig(length=0)
    with pytest.raises(ConfigurationError, match="no layer of the model matches"):
        inject_method(make_backbone(), PrefixConfig(placement=()), TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="has an adapter already"):
        TaskModel(make_backbone(), TASKS, (BottleneckConfig(reduction_factor=8), CONFIG))
