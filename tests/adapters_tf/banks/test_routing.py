"""Which rows of a bank a forward pass reads, and what its gradient touches."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.banks.routing import (
    align_vector,
    is_routed_by_example,
    multiply_routed,
    route,
    select_row,
    task_matmul,
    task_vector,
)
from adapters_tf.errors import ConfigurationError

K, B, S, D, R = 3, 4, 5, 6, 2
MIXED = np.array([2, 0, 2, 1], np.int32)


def alike(task):
    return tf.fill([B], task)


@pytest.fixture
def vectors():
    return tf.Variable(np.random.default_rng(0).normal(size=(K, D)).astype(np.float32))


@pytest.fixture
def matrices():
    return tf.Variable(np.random.default_rng(1).normal(size=(K, D, R)).astype(np.float32))


@pytest.fixture
def inputs():
    return tf.constant(np.random.default_rng(2).normal(size=(B, S, D)).astype(np.float32))


def test_a_batch_of_one_task_reads_its_row(vectors, matrices, inputs):
    with route(alike(2)):
        assert not is_routed_by_example()
        np.testing.assert_array_equal(select_row(vectors), vectors[2])
        np.testing.assert_array_equal(task_vector(vectors), vectors[2])
        np.testing.assert_allclose(task_matmul(inputs, matrices), inputs @ matrices[2], atol=1e-6)


def test_in_a_mixed_batch_each_example_reads_its_own(vectors, matrices, inputs):
    with route(tf.constant(MIXED), by_example=True):
        assert is_routed_by_example()
        shifted = inputs + task_vector(vectors)
        product = task_matmul(inputs, matrices)
    for row, task in enumerate(MIXED):
        np.testing.assert_allclose(shifted[row], inputs[row] + vectors[task], atol=1e-6)
        np.testing.assert_allclose(product[row], inputs[row] @ matrices[task], atol=1e-6)


def test_what_was_made_for_a_task_is_used_as_a_row_is(inputs):
    """A kernel or a vector that a network made, rather than read from a bank."""
    kernels = tf.random.stateless_normal([B, D, R], [0, 1])
    vectors = tf.random.stateless_normal([B, D], [0, 2])
    with route(alike(1)):
        np.testing.assert_allclose(
            multiply_routed(inputs, kernels[0]), inputs @ kernels[0], atol=1e-6
        )
        assert align_vector(vectors[0]).shape == (D,)
    with route(tf.constant(MIXED), by_example=True):
        np.testing.assert_allclose(multiply_routed(inputs, kernels), inputs @ kernels, atol=1e-6)
        assert align_vector(vectors).shape == (B, 1, D)


def test_gradients_are_of_one_row(vectors):
    """An indexed slice, so that the other tasks' rows are not even written as zeros."""
    with tf.GradientTape() as tape, route(alike(1)):
        loss = tf.reduce_sum(task_vector(vectors) ** 2)
    gradient = tape.gradient(loss, vectors)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.indices.numpy().ravel().tolist() == [1]
    np.testing.assert_allclose(tf.reshape(gradient.values, [D]), 2 * vectors[1])


def test_results_have_the_inputs_precision(vectors, matrices, inputs):
    half = tf.cast(inputs, tf.bfloat16)
    with route(alike(0)):
        assert task_matmul(half, matrices).dtype == tf.bfloat16
        assert task_vector(vectors, tf.bfloat16).dtype == tf.bfloat16
        assert task_vector(vectors).dtype == tf.float32


def test_outside_of_a_route_there_is_no_row(vectors):
    assert not is_routed_by_example()
    with pytest.raises(RuntimeError, match="inside `with route"):
        select_row(vectors)


def test_routes_nest_and_end_with_an_error(vectors):
    with route(alike(0)):
        with pytest.raises(ZeroDivisionError), route(alike(2)):
            np.testing.assert_array_equal(select_row(vectors), vectors[2])
            raise ZeroDivisionError
        np.testing.assert_array_equal(select_row(vectors), vectors[0])
    with pytest.raises(RuntimeError):
        select_row(vectors)


def test_threads_have_routes_of_their_own(vectors):
    """Replicas trace in threads, each with a task of its own."""
    seen = {}

    def read(task):
        with route(alike(task)):
            entered.wait(10)
            seen[task] = select_row(vectors).numpy()

    entered = threading.Barrier(2)
    threads = [threading.Thread(target=read, args=(task,)) for task in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for task in (1, 2):
        np.testing.assert_array_equal(seen[task], vectors[task])


def test_a_mixed_batch_routed_by_batch_is_refused():
    with (
        pytest.raises(ConfigurationError, match=r"rows 0, 1, 2, .* build .* routing='example'"),
        route(tf.constant(MIXED)),
    ):
        pass


def test_one_program_serves_all_tasks(vectors):
    traced = []

    @tf.function(input_signature=[tf.TensorSpec([B], tf.int32)])
    def read(task):
        traced.append(1)
        with route(task):
            return task_vector(vectors)

    for task in range(K):
        np.testing.assert_array_equal(read(alike(task)), vectors[task])
    assert len(traced) == 1
