"""Variables stacked over tasks: where each row starts, and what a bank says of them."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.banks.task_bank import TaskBank, constant, normal, uniform

PATH = "encoder.block.0.layer.0.SelfAttention"


class Bank(TaskBank):
    """A bank with weights of every kind."""

    def build(self, input_shape):
        width = int(input_shape[-1])
        self.add_bank("kernel", (width, 2), normal(0.1))
        self.add_bank("bias", (2,), constant(0.5))
        self.add_shared("norm", (width,), uniform(1.0))
        super().build(input_shape)


def build(tasks=("a", "b", "c"), path=PATH, seed=0, width=400):
    bank = Bank(tasks, path, seed, name="bank")
    bank.build(tf.TensorShape([None, None, width]))
    return bank


def test_banks_have_a_row_per_task_and_shared_variables_have_none():
    bank = build()
    shapes = {name: tuple(variable.shape) for name, variable in bank.banks.items()}
    assert shapes == {"kernel": (3, 400, 2), "bias": (3, 2)}
    assert {name: tuple(v.shape) for name, v in bank.shared.items()} == {"norm": (400,)}
    assert bank.kernel is bank.banks["kernel"]
    assert len(bank.trainable_variables) == 3
    assert {variable.dtype for variable in bank.trainable_variables} == {tf.float32}


def test_what_is_listed_is_a_copy():
    bank = build()
    bank.banks.clear()
    bank.shared.clear()
    assert list(bank.banks) == ["kernel", "bias"] and list(bank.shared) == ["norm"]


def test_rows_are_drawn_as_asked():
    bank = build()
    values = bank.kernel.numpy()
    assert abs(values.mean()) < 0.01 and abs(values.std() - 0.1) < 0.01
    assert np.all(bank.bias.numpy() == 0.5)
    norm = bank.shared["norm"].numpy()
    assert norm.min() < -0.9 and 0.9 < norm.max() <= 1.0
    assert abs(norm.std() - 1 / np.sqrt(3)) < 0.05
    assert np.any(values[0] != values[1]) and np.any(values[1] != values[2])


def test_constants_may_be_arrays():
    start = np.arange(3.0)
    drawn = constant(start)(np.random.default_rng(0), (3,))
    np.testing.assert_array_equal(drawn, start)
    with pytest.raises(ValueError, match="broadcast"):
        constant(start)(np.random.default_rng(0), (4,))


def test_a_row_depends_on_seed_place_and_name_alone():
    """The same task starts the same beside whatever others, and in whatever order."""
    kernel = build().kernel.numpy()
    np.testing.assert_array_equal(build(("c", "x", "a")).kernel[0], kernel[2])
    np.testing.assert_array_equal(build(("b",)).kernel[0], kernel[1])
    for changed in (build(seed=1), build(path="decoder"), build(("d", "e", "f"))):
        assert all(
            np.any(mine != theirs) for mine, theirs in zip(changed.kernel, kernel, strict=True)
        )


def test_shared_variables_depend_on_seed_and_place_alone():
    norm = build().shared["norm"].numpy()
    np.testing.assert_array_equal(build(("x",)).shared["norm"], norm)
    assert np.any(build(seed=1).shared["norm"].numpy() != norm)
    assert np.any(build(path="decoder").shared["norm"].numpy() != norm)
