"""A checkpoint every so many steps, and at once on a request to stop."""

import os
import signal
import types

import pytest

from trainer.callbacks.checkpoints import CheckpointCallback
from trainer.callbacks.step_callback import Span
from trainer.run.full_disk import SpaceWait


@pytest.fixture
def saved():
    return []


@pytest.fixture
def callback(saved):
    """A callback of steps 100 to 110, of which every fourth is saved."""
    said = []
    checkpoints = types.SimpleNamespace(save=saved.append, wait=SpaceWait())
    callback = CheckpointCallback(Span(100, 110, 4), checkpoints, said.append)
    callback.set_model(types.SimpleNamespace(stop_training=False))
    callback.said = said
    callback.on_train_begin()
    yield callback
    callback.on_train_end()


def test_multiples_of_the_whole_run_are_saved(callback, saved):
    for batch in range(10):
        callback.on_train_batch_end(batch)
    assert saved == [104, 108, 110]
    assert not callback.model.stop_training and callback.said == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_saves_the_step_that_is_done(callback, saved, number):
    callback.on_train_batch_end(0)
    os.kill(os.getpid(), number)
    assert saved == [] and not callback.model.stop_training  # in the middle of a step
    callback.on_train_batch_end(1)
    assert saved == [102] and callback.model.stop_training
    assert callback.said == [f"{number.name}: saved at step 102; the same command resumes"]


def test_a_request_to_stop_in_the_last_step_stops_nothing(callback, saved):
    os.kill(os.getpid(), signal.SIGTERM)
    callback.on_train_batch_end(9)
    assert saved == [110] and not callback.model.stop_training and callback.said == []


def test_what_takes_long_is_named(callback, saved, monkeypatch):
    """A step of eight seconds, and four to write."""
    clock = iter([0.0, 8.0, 12.0])
    monkeypatch.setattr("trainer.callbacks.checkpoints.time.monotonic", lambda: next(clock))
    callback.on_train_batch_begin(1)
    callback.signals.received = "SIGTERM"
    callback.on_train_batch_end(1)
    assert callback.said == [
        "SIGTERM: saved at step 102, up to 12 seconds late: 8 in training.steps_per_execution "
        "steps and what was due after them, 4 to write; the same command resumes"
    ]


def test_signals_are_given_back(callback):
    callback.on_train_end()
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert callback.signals._note not in handlers
