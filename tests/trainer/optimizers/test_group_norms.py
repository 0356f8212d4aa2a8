"""The norms of gradients, parameters and updates, by group of variables."""

import numpy as np
import pytest
import tensorflow as tf

from eval.decoding.replicas import share_out
from trainer.gradients.task_rows import gather_rows
from trainer.optimizers.groups import group_by_variable
from trainer.optimizers.registry import OPTIMIZERS
from trainer.steps.step import train_step

NAN = float("nan")


def norm(*arrays):
    return np.sqrt(sum((np.asarray(one, np.float64) ** 2).sum() for one in arrays))


@pytest.fixture
def build():
    """A matrix and a vector of two groups, a bank, and an optimizer that measures their norms."""

    def make(name="adamw"):
        random = np.random.default_rng(0)
        matrix, vector, bank = (
            tf.Variable(random.normal(size=shape), dtype=tf.float32)
            for shape in ([2, 3], [3], [4, 2, 2])
        )
        groups = {id(matrix): "shared", id(vector): "norms", id(bank): "bank"}
        optimizer = OPTIMIZERS[name](
            0.1,
            lambda variable: variable is bank,
            clip_norm=0.5,
            weight_decay=0.1,
            group_of=lambda variable: groups[id(variable)],
        )
        optimizer.build([matrix, vector, bank])
        return optimizer, [matrix, vector, bank]

    return make


def gradients_of(kind):
    """Gradients of the three, and what of the bank's is counted."""
    random = np.random.default_rng(1)
    matrix, vector = random.normal(size=(2, 3)), random.normal(size=3)
    values = random.normal(size=(4, 2, 2)).astype(np.float32)
    if kind == "one task":
        bank, counted = tf.IndexedSlices(values[:1], tf.constant([2]), [4, 2, 2]), values[:1]
    elif kind == "mixed batch":
        values[3] = 0.0  # no example was of this task
        bank, counted = tf.IndexedSlices(values, tf.constant([0, 1, 2, -1]), [4, 2, 2]), values
    else:  # three microbatches, two of one task, which take one step
        bank = gather_rows(tf.constant([1, 3, 1]), tf.constant([2.0, 1.0, 2.0]), values[:3])
        counted = np.stack([(values[0] + values[2]) / 2, values[1]])
    dense = [tf.constant(one, tf.float32) for one in (matrix, vector)]
    return [*dense, bank], {"shared": matrix, "norms": vector, "bank": counted}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["one task", "mixed batch", "several tasks"])
def test_they_are_those_of_numpy(build, name, kind):
    optimizer, variables = build(name)
    gradients, counted = gradients_of(kind)
    before = [variable.numpy() for variable in variables]
    optimizer.take_step(zip(gradients, variables, strict=True))
    figures = optimizer.norms.read(variables)
    assert len(figures) == 9
    for group, old, variable in zip(("shared", "norms", "bank"), before, variables, strict=True):
        new = variable.numpy()
        for what, expected in (
            ("gradient", norm(counted[group])),
            ("parameter", norm(new)),
            ("update", norm(new.astype(np.float64) - old)),
        ):
            assert figures[f"{what}_norm/{group}"] == pytest.approx(expected, rel=1e-5), what
        assert figures[f"update_norm/{group}"] > 0


def test_a_skipped_step_moves_nothing_and_unused_groups_have_no_gradient(build):
    optimizer, variables = build()
    gradients, _ = gradients_of("one task")
    optimizer.take_step(zip([tf.fill([2, 3], NAN), *gradients[1:]], variables, strict=True))
    figures = optimizer.norms.read(variables)
    assert np.isnan(figures["gradient_norm/shared"]) and figures["gradient_norm/bank"] > 0
    assert [figures[f"update_norm/{group}"] for group in ("shared", "norms", "bank")] == [0, 0, 0]
    optimizer.take_step(zip(gradients[1:], variables[1:], strict=True))  # heads leave some out
    figures = optimizer.norms.read(variables)
    assert figures["gradient_norm/shared"] == figures["update_norm/shared"] == 0
    assert figures["update_norm/norms"] > 0


@pytest.mark.slow
def test_two_replicas_equal_one_and_measuring_changes_no_bit(
    make_model, make_optimizer, uneven_batch, two_replicas
):
    def train(strategy, measured):
        with strategy.scope():
            model = make_model()
            group_of = group_by_variable(model) if measured else None
            optimizer = make_optimizer(model, weight_decay=0.1, group_of=group_of)

        @tf.function(autograph=False)
        def step(batch):
            return strategy.run(train_step, (model, optimizer, batch))

        figures = []
        for task in (0, 1):
            step(share_out(strategy, uneven_batch(task=task)))
            if measured:
                figures.append(optimizer.norms.read(model.trainable_variables))
        return figures, [variable.numpy() for variable in model.trainable_variables]

    one = tf.distribute.get_strategy()
    figures, weights = train(one, measured=True)
    assert {name.split("/")[1] for name in figures[0]} == {"bank", "norms", "shared"}
    for found, expected in zip(train(one, measured=False)[1], weights, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(train(two_replicas, measured=True)[0], figures, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
