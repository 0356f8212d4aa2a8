"""A program that is told to stop has saved within ten seconds, whatever it was doing."""

import json
import signal
import time

import pytest

from tests.trainer.test_fit import spawn, wait_for_checkpoint
from trainer.callbacks.checkpoints import PROMPT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("steps", [4, 8], ids=["in the last validation", "between two"])
def test_a_validation_in_progress_is_left(small_dataset, tmp_path, steps):
    """Of all examples it takes longer than that; the steps before it are saved."""
    run = tmp_path / "run"
    few = (f"--training.steps={steps}", "--training.validate_every=4", "--data.batch_size=2")
    everything = ("--training.validation_examples=0", "--training.checkpoint_every=100")
    log = "--training.log_every=2"
    process = spawn(small_dataset, run, *few, *everything, log)
    wait_for_checkpoint(run, process, 4)
    time.sleep(1.0)  # into the validation
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=300)
    assert time.monotonic() - began < PROMPT
    assert process.returncode == 3, said
    assert "SIGTERM: the validation at step 4, which is saved, was left; the same command" in said
    kinds = [json.loads(line)["kind"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert kinds == ["train", "train"] and not (run / "best.json").exists()
