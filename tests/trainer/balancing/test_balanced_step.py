"""A step of several microbatches, against its gradients computed one by one."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import make_dropout_stateless
from adapters_tf.methods.lora import LoraConfig
from eval.decoding.replicas import share_out
from trainer import BalancingConfig
from trainer.balancing.pcgrad import draw_orders
from trainer.balancing.registry import BALANCINGS
from trainer.gradients.task_rows import TaskRows
from trainer.steps.balanced_step import balanced_step
from trainer.steps.step import sum_losses

pytestmark = pytest.mark.slow

TASKS = (1, 0, 1)  # of the microbatches, one of them twice


class Recorder:
    """Takes no step, and remembers the gradients."""

    def __init__(self):
        self.iterations = tf.Variable(3, dtype=tf.int64, trainable=False)

    def take_step(self, gradients, loss):
        self.gradients = [gradient for gradient, _ in gradients]
        return tf.math.is_finite(loss)


def make_parts(uneven_batch):
    return [uneven_batch(task=task, seed=number) for number, task in enumerate(TASKS)]


def join(parts):
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def make_balancing(method, model, **settings):
    return BALANCINGS[method](model.task_names, BalancingConfig(method, **settings), 0)


def one_by_one(model, parts):
    """Losses, tokens and gradients of each microbatch alone, banks' as whole arrays."""
    losses, tokens, gradients = [], [], []
    for part in parts:
        batch = {key: tf.constant(value) for key, value in part.items()}
        tokens.append(part["decoder_loss_weights"].sum())
        with tf.GradientTape() as tape:
            total, _ = sum_losses(model, batch, training=False)
            mean = total / tokens[-1]
        losses.append(mean.numpy())
        found = tape.gradient(mean, model.trainable_variables)
        gradients.append([tf.convert_to_tensor(gradient).numpy() for gradient in found])
    return np.array(losses), np.array(tokens), gradients


def expected_weights(method, losses, tokens, shared):
    if method == "tokens":
        return tokens / tokens.sum()
    if method == "famo":
        return (1 / losses) / (1 / losses).sum()
    if method == "pcgrad":
        orders = draw_orders(0, tf.constant(3, tf.int64), 3).numpy()
        gram, total = shared @ shared.T, np.zeros(3)
        for number in range(3):
            left = np.eye(3)[number]
            for other in np.argsort(orders[number]):
                against = min(left @ gram[:, other], 0.0) / gram[other, other]
                left = left - (other != number) * against * np.eye(3)[other]
            total += left
        return total
    return np.ones(3)  # of those that learn, what they begin with


@pytest.mark.parametrize("method", BALANCINGS)
def test_shared_variables_get_the_combined_gradient_and_rows_their_own(
    method, make_model, uneven_batch
):
    model, parts = make_model(), make_parts(uneven_batch)
    recorder, balancing = Recorder(), make_balancing(method, model)
    taught = []
    balancing.learn = lambda figures, is_taken: taught.append((figures, is_taken))
    loss_K, tokens_K, is_taken = balanced_step(model, recorder, join(parts), balancing, 3)
    losses, tokens, gradients = one_by_one(model, parts)
    are_banks = [model.is_bank(variable) for variable in model.trainable_variables]
    shared = np.stack(
        [
            np.concatenate(
                [one.ravel() for one, is_bank in zip(of_one, are_banks, strict=True) if not is_bank]
            )
            for of_one in gradients
        ]
    )
    weights = expected_weights(method, losses, tokens, shared)
    for number, (found, is_bank) in enumerate(zip(recorder.gradients, are_banks, strict=True)):
        by_part = np.stack([of_one[number] for of_one in gradients])
        if not is_bank:
            expected = np.tensordot(weights, by_part, 1)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            continue
        assert isinstance(found, TaskRows)
        assert found.is_first.numpy().tolist() == [True, True, False]
        mean_1 = (tokens[0] * by_part[0, 1] + tokens[2] * by_part[2, 1]) / (tokens[0] + tokens[2])
        for place, expected in enumerate((mean_1, by_part[1, 0], mean_1)):
            np.testing.assert_allclose(found.values[place], expected, rtol=1e-5, atol=1e-5)
    totals = losses * tokens
    np.testing.assert_allclose(loss_K, [totals[1], totals[0] + totals[2], 0], rtol=1e-5)
    np.testing.assert_allclose(tokens_K, [tokens[1], tokens[0] + tokens[2], 0])
    assert is_taken
    ((figures, was_taken),) = taught  # what `test_methods.py` lets the methods learn from
    assert was_taken and figures.tasks.numpy().tolist() == list(TASKS)
    np.testing.assert_allclose(figures.losses, losses, rtol=1e-5)
    given = np.ones(3) if method == "pcgrad" else weights
    np.testing.assert_allclose(figures.weights, given, rtol=1e-5)
    assert (figures.gram is None) == (balancing.looks_at != "gradients")
    if figures.gram is not None:
        np.testing.assert_allclose(figures.gram, shared @ shared.T, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["tokens", "pcgrad"])
def test_microbatches_of_several_shapes_are_as_if_of_one(method, make_model, uneven_batch):
    """Two of one length and one of another, each padded no further than it need be."""
    model, parts = make_model(), make_parts(uneven_batch)
    longer = [
        {key: np.pad(one, [(0, 0), (0, 2)]) if one.ndim == 2 else one for key, one in part.items()}
        for part in parts
    ]
    recorders = Recorder(), Recorder()
    one = balanced_step(model, recorders[0], join(longer), make_balancing(method, model), 3)
    groups = [join(parts[:2]), longer[2]]
    several = balanced_step(model, recorders[1], groups, make_balancing(method, model), [2, 1])
    for found, expected in zip(several[:2], one[:2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    for found, expected in zip(*(reversed([one.gradients for one in recorders])), strict=True):
        pair = (found, expected)
        if isinstance(found, TaskRows):
            pair = (found.values, expected.values)
        np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-6)


def run_steps(model, optimizer, balancing, parts, strategy=None, *, count=2, jit_compile=False):
    """Weights after some steps."""
    strategy = strategy or tf.distribute.get_strategy()

    @tf.function(autograph=False)
    def step(*shares):
        def of_replica(*shares):
            batch = {key: tf.concat([share[key] for share in shares], 0) for key in shares[0]}
            return balanced_step(model, optimizer, batch, balancing, len(parts))

        compiled = (
            tf.function(of_replica, jit_compile=True, autograph=False)
            if jit_compile
            else of_replica
        )
        return strategy.run(compiled, args=shares)

    shares = [share_out(strategy, part) for part in parts]
    for _ in range(count):
        step(*shares)
    return [variable.numpy() for variable in (*model.trainable_variables, *balancing.variables)]


@pytest.mark.parametrize("method", ["tokens", "pcgrad"])
def test_replicas_equal_one(method, make_model, make_optimizer, uneven_batch, two_replicas):
    found = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = make_model()
            optimizer = make_optimizer(model, weight_decay=0.1)
            balancing = make_balancing(method, model)
        found.append(run_steps(model, optimizer, balancing, make_parts(uneven_batch), strategy))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_it_compiles_with_xla_and_gives_the_same(make_model, make_optimizer, uneven_batch):
    """With the method that computes most between the microbatches' gradients and the step."""
    method, found = "pcgrad", []
    for jit_compile in (False, True):
        model = make_model()
        optimizer = make_optimizer(model, is_compiled=jit_compile)
        balancing = make_balancing(method, model)
        parts = make_parts(uneven_batch)
        found.append(run_steps(model, optimizer, balancing, parts, jit_compile=jit_compile))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_where_nothing_is_shared_each_task_trains_as_if_alone(
    make_model, make_optimizer, uneven_batch
):
    models = [make_model(adapters=LoraConfig(rank=2), train_layer_norms=False) for _ in range(2)]
    parts = make_parts(uneven_batch)[:2]
    together, alone = models
    optimizer = make_optimizer(together, clip_norm=None)
    run_steps(together, optimizer, make_balancing("sum", together), parts)
    optimizer = make_optimizer(alone, clip_norm=None)
    for part in parts:
        run_steps(alone, optimizer, make_balancing("sum", alone), [part])
    for one, two in zip(together.trainable_variables, alone.trainable_variables, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_task_that_comes_twice_takes_one_step_and_others_keep_their_bits(
    make_model, make_optimizer, uneven_batch
):
    model = make_model()
    before = [variable.numpy() for variable in model.trainable_variables]
    optimizer = make_optimizer(model)
    run_steps(model, optimizer, make_balancing("sum", model), make_parts(uneven_batch), count=1)
    for variable, old, slots in zip(
        model.trainable_variables, before, optimizer._slots, strict=True
    ):
        if model.is_bank(variable):
            assert slots["steps"].numpy().tolist() == [1, 1, 0]
            np.testing.assert_array_equal(variable[2], old[2])
            assert not np.array_equal(variable[1], old[1])
        else:
            assert slots["steps"].numpy() == 1


def test_microbatches_of_a_step_drop_units_of_their_own(make_model, uneven_batch):
    model = make_model(dropout_rate=0.5)
    recorder = Recorder()
    make_dropout_stateless(model, 0, recorder.iterations)
    part = uneven_batch(task=0)
    figures = []

    class Spy(BALANCINGS["sum"]):
        def learn(self, figures_of_step, is_taken):
            figures.append(figures_of_step.losses.numpy())

    for _ in range(2):
        spy = Spy(model.task_names, BalancingConfig("sum"), 0)
        balanced_step(model, recorder, join([part, part]), spy, 2)
    assert figures[0][0] != figures[0][1]
    np.testing.assert_array_equal(figures[0], figures[1])
