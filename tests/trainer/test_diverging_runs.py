"""A run whose loss is not finite any more stops, and says where it stood well."""

import json
import signal

import numpy as np
import pytest
import tensorflow as tf

from prep import run_command
from trainer.__main__ import main

pytestmark = pytest.mark.slow

SETTINGS = [
    "--model.backbone=t5-tiny",
    '--model.overrides={"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, '
    '"num_decoder_layers": 1}',
    "--data.batch_size=4",
    "--optimizer.learning_rate=1e8",
    "--optimizer.rates={norms: 1.0e+30}",  # what all tasks share is useless after a step
    "--training.steps=30",
    "--training.log_every=8",
    "--training.validate_every=0",
    "--training.checkpoint_every=4",
]


@pytest.fixture
def interrupts():
    """A run that ends in an error does not give Ctrl-C back."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("interrupts")
def test_it_stops_with_one_line_and_the_last_checkpoint(small_dataset, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = [f"--dataset={small_dataset}", f"--run={run}", *SETTINGS]
    assert run_command(main, [*arguments, "--training.max_skipped_steps=5"]) == 1
    said = capsys.readouterr()
    (error,) = (line for line in said.err.splitlines() if line.startswith("error: "))
    assert error.startswith("error: steps 2 to 6 were all skipped, of synthetic_")
    assert f"the last whole checkpoint is {run}/checkpoints/ckpt-4. " in error
    assert "loss or gradient not finite" in said.out and "step 8/30" in said.out
    (line,) = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert sum(n for name, n in line.items() if name.endswith("/skipped_steps")) == 7
    assert np.isfinite(line["loss"])  # the first step's
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / "ckpt-4"))
    for name in reader.get_variable_to_shape_map():
        if name.startswith(("trainable/", "optimizer/")):
            assert np.isfinite(reader.get_tensor(name)).all(), name
