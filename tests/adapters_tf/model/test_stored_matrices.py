"""Matrices stored as bfloat16 or int8: what is read of them, and a T5 that computes with them."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import ConfigurationError
from adapters_tf.model.stored_matrices import StoredMatrix, held, store_matrices
from tests.adapters_tf.methods.cases import make_model


def test_each_output_has_a_scale_of_its_own():
    # By hand: columns of a layer's matrix have 12.7 and 0.254 as their largest; 127 steps each.
    matrix = StoredMatrix(tf.Variable([[12.7, 0.1], [-0.26, -0.254]]), 1, "int8", "float32")
    assert matrix.values.numpy().tolist() == [[127, 50], [-3, -127]]
    np.testing.assert_allclose(matrix.scale, [[0.1, 0.002]], rtol=1e-6)
    np.testing.assert_allclose(tf.cast(matrix, tf.float32), [[12.7, 0.1], [-0.3, -0.254]], 1e-5)
    rows = StoredMatrix(tf.Variable([[12.7, -0.26], [0.1, -0.254], [0, 0]]), 0, "int8", "float32")
    assert rows.values.numpy().tolist() == [[127, -3], [50, -127], [0, 0]]
    np.testing.assert_allclose(tf.gather(rows, [[1], [2]]), [[[0.1, -0.254]], [[0, 0]]], 1e-5)
    np.testing.assert_allclose(tf.gather(matrix, [1], axis=1), [[0.1], [-0.254]], 1e-5)


def test_bfloat16_is_the_number_rounded():
    matrix = StoredMatrix(tf.Variable([[1.001, 3.0]]), 1, "bfloat16", "float32")
    assert matrix.values.dtype == tf.bfloat16 and matrix.scale is None
    assert tf.cast(matrix, tf.float32).numpy().tolist() == [[1.0, 3.0]]


def test_a_program_reads_once_what_is_held():
    matrix = StoredMatrix(tf.Variable(np.eye(2, dtype=np.float32)), 1, "int8", "float32")

    @tf.function(autograph=False)
    def power(state):
        with held([matrix]):
            turn = lambda step, state: (step + 1, tf.matmul(state, matrix))  # noqa: E731
            return tf.while_loop(lambda step, _: step < 3, turn, (0, state))[1]

    state = tf.constant([[1.0, 2.0]])
    assert power(state).numpy().tolist() == [[1.0, 2.0]]
    body = power.get_concrete_function(state).graph.as_graph_def().library.function
    inside = {node.op for function in body for node in function.node_def}
    assert "MatMul" in inside and "ReadVariableOp" not in inside


def test_there_is_no_other_way_to_store_them():
    with pytest.raises(ConfigurationError, match="'int9'; did you mean 'int8'"):
        store_matrices(None, "int9")


@pytest.mark.slow
@pytest.mark.parametrize(("stored", "most"), [("bfloat16", 0.02), ("int8", 0.05)])
def test_a_model_answers_nearly_as_before(stored, most, uneven_batch):
    model, batch = make_model("lora"), uneven_batch()
    before = model(batch).numpy()
    matrices = store_matrices(model.backbone, stored)
    assert {one.values.dtype.name for one in matrices} == {stored}
    assert len(matrices) == len({id(one) for one in matrices}) > 10
    kept = {variable.name for variable in model.variables}
    assert not any(name.endswith(("/kernel:0", "shared/embeddings:0")) for name in kept)
    apart = np.abs(model(batch).numpy() - before).max() / np.abs(before).max()
    assert 0 < apart < most
    assert store_matrices(model.backbone, stored) == []
