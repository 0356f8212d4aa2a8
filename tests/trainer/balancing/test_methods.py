"""The weights of each method, against the papers' arithmetic written once more in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from trainer import BalancingConfig
from trainer.balancing.method import StepFigures
from trainer.balancing.pcgrad import draw_orders
from trainer.balancing.registry import BALANCINGS
from trainer.gradients.products import products, weighted_sum

NAMES = ("a", "b", "c", "d")
TASKS = [(0, 2, 3), (2, 2, 1), (3, 0, 1), (0, 2, 3)]  # of each step, one of them twice


def make(method, seed=5, **settings):
    return BALANCINGS[method](NAMES, BalancingConfig(method, **settings), seed)


def steps(method, gram=None, is_taken=True):
    """Weights of every step, whose losses and gradients are random."""
    random = np.random.default_rng(0)
    for tasks in TASKS:
        losses = random.uniform(0.5, 3.0, 3).astype(np.float32)
        gradients = random.normal(size=(3, 20)).astype(np.float32)
        tasks_M, losses_M = tf.constant(tasks), tf.constant(losses)
        prior_M = method.prior(tasks_M, tf.constant([3.0, 5.0, 2.0]))
        weights_M = method.weigh(prior_M, losses_M)
        weights_M *= method.scale(weights_M)
        figures = StepFigures(tasks_M, losses_M, weights_M, products([tf.constant(gradients)], 3))
        method.learn(figures, tf.constant(is_taken))
        yield tasks, losses, gradients, weights_M.numpy()


class Adam:
    """Kingma and Ba's, for tasks one by one."""

    def __init__(self, values, rate):
        self.values, self.rate = np.array(values, np.float64), rate
        self.mean, self.square, self.steps = (np.zeros(len(values)) for _ in range(3))

    def step(self, gradient, tasks):
        for task in sorted(set(tasks)):
            self.steps[task] += 1
            self.mean[task] = 0.9 * self.mean[task] + 0.1 * gradient[task]
            self.square[task] = 0.999 * self.square[task] + 0.001 * gradient[task] ** 2
            mean = self.mean[task] / (1 - 0.9 ** self.steps[task])
            square = self.square[task] / (1 - 0.999 ** self.steps[task])
            self.values[task] -= self.rate * mean / (np.sqrt(square) + 1e-8)


def by_task(tasks, values):
    total = np.zeros(len(NAMES))
    np.add.at(total, list(tasks), values)
    return total


def mean_by_task(tasks, values):
    return by_task(tasks, values) / np.maximum(by_task(tasks, 1), 1)


def test_tokens_sum_and_weights_are_what_they_are_called():
    for _, _, _, weights in steps(make("tokens")):
        np.testing.assert_allclose(weights, [0.3, 0.5, 0.2], rtol=1e-6)
    for _, _, _, weights in steps(make("sum")):
        np.testing.assert_array_equal(weights, [1, 1, 1])
    given = {"a": 2.0, "c": 0.5, "d": 0.0}
    for tasks, _, _, weights in steps(make("weights", weights=given)):
        np.testing.assert_array_equal(weights, [given.get(NAMES[task], 1.0) for task in tasks])


def test_uncertainty():
    variances = Adam([0.0] * 4, 0.1)
    for tasks, losses, _, weights in steps(make("uncertainty", rate=0.1)):
        expected = np.exp(-variances.values[list(tasks)])
        np.testing.assert_allclose(weights, expected, rtol=1e-5)
        # Of L exp(-s) + s / 2.
        variances.step(by_task(tasks, 0.5 - expected * losses), tasks)


def test_famo():
    logits, before = Adam([0.0] * 4, 0.1), np.full(4, np.nan)
    for tasks, losses, _, weights in steps(make("famo", rate=0.1, weight_decay=0.01)):
        chosen = np.exp(logits.values[list(tasks)])
        softmax = chosen / chosen.sum()
        expected = softmax / losses
        np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-5)
        fall = np.nan_to_num(before[list(tasks)] - np.log(losses))
        # The Jacobian of softmax, whole.
        jacobian = np.diag(softmax) - np.outer(softmax, softmax)
        gradient = jacobian @ fall + 0.01 * logits.values[list(tasks)]
        logits.step(by_task(tasks, gradient), tasks)
        means = mean_by_task(tasks, np.log(losses))
        before = np.where(by_task(tasks, 1) > 0, means, before)


def test_gradnorm():
    learned, first = Adam([1.0] * 4, 0.1), np.full(4, np.nan)
    for tasks, losses, gradients, weights in steps(make("gradnorm", rate=0.1, alpha=1.5)):
        index = list(tasks)
        np.testing.assert_allclose(weights, learned.values[index], rtol=1e-5)
        means = mean_by_task(tasks, losses)
        first = np.where(np.isnan(first) & (by_task(tasks, 1) > 0), means, first)
        pace = losses / first[index]
        norms = np.linalg.norm(gradients, axis=1)
        target = np.mean(learned.values[index] * norms) * (pace / pace.mean()) ** 1.5
        learned.step(by_task(tasks, np.sign(weights * norms - target) * norms), tasks)
        learned.values *= 4 / learned.values.sum()


@pytest.mark.parametrize("method", BALANCINGS)
@pytest.mark.parametrize("losses", [(0.0, 1.0, 2.0), (0.0, 0.0, 0.0)])
def test_losses_of_0_are_weighed(method, losses):
    """As of answers that are known for certain, or of a batch without targets."""
    one, tasks_M, losses_M = make(method), tf.constant([0, 1, 2]), tf.constant(losses)
    gradients = tf.constant([[loss, -loss] for loss in losses])
    for step in range(3):
        weights_M = one.weigh(one.prior(tasks_M, tf.constant([0.0, 5.0, 2.0])), losses_M)
        weights_M *= one.scale(weights_M)
        gram_MM = products([gradients], 3)
        figures = StepFigures(tasks_M, losses_M, weights_M, gram_MM)
        taken = weights_M
        if one.looks_at == "gradients":
            taken = one.combine(weights_M, gram_MM, tf.constant(step, tf.int64))
        one.learn(figures, tf.constant(True))
        # Others are not held up by a task that has nothing to learn.
        assert np.isfinite(taken).all() and (not losses[1] or min(taken[1:]) > 0.1)
    assert all(np.isfinite(value.numpy()).all() for value in one.learned_by_task().values())


def project(gradients, orders):
    """Algorithm 1 of the paper, on the gradients themselves."""
    total = np.zeros(gradients.shape[1])
    for number, gradient in enumerate(gradients):
        left = gradient.astype(np.float64)
        for other in np.argsort(orders[number]):
            if other != number and left @ gradients[other] < 0:
                left = (
                    left
                    - (left @ gradients[other])
                    / (gradients[other] @ gradients[other])
                    * gradients[other]
                )
        total += left
    return total


@pytest.mark.parametrize("count", [2, 3, 6])
def test_pcgrad(count):
    random, method = np.random.default_rng(count), make("pcgrad")
    projected = 0
    for step in range(5):
        gradients = random.normal(size=(count, 12)).astype(np.float32)
        gram = products([tf.constant(gradients[:, :5]), tf.constant(gradients[:, 5:])], count)
        orders = draw_orders(5, tf.constant(step, tf.int64), count).numpy()
        taken = method.combine(tf.ones([count]), gram, tf.constant(step, tf.int64))
        found = weighted_sum(taken, tf.constant(gradients)).numpy()
        np.testing.assert_allclose(found, project(gradients, orders), rtol=1e-5, atol=1e-5)
        projected += not np.allclose(found, gradients.sum(0))
    assert projected >= 3  # or there was nothing to test


def test_orders_are_those_of_the_seed_and_the_step():
    def orders(seed, step):
        return draw_orders(seed, tf.constant(step, tf.int64), 6).numpy()

    assert (np.sort(orders(0, 0), axis=1) == np.arange(6)).all()
    np.testing.assert_array_equal(orders(0, 7), orders(0, 7))
    assert (orders(0, 7) != orders(0, 8)).any() and (orders(0, 7) != orders(1, 7)).any()


@pytest.mark.parametrize("method", BALANCINGS)
def test_a_step_that_was_not_taken_teaches_nothing(method):
    one = make(method)
    list(steps(one))
    held = [variable.numpy() for variable in one.variables]
    list(steps(one, is_taken=False))
    for variable, before in zip(one.variables, held, strict=True):
        np.testing.assert_array_equal(variable, before)


def test_products_and_sums_for_a_tpu_are_the_same(monkeypatch):
    random = np.random.default_rng(0)
    pieces = [tf.constant(random.normal(size=(3, *shape)), tf.float32) for shape in [(4, 5), (7,)]]
    weights = tf.constant(random.normal(size=(3, 3)), tf.float32)
    expected = products(pieces, 3), weighted_sum(weights, pieces[0])
    monkeypatch.setattr("trainer.gradients.products.is_for_tpu", lambda: True)
    np.testing.assert_allclose(products(pieces, 3), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weighted_sum(weights, pieces[0]), expected[1], rtol=1e-5, atol=1e-6)
