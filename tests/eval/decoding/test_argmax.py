import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import TaskModel
from eval import ArgmaxModel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["t5", "t5_v1_1"])
def case(request, golden):
    backbone, expected = golden(request.param)
    batch = {
        "encoder_input_tokens": tf.constant(expected["input_ids"]),
        "task": tf.zeros(len(expected["input_ids"]), tf.int32),
    }
    return TaskModel(backbone, ("only",)), batch, expected


@pytest.mark.parametrize("is_xla", [False, True])
def test_the_first_token_is_pytorchs(case, is_xla):
    model, batch, expected = case
    argmax = ArgmaxModel(model)
    argmax.compile(jit_compile=is_xla)
    tokens = argmax.predict(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert tokens.dtype == np.int32 and tokens.shape == (4, 1)
    np.testing.assert_array_equal(tokens[:, 0], expected["greedy"][:, 0])


def test_only_the_start_token_is_read(case):
    model, batch, expected = case
    given = tf.constant(expected["greedy"])  # other decoder inputs are not looked at
    tokens = ArgmaxModel(model)({**batch, "decoder_input_tokens": given})
    assert tokens.dtype == tf.int32
    np.testing.assert_array_equal(tokens[:, 0], expected["greedy"][:, 0])


def test_the_routed_tasks_adapters_are_used(adapted_model):
    generator = np.random.default_rng(1)
    tokens = tf.constant(generator.integers(2, 60, (8, 5)), tf.int32)
    answers = []
    for task in range(2):
        batch = {"encoder_input_tokens": tokens, "task": tf.fill([8], task)}
        answers.append(ArgmaxModel(adapted_model)(batch).numpy())
        full = adapted_model({**batch, "decoder_input_tokens": tf.zeros((8, 1), tf.int32)})
        np.testing.assert_array_equal(answers[-1], full.numpy().argmax(-1))
    assert (answers[0] != answers[1]).any()


def test_its_program_computes_nothing_that_one_position_does_not_need(case):
    """Also where neither the rows nor the inputs' length is known beforehand."""
    model, batch, _ = case
    specs = {
        "encoder_input_tokens": tf.TensorSpec([None, None], tf.int32),
        "task": tf.TensorSpec([None], tf.int32),
    }
    program = tf.function(ArgmaxModel(model), autograph=False).get_concrete_function(specs)
    products = {op.name for op in program.graph.get_operations() if op.type == "MatMul"}
    of_decoder = {name for name in products if "decoder" in name}
    assert any("/SelfAttention/v/" in name for name in of_decoder)
    for spared in ("/SelfAttention/q/", "/SelfAttention/k/", "/EncDecAttention/k/"):
        assert not any(spared in name for name in of_decoder)
    np.testing.assert_array_equal(program(batch), ArgmaxModel(model)(batch))


def test_no_table_is_gathered_from_as_a_variable(case):
    """TensorFlow copies such a variable at every later read."""
    model, batch, _ = case
    program = tf.function(ArgmaxModel(model), autograph=False).get_concrete_function(batch)
    kinds = {op.type for op in program.graph.get_operations()}
    assert "GatherV2" in kinds and "ResourceGather" not in kinds
