"""The step that a TPU runs, compiled for this machine, is the step of a CPU."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import TaskModel, load_backbone, make_dropout_stateless, read_methods
from adapters_tf.runtime.target import compiling_for_tpu
from tests.adapters_tf.methods.cases import SETTINGS, SMALL, TASKS
from trainer.steps.step import train_step

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["none", "bottleneck", "hyperformer", "prefix_flat"])
def test_losses_and_weights_are_the_same(name, make_optimizer, uneven_batch):
    """Four steps of two tasks, with dropout, both with XLA and without."""

    def train(target, **options):
        overrides = {**SMALL, "dropout_rate": 0.1}
        backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=overrides)
        methods = read_methods(name, {name: SETTINGS[name]}) if name in SETTINGS else None
        model = TaskModel(backbone, TASKS, methods)
        optimizer = make_optimizer(model, "adafactor", is_compiled=bool(options))
        make_dropout_stateless(model, 0, optimizer.iterations)
        step = tf.function(
            lambda batch: train_step(model, optimizer, batch)[0], **options, autograph=False
        )
        with target():
            losses = [step(uneven_batch(task=n % 2, seed=n)) for n in range(4)]
        state = [*model.trainable_variables, *optimizer.variables]
        return np.array(losses), [variable.numpy() for variable in state]

    losses, state = train(nullcontext)
    for_tpu, state_for_tpu = train(compiling_for_tpu, jit_compile=True)
    np.testing.assert_allclose(for_tpu, losses, rtol=1e-5)
    for value, right in zip(state_for_tpu, state, strict=True):
        np.testing.assert_allclose(value, right, atol=1e-5 * max(1.0, np.abs(right).max()))
