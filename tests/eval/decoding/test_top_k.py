"""The largest numbers without a sort, as a TPU is given them, beside TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runtime.target import compiling_for_tpu
from eval.decoding.top_k import top_few, top_of_many


@pytest.mark.parametrize("J", [5, 128, 300, 1000])
def test_they_are_the_largest_in_order(J):
    random = np.random.default_rng(J)
    values = tf.constant(random.normal(size=(2, 3, J)).astype(np.float32))
    expected = tf.math.top_k(values, 5)
    with compiling_for_tpu():
        for top, places in (top_few(values, 5), top_of_many(values, 5)):
            np.testing.assert_array_equal(top, expected.values)
            np.testing.assert_array_equal(places, expected.indices)


def test_of_equals_the_first_is_first():
    values = tf.constant([[[2.0, 3.0, 3.0, -1e9, 2.0, -1e9]]])
    with compiling_for_tpu():
        top, places = top_few(values, 6)
    assert top.numpy().tolist() == [[[3.0, 3.0, 2.0, 2.0, -1e9, -1e9]]]
    assert places.numpy().tolist() == [[[1, 2, 0, 4, 3, 5]]]
