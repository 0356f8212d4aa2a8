"""The last step of a run, and the ones after it: a run that ends in it is done, and may go on."""

import contextlib
import io
import json
import os
import signal

import numpy as np
import pytest

from prep import run_command
from tests.trainer.checkpoint_values import weights_of
from trainer.__main__ import main
from trainer.callbacks.figures import FiguresCallback

pytestmark = pytest.mark.slow

SMALL = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "dropout_rate": 0.1,
}
SETTINGS = [
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL)}",
    "--data.batch_size=4",
    "--optimizer.schedule=constant",
    "--optimizer.learning_rate=1e-2",
    "--optimizer.warmup_steps=2",
    "--training.validation_examples=4",
]
SHORT, LONG = 3, 7


def train(dataset, run, steps):
    return run_command(
        main, [f"--dataset={dataset}", f"--run={run}", *SETTINGS, f"--training.steps={steps}"]
    )


@pytest.fixture(scope="module")
def short_run(small_dataset, tmp_path_factory):
    """A run that a signal hit in its last step, its exit code and what it said."""
    run = tmp_path_factory.mktemp("short") / "run"
    step_ended = FiguresCallback.on_train_batch_end

    def interrupt(self, batch, logs=None):
        if self.step_after(batch) == SHORT:
            os.kill(os.getpid(), signal.SIGTERM)
        step_ended(self, batch, logs)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(FiguresCallback, "on_train_batch_end", interrupt)
        code = train(small_dataset, run, SHORT)
    return run, code, said.getvalue()


def test_a_signal_in_the_last_step_leaves_the_last_validation_to_the_next_command(
    short_run, small_dataset, capsys
):
    run, code, output = short_run
    assert code == 3 and "done" not in output
    assert f"SIGTERM: the validation at step {SHORT}, which is saved, was left" in output
    assert train(small_dataset, run, SHORT) == 0
    output = capsys.readouterr().out
    assert f"validation at step {SHORT}" in output and f"done: step {SHORT}" in output
    assert (run / "adapters").is_dir()


def test_an_extended_run_is_the_one_that_was_long_from_the_start(
    short_run, small_dataset, tmp_path, capsys
):
    run, whole = short_run[0], tmp_path / "whole"
    assert train(small_dataset, run, LONG) == 0
    assert f"going on from step {SHORT}" in capsys.readouterr().out
    assert train(small_dataset, whole, LONG) == 0
    extended, expected = weights_of(run), weights_of(whole)
    assert extended.keys() == expected.keys()
    assert int(extended["step/.ATTRIBUTES/VARIABLE_VALUE"]) == LONG
    for name, value in expected.items():
        np.testing.assert_array_equal(extended[name], value, err_msg=name)
