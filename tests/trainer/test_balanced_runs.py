"""Runs whose steps take several tasks: what they learn of tasks outlives an interruption."""

import json

import numpy as np
import pytest

from prep import run_command
from tests.trainer.checkpoint_values import weights_of
from trainer.__main__ import main

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
    "--data.mixture=round",
    "--optimizer.schedule=constant",
    "--optimizer.learning_rate=1e-2",
    "--training.log_every=1",
    "--balancing.method=famo",
]


def train(dataset, run, steps, *more):
    arguments = [f"--dataset={dataset}", f"--run={run}", *SETTINGS, f"--training.steps={steps}"]
    return run_command(main, [*arguments, *more])


def test_a_run_goes_on_with_what_it_learned_of_the_tasks(
    small_dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("trainer.fit.make_validator", lambda *_: None)  # it has no part in this
    through, parts = tmp_path / "through", tmp_path / "parts"
    assert train(small_dataset, through, 4, "--training.tasks_per_step=3") == 0
    said = capsys.readouterr().out
    assert "batches of 4 × 32 input and 8 target tokens, 3 a step" in said
    assert "4 of 12 batches" in said
    assert train(small_dataset, parts, 2, "--training.tasks_per_step=3") == 0
    assert train(small_dataset, parts, 4, "--training.tasks_per_step=3") == 0
    expected, found = weights_of(through), weights_of(parts)
    assert expected.keys() == found.keys()
    learned = [name for name in expected if name.startswith("balancing/logits/value")]
    assert len(learned) == 1 and np.ptp(expected[learned[0]]) > 0
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    lines = [json.loads(line) for line in (through / "metrics.jsonl").read_text().splitlines()]
    logged = next(line for line in reversed(lines) if line["kind"] == "train")
    names = [key for key in logged if key.endswith("/balancing_logit")]
    assert len(names) == 3
    # Every step has a batch of every task.
    trained = [line for line in lines if line["kind"] == "train"]
    assert len(trained) == 4
    assert all(sum(key.endswith("/loss") for key in line) == 3 for line in trained)


def test_what_has_nothing_to_act_on_is_refused(small_dataset, tmp_path, capsys):
    rows_only = ["--adapters.method=lora", "--adapters.train_layer_norms=false"]
    arguments = [*rows_only, "--training.tasks_per_step=2"]
    assert train(small_dataset, tmp_path / "run", 2, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: balancing.method famo weighs what tasks share")
    assert not (tmp_path / "run" / "config.yaml").exists()
