"""The training step through JAX's runtime, which goes on where TensorFlow's TPU wheels end.

`make test-jax-step` installs JAX beside the environment, and names its interpreter.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import BottleneckConfig, TaskModel, load_backbone, make_dropout_stateless
from trainer.optimizers.registry import OPTIMIZERS
from trainer.steps.fit_model import FitModel

VARIABLE, PLATFORM = "JAX_PYTHON", "JAX_PLATFORM"
STEPS, TASKS = 20, ("a", "b", "c")
SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 1}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        VARIABLE not in os.environ,
        reason=f"{VARIABLE} is not set: `make test-jax-step` installs JAX and sets it",
    ),
]


def make_fit_model():
    backbone = load_backbone(
        "t5-tiny", vocabulary_size=100, overrides=SMALL | {"num_decoder_layers": 1}, seed=0
    )
    model = TaskModel(backbone, TASKS, BottleneckConfig(reduction_factor=8), train_layer_norms=True)
    optimizer = OPTIMIZERS["adamw"](1e-2, model.is_bank, clip_norm=1.0, is_compiled=True)
    optimizer.build(model.trainable_variables)
    fit_model = FitModel(model)
    fit_model.compile(optimizer, jit_compile=True)
    make_dropout_stateless(model, 0, optimizer.iterations)
    return fit_model


def export_step(fit_model, batches, folder):
    """Write the step that `fit` runs, the state it begins with, and the batches."""
    keys = sorted(batches[0])

    @tf.function(jit_compile=True)
    def step(*values):
        return fit_model.train_step(dict(zip(keys, values, strict=True)))["loss"]

    specs = [tf.TensorSpec(batches[0][key].shape, batches[0][key].dtype) for key in keys]
    traced = step.get_concrete_function(*specs)
    by_handle = {id(variable.handle): variable for variable in traced.variables}
    inputs = {
        f"state_{index}": (by_handle[id(held)] if held.dtype == tf.resource else held).numpy()
        for index, held in enumerate(traced.captured_inputs)
    }
    for number, batch in enumerate(batches):
        inputs |= {f"batch_{number}_{index}": batch[key] for index, key in enumerate(keys)}
    np.savez(folder / "inputs.npz", **inputs)
    text = step.experimental_get_compiler_ir(*specs)(stage="stablehlo")
    (folder / "step.mlir").write_text(text, encoding="utf-8")


def fit_losses(fit_model, batches):
    """The losses that the function under `fit` gives, step by step, with dropout."""
    function = fit_model.make_train_function()
    stacked = {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}
    iterator = iter(tf.data.Dataset.from_tensor_slices(stacked))
    return [float(function(iterator)["loss"]) for _ in batches]


def test_twenty_steps_are_those_of_fit(uneven_batch, tmp_path):
    batches = [uneven_batch(task=number % len(TASKS), seed=number) for number in range(STEPS)]
    fit_model = make_fit_model()
    export_step(fit_model, batches, tmp_path)
    script = Path(__file__).with_name("jax_runner.py")
    files = [tmp_path / name for name in ("step.mlir", "inputs.npz", "losses.npy")]
    done = subprocess.run(
        [os.environ[VARIABLE], script, *files, os.environ.get(PLATFORM, "cpu")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    losses = np.load(tmp_path / "losses.npy")
    expected = np.asarray(fit_losses(fit_model, batches), np.float32)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-4)
    assert expected[-1] < expected[0]
