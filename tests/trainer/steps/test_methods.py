"""The train step of every adapter method, variants and all."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import set_precision
from eval.decoding.replicas import share_out
from tests.adapters_tf.methods.cases import (
    for_every_method,
    for_every_name,
    make_model,
    mixed,
    shake,
)
from trainer.steps.step import train_step, validation_step

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]


@for_every_name
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


@for_every_method
def test_steps_on_replicas_in_bfloat16_descend_and_move_their_task_alone(
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
        losses = []
        for _ in range(8):
            loss, *_ = step(share_out(four_replicas, uneven_batch(task=1)))
            losses.append(np.sum(four_replicas.experimental_local_results(loss)[0]))
    finally:
        set_precision("float32")
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    moved = 0
    for (path, name, is_bank, old), (*_, new) in zip(before, copies(model, optimizer), strict=True):
        assert len(old) == len(new) == 4
        for earlier, later in zip(old, new, strict=True):
            np.testing.assert_array_equal(later, new[0], err_msg=f"{path} {name}")
            if is_bank:
                np.testing.assert_array_equal(later[[0, 2]], earlier[[0, 2]], f"{path} {name}")
            moved += np.any(later != earlier)
    assert moved > 2 * len(before)  # most variables and slots, in all four replicas


@pytest.fixture(scope="module")
def losses_of(make_optimizer, uneven_batch):
    """The losses of three steps of two tasks, by what runs a step; as they are, once a method."""

    def three_steps(method, strategy=None, **compiled):
        strategy = strategy or tf.distribute.get_strategy()
        with strategy.scope():
            model = make_model(method)
            shake(model)
            optimizer = make_optimizer(model)

        def step(batch):
            return strategy.run(train_step, args=(model, optimizer, batch))

        run = tf.function(step, **compiled) if compiled else step
        losses = []
        for number in range(3):
            loss, *_ = run(share_out(strategy, uneven_batch(task=number % 2, seed=number)))
            losses.append(np.sum(strategy.experimental_local_results(loss)[0]))
        return losses

    return {"uncompiled": functools.cache(three_steps), "as": three_steps}


@for_every_method
def test_four_replicas_equal_one(method, losses_of, four_replicas):
    losses = losses_of["as"](method, four_replicas, jit_compile=False)
    np.testing.assert_allclose(losses, losses_of["uncompiled"](method), rtol=1e-5)


@for_every_method
def test_it_compiles_with_xla_and_gives_the_same(method, losses_of):
    losses = losses_of["as"](method, jit_compile=True)
    np.testing.assert_allclose(losses, losses_of["uncompiled"](method), rtol=1e-5)


@for_every_method
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


@for_every_name
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


@for_every_name
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
