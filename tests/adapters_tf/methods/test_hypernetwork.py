"""Hypernetworks: arithmetic, published sizes and start, embeddings, place in the toolkit."""

import math

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    ConfigurationError,
    HypernetworkConfig,
    TaskModel,
    inject_method,
    read_methods,
    route,
)
from trainer.optimizers.registry import OPTIMIZERS
from trainer.steps.step import train_step

pytestmark = pytest.mark.slow

TASKS = ("first", "second", "third")
SMALL = {
    "reduction_factor": 8,
    "task_embedding_width": 6,
    "projected_width": 5,
    "task_hidden_width": 7,
    "hidden_width": 3,
}
WAYS = [
    {"generators": "per_stack"},
    {"generators": "per_kind", "pre_norm": True},
    {"generators": "per_layer"},
    {"generators": "per_layer", "form": "two_layer", "project_tasks": True},
    {"generators": "per_layer", "form": "bilinear", "generate_norms": False},
]
SITE = "decoder.block.1.layer.2.DenseReluDense"


def normalise(values, gamma, beta, epsilon):
    centred = values - values.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * gamma + beta


def dense(w, path, name, x):
    return x @ w[f"{path}.hypernetwork.{name}_kernel"] + w[f"{path}.hypernetwork.{name}_bias"]


def project(w, path, x):
    return dense(w, path, "projected", np.maximum(dense(w, path, "hidden", x), 0))


def embedding_of(config, w, task):
    """The generator's input at SITE, the second kind's adapter in the decoder's block 1."""
    z = w["task_embeddings.hypernetwork.embedding"][task]
    if config.generators == "per_layer":
        return project(w, "task_embeddings", z) if config.project_tasks else z
    path = "decoder.site_embeddings"
    parts = [z, w[f"{path}.hypernetwork.layer_embedding"][1]]
    if config.generators == "per_stack":
        parts.append(w[f"{path}.hypernetwork.kind_embedding"][1])
    norm = (w[f"{path}.hypernetwork.norm_{part}"] for part in ("gamma", "beta"))
    return normalise(project(w, path, np.concatenate(parts)), *norm, 1e-6)


def generate(config, w, task, name):
    path = {
        "per_stack": "decoder.generator",
        "per_kind": "decoder.generator.feed_forward",
        "per_layer": f"{SITE}.generator",
    }[config.generators]
    z = embedding_of(config, w, task)
    if "norm" in name and not config.generate_norms:
        return w[f"{SITE}.hypernetwork.{name}"]
    if config.form == "bilinear":
        return z @ w[f"{path}.hypernetwork.{name}_kernel"]
    if config.form == "two_layer":
        z = dense(w, path, f"{name}_hidden", z)
    return dense(w, path, name, z)


def adapt(config, w, y, task):
    """The outputs of SITE's adapter, by numpy: of the shape of y."""
    norms = ["post_norm_gamma", "post_norm_beta"]
    norms += ["pre_norm_gamma", "pre_norm_beta"] if config.pre_norm else []
    names = ("down_kernel", "down_bias", "up_kernel", "up_bias", *norms)
    made = {name: generate(config, w, task, name) for name in names}
    z = y
    if config.pre_norm:
        z = normalise(z, made["pre_norm_gamma"], made["pre_norm_beta"], 1e-5)
    z = z @ made["down_kernel"].reshape(32, 4) + made["down_bias"]
    z = 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    z = z @ made["up_kernel"].reshape(4, 32) + made["up_bias"]
    return y + normalise(z, made["post_norm_gamma"], made["post_norm_beta"], 1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_follows_the_published_definition(make_model, way):
    config = HypernetworkConfig(**SMALL, **way)
    model = make_model(config)
    w = {path: variable.numpy() for path, variable in model.trainable_by_path().items()}
    y = np.random.default_rng(1).normal(size=(2, 5, 32)).astype(np.float32)
    for tasks, by_example in (([2, 2], False), ([2, 0], True)):
        with route(tf.constant(tasks), by_example):
            result = model.banks[SITE](y).numpy()
        for row, task in enumerate(tasks):
            expected = adapt(config, w, y[row], task)
            np.testing.assert_allclose(result[row], expected, rtol=1e-4, atol=2e-4)
    check_gradients(config, model, y[0], 2)


def check_gradients(config, model, y, task):
    """Those of the tape are the slopes of numpy's form, in float64, along a way for each variable.

    Norms whose scales and shifts are generated are among them.
    """
    variables = model.trainable_by_path()
    w = {path: variable.numpy().astype(np.float64) for path, variable in variables.items()}
    upstream = np.random.default_rng(2).normal(size=y.shape)
    with tf.GradientTape() as tape, route(tf.constant([task]), False):
        total = tf.reduce_sum(model.banks[SITE](y[None]) * upstream[None].astype(np.float32))
    found = tape.gradient(total, list(variables.values()))
    reached = 0
    for (path, value), gradient in zip(w.items(), found, strict=True):
        if gradient is None:
            continue
        reached += 1
        along = np.random.default_rng(3).normal(size=value.shape)
        ends = [
            (adapt(config, {**w, path: value + step * along}, y, task) * upstream).sum()
            for step in (1e-5, -1e-5)
        ]
        slope = (ends[0] - ends[1]) / 2e-5
        taken = float((tf.convert_to_tensor(gradient).numpy() * along).sum())
        np.testing.assert_allclose(taken, slope, rtol=2e-3, atol=2e-3, err_msg=path)
    assert reached > 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [("hyperformer++", 5_163_440), ("hyperformer", 10_241_760), ("meta_adapter", 122_279_552)],
)
def test_parameter_counts_of_t5_base(adapt_t5_base, name, expected):
    model = adapt_t5_base(tuple("abcdefgh"), read_methods(name, {}))
    assert model.count_trainable() == expected
    banked = [variable for variable in model.trainable_variables if model.is_bank(variable)]
    assert [tuple(variable.shape) for variable in banked] == [(8, 64)]


def test_the_variables_it_adds(make_backbone):
    model = TaskModel(make_backbone(), TASKS, HypernetworkConfig(**SMALL))
    layers = ("down_kernel", "down_bias", "up_kernel", "up_bias")
    layers += ("post_norm_gamma", "post_norm_beta")
    expected = {"task_embeddings.hypernetwork.embedding"}
    for stack in ("encoder", "decoder"):
        for part in ("kernel", "bias"):
            expected |= {f"{stack}.generator.hypernetwork.{name}_{part}" for name in layers}
            expected |= {
                f"{stack}.site_embeddings.hypernetwork.{name}_{part}"
                for name in ("hidden", "projected")
            }
        expected |= {
            f"{stack}.site_embeddings.hypernetwork.{name}"
            for name in ("layer_embedding", "kind_embedding", "norm_gamma", "norm_beta")
        }
    assert set(model.trainable_by_path()) == expected


def test_starts_as_published(make_backbone):
    backbone = make_backbone(d_model=256)
    model = TaskModel(backbone, TASKS, HypernetworkConfig(reduction_factor=8))
    w = {path: variable.numpy() for path, variable in model.trainable_by_path().items()}
    for name in ("down_kernel", "up_kernel", "post_norm_gamma"):
        kernel = w[f"encoder.generator.hypernetwork.{name}_kernel"]
        assert abs(kernel.std() - 0.01) < 3e-4 and abs(kernel.mean()) < 3e-4
    for path, values in w.items():
        if path.endswith("_bias") or path.endswith("norm_beta"):
            assert not values.any()
    embeddings = w["task_embeddings.hypernetwork.embedding"]
    assert abs(embeddings.std() - 1) < 0.2
    alone = TaskModel(make_backbone(), ("third",), HypernetworkConfig(reduction_factor=8))
    np.testing.assert_array_equal(
        alone.trainable_by_path()["task_embeddings.hypernetwork.embedding"][0], embeddings[2]
    )
    bilinear = HypernetworkConfig(**{**SMALL, "generators": "per_layer", "form": "bilinear"})
    model = TaskModel(make_backbone(), TASKS, bilinear)
    assert (
        not model.trainable_by_path()[f"{SITE}.generator.hypernetwork.up_bias_kernel"].numpy().any()
    )


@pytest.mark.parametrize("way", WAYS)
def test_routing_saving_and_decoding(
    assert_routes_by_example, assert_saves_and_loads, assert_decodes_step_by_step, way
):
    config = HypernetworkConfig(**SMALL, **way)
    assert_routes_by_example(config)
    assert_saves_and_loads(config)
    assert_decodes_step_by_step(config)


def write_embeddings(folder, names=TASKS, width=6):
    vectors = np.random.default_rng(0).normal(size=(len(names), width))
    np.savez(folder / "embeddings.npz", names=np.array(names), vectors=vectors)
    return str(folder / "embeddings.npz"), vectors.astype(np.float32)


def test_given_embeddings_are_looked_up_by_name_and_stay(make_backbone, uneven_batch, tmp_path):
    file, vectors = write_embeddings(tmp_path, ("third", "other", "first", "second"))
    config = HypernetworkConfig(**SMALL, task_embeddings=file)
    model = TaskModel(make_backbone(), TASKS, config)
    bank = model.banks["task_embeddings"].embedding
    np.testing.assert_array_equal(bank, vectors[[2, 3, 0]])
    for name in ("adamw", "adafactor"):
        optimizer = OPTIMIZERS[name](1e-2, model.is_bank, weight_decay=0.1)
        optimizer.build(model.trainable_variables)
        train_step(model, optimizer, uneven_batch(task=1))
        np.testing.assert_array_equal(bank, vectors[[2, 3, 0]])


def test_fixed_embeddings_stay_and_learned_ones_move(make_backbone, uneven_batch):
    for source in ("fixed", "learned"):
        config = HypernetworkConfig(**SMALL, task_embeddings=source)
        model = TaskModel(make_backbone(), TASKS, config)
        bank = model.banks["task_embeddings"].embedding
        before = bank.numpy()
        optimizer = OPTIMIZERS["adamw"](1e-2, model.is_bank)
        optimizer.build(model.trainable_variables)
        train_step(model, optimizer, uneven_batch(task=1))
        np.testing.assert_array_equal(bank.numpy()[[0, 2]], before[[0, 2]])
        assert np.any(bank.numpy()[1] != before[1]) == (source == "learned")


def test_files_of_embeddings_that_cannot_be_used(make_backbone, tmp_path):
    def inject(source):
        config = HypernetworkConfig(**SMALL, task_embeddings=source)
        inject_method(make_backbone(), config, TASKS, seed=0)

    with pytest.raises(ConfigurationError, match="is no file; did you mean 'learned'"):
        inject("learnt")
    file, _ = write_embeddings(tmp_path, ("first", "second", "thrid"))
    with pytest.raises(ConfigurationError, match="task 'third'; did you mean 'thrid'"):
        inject(file)
    file, _ = write_embeddings(tmp_path, width=5)
    with pytest.raises(
        ConfigurationError, match=r"vectors of 5 units, .* is 6; say `task_embedding_width: 5`"
    ):
        inject(file)
    for content in (b"not an archive", b"PK\x03\x04torn"):
        (tmp_path / "embeddings.npz").write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"is no \.npz file with names and vectors"):
            inject(file)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generators": "per_stak"}, "did you mean 'per_stack'"),
        ({"form": "bilinar"}, "did you mean 'bilinear'"),
        ({"form": "bilinear"}, "are for generators 'per_layer', not 'per_stack'"),
        ({"projected_width": 0}, "projected_width must be 1 or more, got 0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        HypernetworkConfig(**settings)


def test_injections_that_cannot_be(make_backbone):
    with pytest.raises(ConfigurationError, match="no layer of the model matches"):
        inject_method(make_backbone(), HypernetworkConfig(placement=()), TASKS, seed=0)
    with pytest.raises(ConfigurationError, match="leaves no unit of a model width of 32"):
        inject_method(make_backbone(), HypernetworkConfig(reduction_factor=33), TASKS, seed=0)
    methods = (*read_methods("pfeiffer", {}), HypernetworkConfig())
    with pytest.raises(ConfigurationError, match="has an adapter already"):
        TaskModel(make_backbone(), TASKS, methods)


@pytest.mark.parametrize("generators", ["per_stack", "per_layer"])
def test_blocks_are_left_out_by_number(make_backbone, generators):
    """Those that have adapters start as they would if all had; one left out has no generator."""
    settings = {**SMALL, "generators": generators}
    whole, part = (
        TaskModel(make_backbone(), TASKS, HypernetworkConfig(**settings, **more))
        for more in ({}, {"leave_out": (0,)})
    )
    left_out = set(whole.banks) - set(part.banks)
    assert left_out == {path for path in whole.banks if ".block.0." in path} and left_out
    assert set(part.banks) < set(whole.banks)
    values, before = part.trainable_by_path(), whole.trainable_by_path()
    for path, variable in values.items():
        np.testing.assert_array_equal(variable.numpy(), before[path].numpy())
    assert any(".block.1." in path for path in part.banks)


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        ((7,), "leave_out 7: the blocks that could have an adapter are 0, 1"),
        ((0, 1), r"leave_out \[0, 1\] leaves no block an adapter"),
    ],
)
def test_blocks_that_are_not_there_are_refused(make_backbone, leave_out, message):
    with pytest.raises(ConfigurationError, match=message):
        TaskModel(make_backbone(), TASKS, HypernetworkConfig(**SMALL, leave_out=leave_out))
