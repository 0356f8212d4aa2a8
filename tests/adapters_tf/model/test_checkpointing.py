"""Blocks that are computed twice: the same gradients, and less kept between the passes."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, load_backbone, make_dropout_stateless, read_methods
from adapters_tf.backbone.keras_internals import all_layers
from adapters_tf.model.checkpointing import checkpoint_blocks
from tests.adapters_tf.methods.cases import (
    SETTINGS,
    SMALL,
    make_model,
    mixed,
    shake,
)
from trainer.preflight.exporting import export_stablehlo
from trainer.steps.step import sum_losses

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trained_adapters")]

# Methods that keep state in a block in ways of their own: shared networks, the residual stream,
# keys of the past, a loss, states before the tokens, projections.
UNLIKE = ("hyperformer", "pfeiffer_of_the_stream", "prefix_shifted", "fusion", "prompt", "lora")
TWO_BLOCKS = {"num_layers": 2, "num_decoder_layers": 2}


def compute(model, batch):
    """The loss and every variable's gradient, with dropout, as the train step takes them."""
    variables = model.trainable_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        total, _ = sum_losses(model, batch, training=True)
        objective = total + tf.add_n(model.losses or [0.0])
    gradients = tape.gradient(objective, variables)
    return objective, [tf.convert_to_tensor(one) for one in gradients]


def gradients_of(model, batch, **options):
    run = tf.function(lambda batch: compute(model, batch), autograph=False, **options)
    loss, gradients = run({key: tf.constant(value) for key, value in batch.items()})
    return loss.numpy(), dict(
        zip(model.trainable_by_path(), [one.numpy() for one in gradients], strict=True)
    )


def with_dropout(model):
    layers = [one for one in all_layers(model) if isinstance(one, tf_keras.layers.Dropout)]
    for layer in layers:
        layer.rate = 0.1
    assert make_dropout_stateless(model, 0, tf.Variable(3, dtype=tf.int64)) == len(layers) > 0
    return model


def assert_alike(found, expected):
    (loss, gradients), (right_loss, right) = found, expected
    np.testing.assert_allclose(loss, right_loss, rtol=1e-6)
    for path, gradient in right.items():
        close = 1e-6 * max(1.0, np.abs(gradient).max())
        np.testing.assert_allclose(gradients[path], gradient, rtol=1e-5, atol=close, err_msg=path)


@pytest.mark.parametrize("method", UNLIKE)
def test_gradients_are_the_same(method, uneven_batch):
    model = with_dropout(make_model(method))
    shake(model)
    plain = gradients_of(model, uneven_batch(task=1))
    assert checkpoint_blocks(model, is_compiled=False) == 2
    assert_alike(gradients_of(model, uneven_batch(task=1)), plain)


@pytest.mark.parametrize(("name", "is_compiled"), [(None, False), ("bottleneck", True)])
def test_gradients_of_several_blocks_routed_by_example_are_the_same(
    name, is_compiled, uneven_batch
):
    """Later blocks are handed the first one's position biases."""
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides={**SMALL, **TWO_BLOCKS})
    methods = read_methods(name, {name: SETTINGS[name]}) if name else None
    model = with_dropout(TaskModel(backbone, ("a", "b", "c"), methods, routing="example"))
    shake(model, deviation=0.01)
    plain = gradients_of(model, mixed(uneven_batch), jit_compile=is_compiled)
    assert checkpoint_blocks(model, is_compiled=is_compiled) == 4
    assert_alike(gradients_of(model, mixed(uneven_batch), jit_compile=is_compiled), plain)


def test_a_block_is_computed_again_only_after_its_gradient_has_come(uneven_batch):
    """One barrier a block, which XLA may not look through, holds its inputs back."""
    model = with_dropout(make_model("bottleneck"))
    batch = {key: tf.constant(value) for key, value in uneven_batch().items()}

    def count_barriers():
        program = export_stablehlo(
            lambda *values: compute(model, dict(zip(batch, values, strict=True))),
            [tf.TensorSpec.from_tensor(value) for value in batch.values()],
        )
        return program.count("optimization_barrier")

    assert count_barriers() == 0
    checkpoint_blocks(model, is_compiled=True)
    assert count_barriers() == 2


def test_outside_training_blocks_are_as_they_were(uneven_batch):
    model = make_model("bottleneck")
    batch = {key: tf.constant(value) for key, value in uneven_batch().items()}
    plain = model(batch)
    checkpoint_blocks(model, is_compiled=False)
    np.testing.assert_array_equal(model(batch), plain)
