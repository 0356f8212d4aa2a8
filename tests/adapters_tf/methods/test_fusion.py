"""AdapterFusion: the published equation, what stays frozen, and what cannot be fused."""

import json

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

from adapters_tf import (
    BottleneckConfig,
    CompacterConfig,
    ConfigurationError,
    FusionConfig,
    LoraConfig,
    TaskModel,
    WeightsError,
    load_task,
    route,
    save_task,
    task_tensors,
)
from adapters_tf.methods.fusion import FusionBank
from adapters_tf.methods.trained.adapters import TrainedAdapters, bottleneck_shapes
from adapters_tf.methods.trained.folders import find_task_folders
from adapters_tf.methods.trained.frozen import FrozenBottlenecks

pytestmark = pytest.mark.slow

PLAIN = BottleneckConfig(reduction_factor=8, activation="relu", post_norm=False)
PUBLISHED = BottleneckConfig(reduction_factor=8)


@pytest.fixture
def save_adapters(make_model, tmp_path):
    """The folder of adapters trained in one model, every weight away from its start."""

    def save(method=PUBLISHED, tasks=("one", "two", "three"), seed=0, **keywords):
        folder = tmp_path / f"trained{len(list(tmp_path.iterdir()))}"
        model = make_model(method, tasks, seed=seed, **keywords)
        for task in tasks:
            save_task(model, task, folder / "adapters" / task)
        return model, folder

    return save


def normalise(values, gamma, beta):
    centred = values - values.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def adapter_change(config, tensors, n, y):
    """One adapter by hand, without the residual."""
    z = y
    if config.pre_norm:
        z = normalise(z, tensors["pre_norm.gamma"][n], tensors["pre_norm.beta"][n])
    z = z @ tensors["down_kernel"][n] + tensors["down_bias"][n]
    z = z * expit(z) if config.activation == "swish" else np.maximum(z, 0)
    z = z @ tensors["up_kernel"][n] + tensors["up_bias"][n]
    if config.post_norm:
        z = normalise(z, tensors["post_norm.gamma"][n], tensors["post_norm.beta"][n])
    return z * (tensors["scale"][n] if config.scaling == "learned" else config.scaling)


def random_adapters(config, D=12, R=5, N=3):
    random = np.random.default_rng(1)
    shapes = bottleneck_shapes(config, D, R)
    return {n: random.normal(0, 0.5, (N, *s)).astype(np.float32) for n, s in shapes.items()}


CONFIGS = {
    "plain": PLAIN,
    "published": PUBLISHED,
    "norms": BottleneckConfig(pre_norm=True, activation="relu", scaling=0.5),
    "learned": BottleneckConfig(reduction_factor=8, scaling="learned"),
    "parallel": BottleneckConfig(parallel=True, post_norm=False, activation="relu", scaling=4.0),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_frozen_adapters_run_as_one_give_what_each_gives(config):
    tensors = random_adapters(config)
    layer = FrozenBottlenecks(config, tensors, "here")
    y = np.random.default_rng(2).normal(size=(2, 4, 12)).astype(np.float32)
    changes = layer(tf.constant(y)).numpy()
    for n in range(3):
        expected = adapter_change(config, tensors, n, y)
        np.testing.assert_allclose(changes[:, :, n], expected, rtol=1e-4, atol=1e-4)
    assert not layer.trainable_weights and len(layer.weights) == len(tensors)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("value", [True, False])
def test_follows_the_published_equation(config, value):
    tensors = random_adapters(config)
    named = {
        task: {f"here.adapter.{name}": array[n] for name, array in tensors.items()}
        for n, task in enumerate(("a", "b", "c"))
    }
    trained = TrainedAdapters(config, named, None)
    bank = FusionBank(FusionConfig(value=value), trained, 0.0, ("x", "y"), "here", seed=0)
    bank.build(tf.TensorShape([None, None, 12]))
    random = np.random.default_rng(3)
    for variable in bank.banks.values():
        variable.assign(random.normal(0, 0.25, variable.shape))
    y, x = (random.normal(size=(2, 4, 12)).astype(np.float32) for _ in range(2))

    with route(tf.constant([1, 1])):
        result = bank(tf.constant(y), tf.constant(x)).numpy()

    w = {name: variable[1].numpy() for name, variable in bank.banks.items()}
    read = x if config.parallel else y
    changes = np.stack([adapter_change(config, tensors, n, read) for n in range(3)], 2)
    query = read @ w["query_kernel"] + w["query_bias"]
    # As published: every adapter's output has a key and a value of its own.
    keys = changes @ w["key_kernel"].T
    values = changes @ w["value_kernel"] if value else changes
    shares = softmax(np.einsum("bsd,bsnd->bsn", query, keys), -1)
    assert 0.4 < shares.max(-1).mean() < 0.98  # neither even nor all on one
    expected = y + np.einsum("bsn,bsnd->bsd", shares, values)
    np.testing.assert_allclose(result, expected, rtol=2e-4, atol=2e-4)


def test_starts_as_published(save_adapters, make_backbone):
    _, folder = save_adapters()
    model = TaskModel(make_backbone(), ("new", "newer"), FusionConfig(of=str(folder)))
    bank = model.banks["encoder.block.1.layer.1.DenseReluDense"]
    assert set(bank.banks) == {"query_kernel", "query_bias", "key_kernel", "value_kernel"}
    assert not np.any(bank.query_bias) and bank.dropout is None
    for kernel in (bank.query_kernel, bank.key_kernel):
        assert abs(np.std(kernel) - 0.02) < 2e-3
        assert np.any(kernel[0].numpy() != kernel[1].numpy())
    expected = np.full((32, 32), 1e-6, np.float32)
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_array_equal(bank.value_kernel[1], expected)
    # Three square matrices and a bias at each of 8 places, per target task.
    assert model.count_trainable() == 2 * 8 * (3 * 32 * 32 + 32)


COMPOSED = {
    **CONFIGS,
    "norms": BottleneckConfig(reduction_factor=8, pre_norm=True, scaling=0.5),
    "parallel": BottleneckConfig(reduction_factor=8, parallel=True, scaling=4.0),
    "without a residual": BottleneckConfig(reduction_factor=8, residual=False),
    "compacter": CompacterConfig(reduction_factor=4),
    "compacter with rules of its own": CompacterConfig(
        reduction_factor=4, rank=2, share_rule=False, placement=("feed_forward",)
    ),
}


@pytest.mark.parametrize("config", COMPOSED.values(), ids=COMPOSED)
def test_of_one_adapter_is_that_adapter(config, save_adapters, make_backbone, batch):
    adapters, folder = save_adapters(config, train_layer_norms=True)
    fusion = FusionConfig(of=str(folder), tasks=("two",))
    model = TaskModel(make_backbone(), ("new",), fusion)
    for bank in model.banks.values():
        bank.value_kernel.assign(np.eye(32)[None])
    expected = adapters({**batch, "task": tf.fill([8], 1)}).numpy()
    plain = TaskModel(make_backbone(), ("new",))({**batch, "task": tf.fill([8], 0)}).numpy()
    assert np.abs(expected - plain).max() > 1e-2
    fused = model({**batch, "task": tf.fill([8], 0)}).numpy()
    np.testing.assert_allclose(fused, expected, atol=1e-6 * np.abs(expected).max())


def test_the_order_of_the_adapters_folders_does_not_matter(save_adapters, make_backbone, batch):
    _, folder = save_adapters()
    names = [str(folder / "adapters" / task) for task in ("two", "one")]
    models = [
        TaskModel(make_backbone(), ("x", "y"), FusionConfig(**settings))
        for settings in (
            {"of": str(folder), "tasks": ("two", "one")},
            {"of": str(folder / "adapters"), "tasks": ("one", "two")},
            {"of": tuple(names)},
        )
    ]
    answers = [model(batch).numpy() for model in models]
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])


def test_only_the_fusion_trains_and_the_value_matrix_is_held_near_the_identity(
    save_adapters, make_model, batch
):
    _, folder = save_adapters()
    for weight in (0.01, 0.5, 0.0):
        fusion = FusionConfig(of=str(folder), regularization=weight)
        model = make_model(fusion, ("first", "second"), deviation=0.1)
        values = [bank.value_kernel[1].numpy() for bank in model.banks.values()]
        model(batch, training=True)
        expected = weight * sum(np.sum((value - np.eye(32)) ** 2) for value in values)
        np.testing.assert_allclose(sum(map(float, model.losses)), expected, rtol=1e-5)
        model(batch)
        assert not model.losses
        assert not any("frozen" in path for path in model.trainable_by_path())


def test_dropout_falls_on_the_scores(save_adapters, make_backbone, batch):
    _, folder = save_adapters()
    model = TaskModel(make_backbone(), ("x", "y"), FusionConfig(of=str(folder), dropout=0.5))
    assert all(bank.dropout.rate == 0.5 for bank in model.banks.values())
    still, again = model(batch).numpy(), model(batch, training=True).numpy()
    assert np.any(still != again)
    backbone = make_backbone(dropout_rate=0.1)
    own = TaskModel(backbone, ("x", "y"), FusionConfig(of=str(folder)))
    assert {bank.dropout.rate for bank in own.banks.values()} == {0.1}


def test_a_fusion_goes_with_the_adapters_it_was_trained_on(save_adapters, make_backbone, tmp_path):
    _, folder = save_adapters()
    _, other = save_adapters(seed=7)
    model = TaskModel(make_backbone(), ("x",), FusionConfig(of=str(folder)))
    saved = save_task(model, "x", tmp_path / "fusion")
    again = TaskModel(make_backbone(), ("y",), FusionConfig(of=str(folder)), seed=3)
    load_task(again, "y", saved)
    for path, tensor in task_tensors(again, "y").items():
        np.testing.assert_array_equal(tensor, task_tensors(model, "x")[path])
    changed = TaskModel(make_backbone(), ("x",), FusionConfig(of=str(other)))
    with pytest.raises(WeightsError, match="on other frozen adapters"):
        load_task(changed, "x", saved)


def test_layer_norms_trained_with_the_adapters_come_along(save_adapters, make_backbone):
    adapters, folder = save_adapters(train_layer_norms=True)
    backbone = make_backbone()
    TaskModel(backbone, ("x",), FusionConfig(of=str(folder)))
    norm = adapters.backbone.encoder.final_layer_norm.weight.numpy()
    assert np.any(norm != make_backbone().encoder.final_layer_norm.weight.numpy())
    np.testing.assert_array_equal(backbone.encoder.final_layer_norm.weight, norm)


def test_what_cannot_be_fused_is_refused_by_name(save_adapters, make_backbone):
    def fuse(of, tasks=(), **overrides):
        TaskModel(make_backbone(**overrides), ("x",), FusionConfig(of=of, tasks=tasks))

    _, good = save_adapters()
    with pytest.raises(ConfigurationError, match="`of` is missing"):
        fuse("")
    with pytest.raises(WeightsError, match="holds no trained adapters"):
        fuse(str(good.parent / "nowhere"))
    with pytest.raises(ConfigurationError, match="did you mean 'three'"):
        fuse(str(good), ("thre",))
    with pytest.raises(ConfigurationError, match="have one name"):
        fuse((str(good), str(good / "adapters" / "one")))
    with pytest.raises(ConfigurationError, match="holds 'lora'; only the adapters of"):
        fuse(str(save_adapters(LoraConfig(), ("one",))[1]))
    _, compacter = save_adapters(CompacterConfig(reduction_factor=4), ("four",))
    with pytest.raises(ConfigurationError, match="'four' and 'one' are of different methods"):
        fuse((str(good), str(compacter)))
    with pytest.raises(WeightsError, match="does not fit the backbone"):
        fuse(str(good), d_model=48)
    _, wide = save_adapters(BottleneckConfig(reduction_factor=4), ("wide",))
    with pytest.raises(ConfigurationError, match="differ in reduction_factor: 8 and 4"):
        fuse((str(good), str(wide)))
    file = good / "adapters" / "one" / "adapter_config.json"
    text = file.read_text()
    file.write_text(text.replace('"reads_residual_stream": false', '"reads_residual_stream": true'))
    with pytest.raises(ConfigurationError, match="reads_residual_stream = True, which cannot be"):
        fuse(str(good))
    with pytest.raises(ConfigurationError, match="must be a list"):
        FusionConfig(tasks="one,two")
    with pytest.raises(ConfigurationError, match="fusion dropout"):
        FusionConfig(dropout=1.0)
    with pytest.raises(ConfigurationError, match="fusion regularization"):
        FusionConfig(regularization=-1.0)


def test_adapters_trained_with_different_layer_norms_are_refused(save_adapters, make_backbone):
    _, first = save_adapters(tasks=("one",), train_layer_norms=True)
    _, second = save_adapters(tasks=("two",), seed=3, train_layer_norms=True)
    _, without = save_adapters(tasks=("three",))
    for other in (second, without):
        with pytest.raises(ConfigurationError, match="different layer norms of T5"):
            TaskModel(make_backbone(), ("x",), FusionConfig(of=(str(first), str(other))))


def test_blocks_with_factors_of_their_own_survive_the_folder(save_adapters, make_backbone, batch):
    config = BottleneckConfig(reduction_factor=8, reduction_factors={1: 4}, leave_out=(0,))
    _, folder = save_adapters(config)
    model = TaskModel(make_backbone(), ("x", "y"), FusionConfig(of=str(folder)))
    assert next(iter(model.banks)).startswith("encoder.block.1.")
    assert len(model.banks) == 4
    bank = model.banks["encoder.block.1.layer.1.DenseReluDense"]
    assert bank.adapters.tensors["down_kernel"].shape == (3, 32, 8)
    settings = json.loads(
        (find_task_folders([str(folder)])["one"] / "adapter_config.json").read_text()
    )
    assert settings["methods"]["bottleneck"]["reduction_factors"] == {"1": 4}
    assert np.isfinite(model(batch)).all()
