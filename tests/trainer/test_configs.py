"""Every config does what its head says, for two steps of a small model on rows of its format."""

import json
from pathlib import Path

import pytest

from prep import run_command
from trainer.__main__ import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
# The demo's are run by tests/trainer/test_demo.py: they build on each other.
CONFIGS = sorted(
    path for path in (ROOT / "configs").rglob("*.yaml") if not path.name.startswith("demo-")
)


@pytest.fixture(scope="module")
def unvalidated(small_dataset, without_validation, tmp_path_factory):
    """The small dataset without a split to validate on: of a step each run has a program anyway."""
    return without_validation(small_dataset, tmp_path_factory.mktemp("unvalidated") / "dataset")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_it_trains(config, unvalidated, tmp_path, capsys):
    head = [line for line in config.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    assert any(f"--config {config.relative_to(ROOT)}" in line for line in head)
    assert any("Expected: " in line for line in head)
    arguments = [
        f"--config={config}",
        f"--dataset={unvalidated}",
        f"--run={tmp_path / 'run'}",
        "--model.backbone=t5-tiny",
        f"--model.overrides={json.dumps(SMALL)}",
        "--data.batch_size=4",
        "--data.input_length=32",
        "--data.target_length=8",
        "--training.epochs=0",
        "--training.steps=2",
        "--training.precision=float32",
        "--training.best_metric=mean",
    ]
    if "tasks_per_step" in config.read_text(encoding="utf-8"):
        arguments.append("--training.tasks_per_step=3")
    assert run_command(main, arguments) == 0, capsys.readouterr().err
    assert "done: step 2" in capsys.readouterr().out
