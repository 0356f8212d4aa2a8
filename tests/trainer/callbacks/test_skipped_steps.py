"""Training stops where too many steps in a row were skipped."""

import types

import numpy as np
import pytest

from trainer.callbacks.skipped_steps import NotFiniteError, SkippedStepsCallback
from trainer.callbacks.step_callback import Span
from trainer.steps.skipped_steps import SkippedInARow


@pytest.fixture
def callback_of():
    def make(row, path="run/checkpoints/ckpt-20"):
        checkpoints = types.SimpleNamespace(last=types.SimpleNamespace(latest_checkpoint=path))
        callback = SkippedStepsCallback(Span(0, 60, 10), checkpoints)
        skipped_steps = types.SimpleNamespace(most=5, read_row=lambda: row)
        task_model = types.SimpleNamespace(task_names=("rte", "cola", "mnli"))
        callback.set_model(
            types.SimpleNamespace(skipped_steps=skipped_steps, task_model=task_model)
        )
        return callback

    return make


def test_steps_tasks_and_the_last_whole_checkpoint_are_named(callback_of):
    callback = callback_of(SkippedInARow(7, np.array([2, 0, 3])))
    with pytest.raises(NotFiniteError) as raised:
        callback.act(30)
    said = str(raised.value)
    assert said.startswith("steps 24 to 28 were all skipped, of rte, mnli: loss or gradient not ")
    assert "the last whole checkpoint is run/checkpoints/ckpt-20. " in said
    assert "training.max_skipped_steps" in said and "\n" not in said
    assert raised.value.exit_code == 1


def test_before_the_first_checkpoint_that_is_said(callback_of):
    with pytest.raises(NotFiniteError, match="there is no checkpoint"):
        callback_of(SkippedInARow(5, np.array([5, 0, 0])), None).act(10)


def test_fewer_stop_nothing(callback_of):
    callback_of(None).act(10)
