"""`--dry-run` says what a run would do and writes nothing."""

import json

import pytest

from prep import run_command
from trainer.__main__ import main
from trainer.parts import resolve_run
from trainer.run.folder import create_run
from trainer.settings.arguments import read_arguments

pytestmark = pytest.mark.slow

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
SETTINGS = [
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL)}",
    "--data.batch_size=4",
    "--training.steps=9",
    "--training.validate_every=4",
    "--training.validation_examples=8",
    "--optimizer.learning_rate=0.5",
    "--optimizer.schedule=constant",
]


def test_a_plan_writes_nothing_and_says_what_would_be(small_dataset, tmp_path, capsys):
    run = tmp_path / "run"
    places = [f"--dataset={small_dataset}", f"--run={run}", *SETTINGS]
    arguments = [*places, "--training.tasks_per_step=2", "--balancing.method=sum"]
    assert run_command(main, [*arguments, "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert not run.exists() and not list(tmp_path.iterdir())
    assert "adamw, constant: learning rates 0.5, 0.5, 0.5, 0.5, 0.5 at 0, 25, 50, 75" in said[-5]
    assert said[-4:] == [
        "2 tasks a step, balanced by sum",
        "3 validations, each of 24 examples, those of 3 tasks",
        "best by mean: one best step for all tasks",
        f"nothing was written: {run} would be new",
    ]
    assert any(line.startswith("tasks' rows") for line in said)
    assert sum("of 18 batches" in line for line in said) == 3


def test_it_says_what_is_kept_and_when_the_run_ends(small_dataset, tmp_path, capsys):
    places = [f"--dataset={small_dataset}", f"--run={tmp_path / 'run'}", *SETTINGS]
    own_rows = ["--adapters.method=lora", "--adapters.train_layer_norms=false"]
    more = ["--training.patience=2", "--optimizer.ema_decay=0.9", "--training.validate_every=50%"]
    assert run_command(main, [*places, *own_rows, *more, "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "training.validate_every 50% is 4 steps" in said
    assert said[-3:-1] == [
        "best by mean: each task keeps its own best step; "
        "the run ends after 2 without a better one",
        "exported: averages of what trains, decay 0.9",
    ]


def test_what_cannot_work_is_refused_as_it_would_be(small_dataset, tmp_path, capsys):
    arguments = [f"--dataset={small_dataset}", f"--run={tmp_path / 'run'}", *SETTINGS]
    assert run_command(main, [*arguments, "--dry-run", "--training.best_metric=f2"]) == 2
    assert "training.best_metric 'f2' is unknown" in capsys.readouterr().err


def test_what_is_gone_on_from_is_a_checkpoint_that_is_whole(small_dataset, tmp_path, capsys):
    arguments = [f"--dataset={small_dataset}", f"--run={tmp_path / 'run'}", *SETTINGS]
    folder = create_run(resolve_run(read_arguments(arguments))[0]) / "checkpoints"
    folder.mkdir()
    for ending in ("index", "data-00000-of-00001"):
        (folder / f"ckpt-4.{ending}").write_bytes(b"cut off")
    assert run_command(main, [*arguments, "--dry-run"]) == 1
    said = capsys.readouterr()
    assert "ckpt-4 is damaged and not taken" in said.out
    assert "none of the 1 checkpoints" in said.err
