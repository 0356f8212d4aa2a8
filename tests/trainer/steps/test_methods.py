"""The harness that every adapter method passes, variants and all."""

import re

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    METHODS,
    VARIANTS,
    TaskModel,
    load_backbone,
    load_task,
    read_methods,
    save_task,
    set_precision,
)
from eval.decoding.greedy import GreedyModel
from eval.decoding.replicas import share_out
from trainer.steps.step import train_step, validation_step

pytestmark = pytest.mark.slow

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "dropout_rate": 0.0}
SMALL |= {"num_layers": 1, "num_decoder_layers": 1}
TASKS = ("a", "b", "c")
# Sizes that fit so small a model; everything else is as published.
SETTINGS = {
    "bottleneck": {"reduction_factor": 8},
    "houlsby": {"reduction_factor": 8},
    "lora": {"rank": 4},
    "dora": {"rank": 4},
    "compacter": {"reduction_factor": 4},
    "compacter++": {"reduction_factor": 4},
    "hypernetwork": {"reduction_factor": 8},
    "hyperformer": {"reduction_factor": 8},
    "hyperformer++": {"reduction_factor": 8},
    "meta_adapter": {"reduction_factor": 8},
    "prompt": {"length": 4},
    "prefix": {"length": 4},
    "prefix_flat": {"length": 4},
}
# Settings that take another way through the code, by a name of our own.
OTHER_WAYS = {
    "learned_scaling": ("parallel", {"scaling": "learned"}),
    "pfeiffer_of_the_stream": ("pfeiffer", {"reduction_factor": 8, "reads_residual_stream": True}),
    "parallel_of_the_stream": ("parallel", {"reduction_factor": 8, "reads_residual_stream": True}),
    "compacter_of_the_stream": (
        "compacter",
        {"reduction_factor": 4, "reads_residual_stream": True},
    ),
    "prefix_before": ("prefix_flat", {"length": 4, "positions": "before"}),
    "prefix_shifted": ("prefix", {"length": 4, "positions": "shifted"}),
}
NAMES = (*METHODS, *VARIANTS, *OTHER_WAYS)
# Those whose first output is the backbone's: their change starts at zero.
START_AS_THE_BACKBONE = ("lora", "dora", "ia3", "layer_norm")


@pytest.fixture(scope="module", autouse=True)
def trained_adapters(tmp_path_factory):
    """Two adapters that an earlier run could have trained, for the fusion of them."""
    model = make_model("bottleneck", ("fused", "too"))
    shake(model, deviation=0.03)
    folder = tmp_path_factory.mktemp("trained")
    for task in model.task_names:
        save_task(model, task, folder / task)
    SETTINGS["fusion"] = {"of": str(folder)}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=(*METHODS, "learned_scaling", "pfeiffer_of_the_stream", "prefix_shifted"))
def method(request):
    """For what takes long to compile: variants share the code of their method."""
    return request.param


def make_model(name, tasks=TASKS, seed=0, **keywords):
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL)
    method, settings = OTHER_WAYS.get(name, (name, SETTINGS.get(name, {})))
    methods = read_methods(method, {method: settings})
    return TaskModel(backbone, tasks, methods, seed=seed, **keywords)


def shake(model, seed=1, deviation=0.1):
    """Moves every adapter weight, so that tasks differ and nothing is at its start."""
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(0, deviation, variable.shape).astype(np.float32))


def test_it_starts_as_published(name, uneven_batch):
    batch = uneven_batch()
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL)
    plain = TaskModel(backbone, TASKS)(batch).numpy()
    adapted = make_model(name)(batch).numpy()
    if name in START_AS_THE_BACKBONE:
        np.testing.assert_allclose(adapted, plain, atol=2e-5)
    else:
        assert np.abs(adapted - plain).max() < np.abs(plain).max()
        assert np.any(adapted != plain)


def test_it_adds_the_variables_it_names_and_freezes_the_rest(name):
    model = make_model(name)
    added = {id(v) for bank in model.banks.values() for v in (*bank.banks.values(),)}
    added |= {id(v) for bank in model.banks.values() for v in bank.shared.values()}
    assert {id(variable) for variable in model.trainable_variables} == added
    assert all(v.shape[0] == len(TASKS) for v in model.trainable_variables if model.is_bank(v))
    assert any(model.is_bank(variable) for variable in model.trainable_variables)


@pytest.mark.parametrize("optimizer_name", ["adamw", "adafactor"])
def test_a_step_moves_its_task_alone(name, optimizer_name, make_optimizer, uneven_batch):
    model = make_model(name)
    shake(model)
    optimizer = make_optimizer(model, optimizer_name, weight_decay=0.1)
    train_step(model, optimizer, uneven_batch(task=0))
    frozen = [variable.numpy() for variable in model.non_trainable_variables]
    before = {path: v.numpy() for path, v in model.trainable_by_path().items()}
    slots = [{k: v.numpy() for k, v in slot.items()} for slot in optimizer._slots]
    train_step(model, optimizer, uneven_batch(task=1))
    for variable, value in zip(model.non_trainable_variables, frozen, strict=True):
        np.testing.assert_array_equal(variable, value)
    for index, (path, variable) in enumerate(model.trainable_by_path().items()):
        assert np.any(variable.numpy() != before[path]), f"{path} did not move"
        if model.is_bank(variable):
            np.testing.assert_array_equal(variable.numpy()[[0, 2]], before[path][[0, 2]])
            for slot_name, slot in optimizer._slots[index].items():
                np.testing.assert_array_equal(slot.numpy()[[0, 2]], slots[index][slot_name][[0, 2]])


def test_a_step_on_replicas_in_bfloat16_moves_its_task_alone(
    method, make_optimizer, uneven_batch, four_replicas
):
    def copies(model, optimizer):
        """Every trainable variable and slot of every replica, by path."""
        for (path, variable), slots in zip(
            model.trainable_by_path().items(), optimizer._slots, strict=True
        ):
            for name, held in {"": variable, **slots}.items():
                local = four_replicas.experimental_local_results(held)
                yield path, name, model.is_bank(variable), [value.numpy() for value in local]

    set_precision("mixed_bfloat16")
    try:
        with four_replicas.scope():
            model = make_model(method)
            shake(model)
            optimizer = make_optimizer(model, weight_decay=0.1)
        step = tf.function(lambda batch: four_replicas.run(train_step, (model, optimizer, batch)))
        step(share_out(four_replicas, uneven_batch(task=0)))
        before = list(copies(model, optimizer))
        step(share_out(four_replicas, uneven_batch(task=1)))
    finally:
        set_precision("float32")
    moved = 0
    for (path, name, is_bank, old), (*_, new) in zip(before, copies(model, optimizer), strict=True):
        assert len(old) == len(new) == 4
        for earlier, later in zip(old, new, strict=True):
            np.testing.assert_array_equal(later, new[0], err_msg=f"{path} {name}")
            if is_bank:
                np.testing.assert_array_equal(later[[0, 2]], earlier[[0, 2]], f"{path} {name}")
            moved += np.any(later != earlier)
    assert moved > 2 * len(before)  # most variables and slots, in all four replicas


def test_saved_and_loaded_gives_the_same(name, uneven_batch, tmp_path):
    model = make_model(name)
    shake(model)
    batch = uneven_batch(task=1)
    expected = model(batch).numpy()
    save_task(model, "b", tmp_path / "b")
    other = make_model(name, ("x", "y"), seed=5)
    shake(other, seed=2)
    assert np.abs(other(batch).numpy() - expected).max() > 1e-3
    load_task(other, "y", tmp_path / "b")
    np.testing.assert_allclose(other(batch).numpy(), expected, atol=1e-6)


def test_four_replicas_equal_one(method, make_optimizer, uneven_batch, four_replicas):
    results = []
    for strategy in (tf.distribute.get_strategy(), four_replicas):
        with strategy.scope():
            model = make_model(method)
            shake(model)
            optimizer = make_optimizer(model)

        @tf.function
        def step(batch, strategy=strategy, model=model, optimizer=optimizer):
            return strategy.run(train_step, args=(model, optimizer, batch))

        losses = []
        for number in range(3):
            loss, _ = step(share_out(strategy, uneven_batch(task=number % 2, seed=number)))
            losses.append(np.sum(strategy.experimental_local_results(loss)[0]))
        results.append(losses)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


def test_it_runs_in_bfloat16(method, make_optimizer, uneven_batch):
    set_precision("mixed_bfloat16")
    try:
        model = make_model(method)
        optimizer = make_optimizer(model)
        step = tf.function(lambda batch: train_step(model, optimizer, batch))
        losses = [np.sum(step(uneven_batch())[0]) for _ in range(8)]
    finally:
        set_precision("float32")
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_it_compiles_with_xla_and_gives_the_same(method, make_optimizer, uneven_batch):
    results = []
    for jit_compile in (False, True):
        model = make_model(method)
        shake(model)
        optimizer = make_optimizer(model)

        @tf.function(jit_compile=jit_compile)
        def step(batch, model=model, optimizer=optimizer):
            return train_step(model, optimizer, batch)

        results.append([np.sum(step(uneven_batch(task=n, seed=n))[0]) for n in range(2)])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


@pytest.mark.parametrize("optimizer_name", ["adamw", "adafactor"])
def test_the_compiled_step_touches_no_bank_as_a_whole(
    method, optimizer_name, make_optimizer, uneven_batch
):
    """In the optimised program, a tensor with an axis of all tasks is an argument, or one that had
    a row written in place; nothing copies it, computes with it or makes it anew."""
    tasks = tuple(f"task{number}" for number in range(257))  # no other size of the model
    model = make_model(method, tasks)
    optimizer = make_optimizer(model, optimizer_name, is_compiled=True)
    batch = {key: tf.constant(value) for key, value in uneven_batch().items()}
    step = tf.function(lambda batch: train_step(model, optimizer, batch), jit_compile=True)
    program = step.experimental_get_compiler_ir(batch)(stage="optimized_hlo")
    entry = program[program.index("\nENTRY") :]
    found = re.findall(r"%(\S+) = \(?f32\[257,[\d,]+\]\S* ([\w-]+)\(", entry)
    assert any("dynamic-update-slice" in name for name, _ in found)
    others = [
        f"{kind} {name}"
        for name, kind in found
        if kind != "parameter" and "dynamic-update-slice" not in name and kind != "tuple"
    ]
    assert others == []


def mixed(uneven_batch):
    """A batch of examples of tasks a and c, padding rows of b among them."""
    batch = uneven_batch()
    batch["task"] = np.array([0, 2, 2, 1, 0, 2, 0, 1], np.int32)
    batch["decoder_loss_weights"][batch["task"] == 1] = 0.0
    return batch


def test_a_mixed_batch_gives_each_example_what_its_task_alone_gives(name, uneven_batch):
    by_example = make_model(name, routing="example")
    by_batch = make_model(name)
    for model in (by_example, by_batch):
        shake(model)
    batch = mixed(uneven_batch)
    mixed_logits = by_example(batch).numpy()
    for task in range(3):
        alone = by_batch({**batch, "task": np.full(8, task, np.int32)}).numpy()
        chosen = batch["task"] == task
        np.testing.assert_allclose(mixed_logits[chosen], alone[chosen], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("optimizer_name", ["adamw", "adafactor"])
def test_a_step_on_a_mixed_batch(name, optimizer_name, make_optimizer, uneven_batch):
    """It descends, and the task whose examples are all padding stays as it is, bit for bit."""
    model = make_model(name, routing="example")
    shake(model)
    rate = 1e-3 if optimizer_name == "adamw" else 1e-2
    optimizer = make_optimizer(model, optimizer_name, rate=rate)
    batch = mixed(uneven_batch)
    before = {path: v.numpy() for path, v in model.trainable_by_path().items()}
    loss = float(validation_step(model, batch)[0])
    train_step(model, optimizer, batch)
    assert float(validation_step(model, batch)[0]) < loss
    for index, (path, variable) in enumerate(model.trainable_by_path().items()):
        if model.is_bank(variable):
            np.testing.assert_array_equal(variable.numpy()[1], before[path][1])
            assert np.any(variable.numpy()[0] != before[path][0]), path
            assert np.any(variable.numpy()[2] != before[path][2]), path
            np.testing.assert_array_equal(optimizer._slots[index]["steps"], [1, 0, 1])


def test_routing_a_pure_batch_by_example_steps_as_by_batch(name, make_optimizer, uneven_batch):
    weights = []
    for routing in ("batch", "example"):
        model = make_model(name, routing=routing)
        shake(model)
        optimizer = make_optimizer(model, "adafactor")
        for seed in range(2):
            train_step(model, optimizer, uneven_batch(task=1, seed=seed))
        weights.append({path: v.numpy() for path, v in model.trainable_by_path().items()})
    for path, value in weights[0].items():
        np.testing.assert_allclose(weights[1][path], value, atol=2e-5, err_msg=path)


def test_greedy_decoding_agrees_with_the_forward_pass(name, uneven_batch):
    model = make_model(name)
    shake(model)
    batch = {key: tf.constant(value) for key, value in uneven_batch(task=2).items()}
    tokens = GreedyModel(model, length=5)(batch).numpy()
    shifted = np.zeros_like(tokens)
    shifted[:, 1:] = tokens[:, :-1]
    best = model({**batch, "decoder_input_tokens": shifted}).numpy().argmax(-1)
    real = np.cumprod(shifted != 1, axis=1).astype(bool)  # up to and with the first EOS
    np.testing.assert_array_equal(tokens[real], best[real])
