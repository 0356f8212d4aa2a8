"""The train step of every adapter method, variants and all."""

import re
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import set_precision
from eval.decoding.replicas import share_out
from tests.adapters_tf.methods.cases import (
    COMPILED,
    NAMES,
    SETTINGS,
    for_every_method,
    for_every_name,
    make_model,
    mixed,
    shake,
)
from trainer.steps.step import train_step, validation_step

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]


# Banks of matrices and biases, of tensors of three axes, of vectors, and of embeddings that shared
# weights make adapters of: an optimizer sees no other difference between methods.
KINDS_OF_BANKS = ("bottleneck", "compacter", "ia3", "hypernetwork")
with_adamw_or_adafactor = pytest.mark.parametrize(
    ("name", "optimizer_name"),
    [*((name, "adamw") for name in NAMES), *((name, "adafactor") for name in KINDS_OF_BANKS)],
)
# The rest are tried on two, which have the same code and are traced in half the time. To replicas
# methods differ by their kind of bank, and by whether they wrap whole layers or share variables.
ON_FOUR_REPLICAS = ("bottleneck",)
ON_TWO_REPLICAS = ("compacter", "fusion", "hypernetwork", "ia3", "prefix")
MANY = tuple(f"task{number}" for number in range(37))  # no other size of the model


@with_adamw_or_adafactor
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


@pytest.fixture
def make_steps(make_optimizer):
    """Makes a shaken model of many tasks, its optimizer, and the function that runs its step."""

    def make(method, strategy=None, optimizer_name="adamw", is_compiled=False):
        strategy = strategy or tf.distribute.get_strategy()
        with strategy.scope():
            model = make_model(method, MANY)
            shake(model)
            optimizer = make_optimizer(
                model, optimizer_name, weight_decay=0.1, is_compiled=is_compiled
            )
        return model, optimizer, lambda batch: strategy.run(train_step, (model, optimizer, batch))

    return make


def summed(loss, strategy):
    """A step's loss, which every replica tells."""
    return np.sum(strategy.experimental_local_results(loss)[0])


@pytest.fixture
def uncompiled_losses(make_steps, uneven_batch):
    """The losses of three steps of two tasks, run as they are."""

    def losses(method):
        *_, step = make_steps(method)
        batches = (uneven_batch(task=number % 2, seed=number) for number in range(3))
        return [np.sum(step(batch)[0]) for batch in batches]

    return losses


def copies(model, optimizer, strategy):
    """Every trainable variable and slot of every replica, by path."""
    for (path, variable), slots in zip(
        model.trainable_by_path().items(), optimizer._slots, strict=True
    ):
        for name, held in {"": variable, **slots}.items():
            local = strategy.experimental_local_results(held)
            yield path, name, model.is_bank(variable), [value.numpy() for value in local]


def assert_moved_alone(task, before, after, replicas):
    """Replicas hold the same, in which the banks' rows of the task moved and no others."""
    moved = 0
    for (path, name, is_bank, old), (*_, new) in zip(before, after, strict=True):
        assert len(old) == len(new) == replicas
        for earlier, later in zip(old, new, strict=True):
            np.testing.assert_array_equal(later, new[0], err_msg=f"{path} {name}")
            if is_bank:
                others = np.arange(len(later)) != task
                np.testing.assert_array_equal(later[others], earlier[others], f"{path} {name}")
            moved += np.any(later != earlier)
    assert moved > replicas / 2 * len(before)  # most variables and slots, in all replicas


@pytest.mark.parametrize("method", ON_FOUR_REPLICAS + ON_TWO_REPLICAS)
def test_replicas_equal_one_and_move_their_task_alone(
    method, make_steps, uncompiled_losses, uneven_batch, request
):
    on_four = method in ON_FOUR_REPLICAS
    strategy = request.getfixturevalue("four_replicas" if on_four else "two_replicas")
    model, optimizer, step = make_steps(method, strategy)
    run = tf.function(step, autograph=False)
    losses = []
    for number in range(3):
        before = list(copies(model, optimizer, strategy))
        batch = share_out(strategy, uneven_batch(task=number % 2, seed=number))
        losses.append(summed(run(batch)[0], strategy))
        after = list(copies(model, optimizer, strategy))
        assert_moved_alone(number % 2, before, after, 4 if on_four else 2)
    np.testing.assert_allclose(losses, uncompiled_losses(method), rtol=1e-5)


@for_every_method
def test_steps_in_bfloat16_descend_and_move_their_task_alone(
    method, make_steps, uneven_batch, two_replicas
):
    on_two = method in ON_FOUR_REPLICAS
    strategy = two_replicas if on_two else tf.distribute.get_strategy()
    set_precision("mixed_bfloat16")
    try:
        model, optimizer, step = make_steps(method, strategy)
        run = tf.function(step, autograph=False) if on_two else step
        run(share_out(strategy, uneven_batch(task=0)))
        before = list(copies(model, optimizer, strategy))
        batch = share_out(strategy, uneven_batch(task=1))
        losses = [summed(run(batch)[0], strategy) for _ in range(4)]
    finally:
        set_precision("float32")
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    after = list(copies(model, optimizer, strategy))
    assert_moved_alone(1, before, after, 2 if on_two else 1)


def assert_touches_no_bank_as_a_whole(program):
    """In the optimised program, a tensor with an axis of all tasks is an argument, or one that had
    a row written in place; nothing copies it, computes with it or makes it anew."""
    entry = program[program.index("\nENTRY") :]
    found = re.findall(rf"%(\S+) = \(?f32\[{len(MANY)},[\d,]+\]\S* ([\w-]+)\(", entry)
    assert any("dynamic-update-slice" in name for name, _ in found)
    others = [
        f"{kind} {name}"
        for name, kind in found
        if kind != "parameter" and "dynamic-update-slice" not in name and kind != "tuple"
    ]
    assert others == []


def constant(batch):
    return {key: tf.constant(value) for key, value in batch.items()}


# Of `meta_adapter`, as of `conditional_layer_norm`, generators read the tasks' rows themselves.
@pytest.mark.parametrize("method", (*COMPILED, "meta_adapter"))
def test_compiled_with_xla_it_gives_the_same_and_touches_no_bank_as_a_whole(
    method, make_steps, uncompiled_losses, uneven_batch, compile_and_read
):
    *_, step = make_steps(method, is_compiled=True)
    run, read_program = compile_and_read(step)
    batches = [constant(uneven_batch(task=number % 2, seed=number)) for number in range(3)]
    losses = [np.sum(run(batch)[0]) for batch in batches]
    np.testing.assert_allclose(losses, uncompiled_losses(method), rtol=1e-5)
    assert_touches_no_bank_as_a_whole(read_program())


@pytest.mark.parametrize("method", KINDS_OF_BANKS)
def test_compiled_with_adafactor_it_touches_no_bank_as_a_whole(
    method, make_steps, uneven_batch, compile_and_read
):
    *_, step = make_steps(method, optimizer_name="adafactor", is_compiled=True)
    run, read_program = compile_and_read(step)
    run(constant(uneven_batch()))
    assert_touches_no_bank_as_a_whole(read_program())


class Recorder:
    """Takes no step, and remembers the gradients."""

    def take_step(self, gradients, loss):
        self.gradients = [tf.convert_to_tensor(gradient).numpy() for gradient, _ in gradients]
        return tf.math.is_finite(loss)


def gradients_of(model, batch):
    """What a step hands its optimizer, banks' as whole arrays, and the tokens of the batch."""
    recorder = Recorder()
    _, tokens, _ = train_step(model, recorder, batch)
    return recorder.gradients, np.sum(tokens)


@for_every_name
def test_gradients_of_a_mixed_batch_are_those_of_its_tasks_by_themselves(
    name, uneven_batch, monkeypatch
):
    """So those of a pure batch are as if routed by batch, and of a task of padding there are none;
    what optimizers make of them differs by the kind of bank alone."""
    if name == "fusion":  # what it adds to the loss is no part's share of it
        monkeypatch.setitem(SETTINGS, name, {**SETTINGS[name], "regularization": 0.0})
    by_example, by_batch = (make_model(name, routing=routing) for routing in ("example", "batch"))
    for model in (by_example, by_batch):
        shake(model)
    batch = mixed(uneven_batch)
    found, tokens = gradients_of(by_example, batch)
    right = [np.zeros_like(gradient) for gradient in found]
    for task in (0, 2):
        part = {key: value[batch["task"] == task] for key, value in batch.items()}
        of_task, own_tokens = gradients_of(by_batch, part)
        for total, gradient in zip(right, of_task, strict=True):
            total += gradient * own_tokens / tokens
    for path, one, other in zip(by_example.trainable_by_path(), found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=path)
    for variable, one in zip(by_example.trainable_variables, found, strict=True):
        if by_example.is_bank(variable):
            assert [bool(np.any(row)) for row in one] == [True, False, True]


@pytest.mark.parametrize("optimizer_name", ["adamw", "adafactor"])
@pytest.mark.parametrize("name", KINDS_OF_BANKS)
def test_a_step_on_a_mixed_batch(name, optimizer_name, make_optimizer, uneven_batch):
    """It descends, and the task whose examples are all padding stays as it is, bit for bit."""
    model = make_model(name, routing="example")
    shake(model)
    rate = 1e-3 if optimizer_name == "adamw" else 1e-2
    optimizer = make_optimizer(model, optimizer_name, rate=rate)
    batch = mixed(uneven_batch)
    before = {path: v.numpy() for path, v in model.trainable_by_path().items()}
    loss = np.sum(train_step(model, optimizer, batch)[0])
    assert float(validation_step(model, batch)[0]) < loss
    for index, (path, variable) in enumerate(model.trainable_by_path().items()):
        if model.is_bank(variable):
            np.testing.assert_array_equal(variable.numpy()[1], before[path][1])
            assert np.any(variable.numpy()[0] != before[path][0]), path
            assert np.any(variable.numpy()[2] != before[path][2]), path
            np.testing.assert_array_equal(optimizer._slots[index]["steps"], [1, 0, 1])


@pytest.mark.parametrize("name", (*KINDS_OF_BANKS, "fusion"))
def test_routing_a_pure_batch_by_example_steps_as_by_batch(name, make_optimizer, uneven_batch):
    weights = []
    for routing in ("batch", "example"):
        model = make_model(name, routing=routing)
        shake(model)
        optimizer = make_optimizer(model, "adafactor")
        step = tf.function(partial(train_step, model, optimizer), autograph=False)
        for seed in range(2):
            step(constant(uneven_batch(task=1, seed=seed)))
        weights.append({path: v.numpy() for path, v in model.trainable_by_path().items()})
    for path, value in weights[0].items():
        np.testing.assert_allclose(weights[1][path], value, atol=2e-5, err_msg=path)
