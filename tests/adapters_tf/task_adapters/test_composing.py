"""Stacked and averaged adapters against applying them by hand."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    FusionConfig,
    LoraConfig,
    TaskModel,
    WeightsError,
    average_adapters,
    load_task,
    route,
    save_task,
    stack_adapter,
)
from adapters_tf.interop import export_task
from adapters_tf.interop.folding import export_folded

pytestmark = pytest.mark.slow

PLAIN = BottleneckConfig(reduction_factor=8, activation="relu", post_norm=False)
PATH = "encoder.block.1.layer.1.DenseReluDense"
TASKS = ("one", "two", "three")


@pytest.fixture
def trained(make_model, tmp_path):
    """A model of three trained adapters and the run folder that holds them."""
    model = make_model(BottleneckConfig(reduction_factor=8), TASKS, train_layer_norms=True)
    for task in TASKS:
        save_task(model, task, tmp_path / "run" / "adapters" / task)
    return model, str(tmp_path / "run")


def site_layer(backbone):
    return backbone.encoder.block[1].layer[1].DenseReluDense


def adapted_by(model, row, outputs):
    with route(tf.fill([2], row)):
        return model.banks[PATH](outputs).numpy()


@pytest.fixture
def inputs():
    return tf.constant(np.random.default_rng(0).normal(size=(2, 4, 32)), tf.float32)


def test_a_stack_is_both_by_hand(trained, make_backbone, make_model, inputs):
    model, run = trained
    backbone = make_backbone()
    stack_adapter(backbone, run, "two")
    frozen = adapted_by(model, 1, site_layer(model.backbone).base(inputs))
    np.testing.assert_allclose(site_layer(backbone)(inputs), frozen, rtol=1e-4, atol=1e-4)
    stacked = make_model(PLAIN, ("x", "y"), backbone=backbone, seed=4)
    on_top = adapted_by(stacked, 1, tf.constant(frozen))
    with route(tf.fill([2], 1)):
        np.testing.assert_allclose(site_layer(backbone)(inputs), on_top, rtol=1e-4, atol=1e-4)
    assert np.abs(on_top - frozen).max() > 0.1


@pytest.mark.parametrize("method", [PLAIN, LoraConfig(rank=2)])
def test_only_the_adapter_on_top_trains(method, trained, make_backbone, batch):
    model, run = trained
    backbone, plain = make_backbone(), TaskModel(make_backbone(), TASKS)(batch).numpy()
    stack_adapter(backbone, run, "two")
    stacked = TaskModel(backbone, ("x", "y"), method)
    own = sum(len(bank.banks) + len(bank.shared) for bank in stacked.banks.values())
    assert len(stacked.trainable_variables) == own
    assert not any("frozen" in path for path in stacked.trainable_by_path())
    if isinstance(method, LoraConfig):  # it starts as what is below
        below = model({**batch, "task": tf.fill([8], 1)}).numpy()
        np.testing.assert_allclose(stacked(batch), below, atol=2e-5 * np.abs(below).max())
        assert np.abs(below - plain).max() > 1e-2


def test_an_average_of_one_is_that_adapter(trained, make_backbone, batch):
    model, run = trained
    for row, task in enumerate(TASKS):
        backbone = make_backbone()
        assert average_adapters(backbone, run, (task,)) == (task,)
        mean = TaskModel(backbone, ("any", "other"))(batch).numpy()
        expected = model({**batch, "task": tf.fill([8], row)}).numpy()
        np.testing.assert_allclose(mean, expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("weights", [None, (3.0, 1.0)])
def test_an_average_of_two_is_the_mean_of_their_outputs(trained, make_backbone, inputs, weights):
    model, run = trained
    backbone = make_backbone()
    # "two" is named first and sorted last: each weight stays with its name.
    assert average_adapters(backbone, run, ("two", "one"), weights) == ("one", "two")
    outputs = site_layer(model.backbone).base(inputs)
    shares = np.array(weights or (1.0, 1.0)) / sum(weights or (1.0, 1.0))
    expected = shares[0] * adapted_by(model, 1, outputs) + shares[1] * adapted_by(model, 0, outputs)
    np.testing.assert_allclose(site_layer(backbone)(inputs), expected, rtol=1e-4, atol=1e-4)


def test_an_average_of_outputs_is_not_that_of_weights(trained, make_backbone, batch):
    model, run = trained
    backbone = make_backbone()
    average_adapters(backbone, run, ("one", "two"))
    mean_of_outputs = TaskModel(backbone, TASKS)(batch).numpy()
    for variable in model.trainable_variables:
        if model.is_bank(variable):
            rows = variable.numpy()
            rows[2] = (rows[0] + rows[1]) / 2
            variable.assign(rows)
    mean_of_weights = model({**batch, "task": tf.fill([8], 2)}).numpy()
    assert np.abs(mean_of_outputs - mean_of_weights).max() > 1e-2


def test_an_adapter_goes_with_what_it_was_stacked_on(trained, make_backbone, make_model, tmp_path):
    _, run = trained
    backbone = make_backbone()
    stack_adapter(backbone, run, "two")
    saved = save_task(make_model(PLAIN, ("x",), backbone=backbone), "x", tmp_path / "x")
    with pytest.raises(WeightsError, match="on other frozen adapters"):
        load_task(TaskModel(make_backbone(), ("x",), PLAIN), "x", saved)
    other = make_backbone()
    stack_adapter(other, run, "one")
    load_task(TaskModel(other, ("x",), PLAIN), "x", saved, any_frozen=True)
    with pytest.raises(WeightsError, match=r"trained on other frozen adapters.*stack_on"):
        TaskModel(make_backbone(), ("y",), FusionConfig(of=str(saved)))
    below = make_backbone()
    stack_adapter(below, run, "two")
    TaskModel(below, ("y",), FusionConfig(of=str(saved)))
    with pytest.raises(WeightsError, match="trained on none"):
        other = make_backbone()
        stack_adapter(other, run, "two")
        stack_adapter(other, run, "one")


def test_no_other_library_takes_an_adapter_without_what_is_below(trained, make_backbone, tmp_path):
    _, run = trained
    backbone = make_backbone()
    stack_adapter(backbone, run, "two")
    stacked = TaskModel(backbone, ("x",), PLAIN)
    fused = TaskModel(make_backbone(), ("x",), FusionConfig(of=run))
    for model in (stacked, fused):
        for library in ("peft", "adapterhub"):
            with pytest.raises(ConfigurationError, match=f"{library} has no place"):
                export_task(model, "x", library, tmp_path / "out")
        with pytest.raises(ConfigurationError, match="a plain T5 has no place"):
            export_folded(model, "x", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_composed_is_refused_by_name(trained, make_backbone):
    _, run = trained
    with pytest.raises(ConfigurationError, match="name one to stack on"):
        stack_adapter(make_backbone(), run)
    with pytest.raises(ConfigurationError, match="did you mean 'two'"):
        stack_adapter(make_backbone(), run, "tow")
    with pytest.raises(ConfigurationError, match="2 named adapters need as many weights"):
        average_adapters(make_backbone(), run, ("one", "two"), (1.0,))
    backbone = make_backbone()
    TaskModel(backbone, ("x",), PLAIN)
    with pytest.raises(ConfigurationError, match="already"):
        average_adapters(backbone, run, ("one",))
