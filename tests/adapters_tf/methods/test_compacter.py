"""Compacter: its arithmetic, start, variables and sizes, and its place in the toolkit."""

import math

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import CompacterConfig, ConfigurationError, TaskModel, inject_method, read_methods
from adapters_tf.banks.routing import route
from adapters_tf.methods.compacter import CompacterBank, CompacterRules

pytestmark = pytest.mark.slow

TASKS = ("first", "second", "third")
CONFIG = CompacterConfig(reduction_factor=4)


def kronecker_sum(rule, left, right):
    return sum(np.kron(a, s @ t) for a, s, t in zip(rule, left, right, strict=True))


def make_bank(config, width=8, inputs=16):
    rules = None
    if config.share_rule:
        rules = CompacterRules(config, TASKS, "shared", 3)
        rules.build(None)
    bank = CompacterBank(config, TASKS, "here", 3, width, rules)
    bank.build(tf.TensorShape([None, None, inputs]))
    return bank, {**bank.banks, **(rules.banks if rules else {})}


@pytest.mark.parametrize("by_example", [False, True])
@pytest.mark.parametrize("settings", [{}, {"share_rule": False, "rank": 2, "dimension": 2}])
def test_follows_the_published_definition(settings, by_example):
    bank, variables = make_bank(CompacterConfig(**settings))
    random = np.random.default_rng(0)
    for variable in variables.values():
        variable.assign(random.normal(size=variable.shape))
    y = random.normal(size=(2, 5, 16)).astype(np.float32)
    tasks = [2, 0] if by_example else [2, 2]
    with route(tf.constant(tasks), by_example):
        result = bank(y).numpy()
    for row, task in enumerate(tasks):
        w = {name: variable[task].numpy() for name, variable in variables.items()}
        down_rule = w["phm_rule"] if "phm_rule" in w else w["down_rule"]
        up_rule = w["phm_rule"] if "phm_rule" in w else w["up_rule"]
        z = y[row] @ kronecker_sum(down_rule, w["down_left"], w["down_right"]) + w["down_bias"]
        z = z * 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
        z = z @ kronecker_sum(up_rule, w["up_left"], w["up_right"]) + w["up_bias"]
        np.testing.assert_allclose(result[row], y[row] + z, rtol=1e-4, atol=1e-3)


def test_starts_as_published():
    bank, variables = make_bank(CompacterConfig(dimension=16, rank=8), width=512, inputs=1024)
    assert abs(np.std(variables["phm_rule"]) - 1e-4) < 5e-6
    for name, fan in (("down_left", 64 + 8), ("down_right", 8 + 32), ("up_left", 32 + 8)):
        bound = np.sqrt(6 / fan)
        values = variables[name].numpy()
        assert 0.99 * bound < np.abs(values).max() <= bound
        assert abs(values.std() - bound / np.sqrt(3)) < 0.02 * bound
    assert not np.any(bank.down_bias) and not np.any(bank.up_bias)
    _, own = make_bank(CompacterConfig(dimension=16, share_rule=False), 512, 1024)
    assert abs(np.std(own["down_rule"]) - 1e-2) < 5e-4


def test_the_variables_it_adds(make_backbone):
    model = TaskModel(make_backbone(), TASKS, CONFIG)
    names = ("down_left", "down_right", "down_bias", "up_left", "up_right", "up_bias")
    places = (
        "encoder.block.0.layer.0.SelfAttention",
        "encoder.block.0.layer.1.DenseReluDense",
        "encoder.block.1.layer.0.SelfAttention",
        "encoder.block.1.layer.1.DenseReluDense",
        "decoder.block.0.layer.0.SelfAttention",
        "decoder.block.0.layer.2.DenseReluDense",
        "decoder.block.1.layer.0.SelfAttention",
        "decoder.block.1.layer.2.DenseReluDense",
    )
    expected = {f"{place}.compacter.{name}": 3 for place in places for name in names}
    expected["shared_parameters.compacter.phm_rule"] = 3
    found = {path: v.shape[0] for path, v in model.trainable_by_path().items()}
    assert found == expected
    assert all(model.is_bank(variable) for variable in model.trainable_variables)


def test_compacter_plus_plus_is_at_the_feed_forward_only(make_backbone):
    (method,) = read_methods("compacter++", {"compacter++": {"reduction_factor": 4}})
    banks = inject_method(make_backbone(), method, TASKS, seed=0)
    assert [path.rsplit(".")[-1] for path in banks] == ["shared_parameters"] + [
        "DenseReluDense"
    ] * 4


@pytest.mark.parametrize(
    ("name", "tasks", "expected"),
    [
        ("compacter", "a", 114_112),
        ("compacter", "abcdefgh", 8 * 114_112),
        ("compacter++", "a", 57_088),
    ],
)
def test_parameter_counts_of_t5_base(adapt_t5_base, name, tasks, expected):
    model = adapt_t5_base(tuple(tasks), read_methods(name, {}))
    assert model.count_trainable() == expected


def test_each_kernel_may_have_its_own_rule(make_backbone):
    shared = TaskModel(make_backbone(), ("a",), CONFIG).count_trainable()
    own = CompacterConfig(reduction_factor=4, share_rule=False)
    assert TaskModel(make_backbone(), ("a",), own).count_trainable() == shared + 15 * 64


def test_routing_saving_and_decoding(
    assert_routes_by_example, assert_saves_and_loads, assert_decodes_step_by_step
):
    assert_routes_by_example(CONFIG)
    assert_saves_and_loads(CONFIG)
    assert_decodes_step_by_step(CompacterConfig(reduction_factor=3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "gelo"}, "did you mean 'gelu'"),
        ({"placement": ("self_atention",)}, "did you mean 'self_attention'"),
        ({"dimension": 0}, "dimension must be 1 or more, got 0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        CompacterConfig(**settings)


def test_a_dimension_that_does_not_divide_and_a_wrapped_layer_are_refused(make_backbone):
    with pytest.raises(ConfigurationError, match="must divide the model width 32 and the bottle"):
        inject_method(make_backbone(), CompacterConfig(), TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="no layer of the model matches"):
        method = CompacterConfig(reduction_factor=4, placement=())
        inject_method(make_backbone(), method, TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="has an adapter already"):
        TaskModel(make_backbone(), TASKS, (*read_methods("pfeiffer", {}), CONFIG))
