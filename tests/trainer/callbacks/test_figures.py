"""Training losses per task, the speed and the padding."""

import types

import numpy as np
import pytest

from trainer.callbacks import figures
from trainer.callbacks.figures import FiguresCallback, format_seconds
from trainer.callbacks.step_callback import Span


class Log:
    """Keeps what it is to write."""

    def __init__(self):
        self.lines = []

    def write(self, kind, step, values):
        self.lines.append((kind, step, values))


class Losses:
    """Hands out figures in turn, as `TaskLosses.read` does."""

    def __init__(self, *readings):
        self.readings = list(readings)

    def read(self):
        return tuple(np.array(values, np.float32) for values in self.readings.pop(0))


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(figures.time, "monotonic", lambda: clock.now)
    return clock


def callback_of(losses, span, names=("rte", "cola"), skipped=(0, 0)):
    log, said = Log(), []
    callback = FiguresCallback(Span(*span), log, said.append)
    task_model = types.SimpleNamespace(task_names=names)
    callback.set_model(
        types.SimpleNamespace(
            task_losses=losses,
            task_model=task_model,
            balancing=None,
            optimizer=types.SimpleNamespace(norms=None),
            skipped_steps=types.SimpleNamespace(read=lambda: np.array(skipped)),
            positions=types.SimpleNamespace(read=lambda: (6000.0, 8000.0)),
        )
    )
    return callback, log, said


def test_losses_are_means_over_tokens_and_tasks_that_came_up(clock):
    callback, log, said = callback_of(Losses(([6.0, 0.0], [12.0, 0.0])), (0, 40, 10))
    clock.now += 4.0
    callback.act(10)
    ((kind, step, values),) = log.lines
    assert (kind, step) == ("train", 10)
    assert values == {
        "loss": 0.5,
        "rte/loss": 0.5,
        "steps_per_second": 2.5,
        "real_tokens_per_second": 1500.0,
        "real_share": 0.75,
    }
    assert said == [
        "step 10/40  loss 0.500  (rte 0.500)  2.5 steps/s  1,500 tokens/s (75% real)  0:12 left"
    ]


def test_the_mean_over_tasks_is_by_tokens(clock):
    callback, log, _ = callback_of(Losses(([6.0, 4.0], [12.0, 1.0])), (0, 1, 1))
    clock.now += 1.0
    callback.act(1)
    values = log.lines[0][2]
    assert values["loss"] == pytest.approx(10 / 13)
    assert (values["rte/loss"], values["cola/loss"]) == (0.5, 4.0)


def test_speed_is_that_since_the_last_line_and_time_left_that_of_this_part(clock):
    losses = Losses(([1.0, 1.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, 1.0]))
    callback, log, said = callback_of(losses, (100, 130, 10))
    clock.now += 10.0
    callback.act(110)
    clock.now += 5.0
    callback.act(120)
    assert [values["steps_per_second"] for *_, values in log.lines] == [1.0, 2.0]
    assert said[0].endswith("0:20 left") and said[1].endswith("0:07 left")


def test_in_a_terminal_the_bar_shows_them_in_place_of_a_line(clock):
    callback, log, said = callback_of(Losses(([6.0, 0.0], [12.0, 0.0])), (0, 40, 10))
    shown = []
    callback.bar = types.SimpleNamespace(show=lambda *figures: shown.append(figures))
    clock.now += 2.0
    callback.act(10)
    assert shown == [(0.5, 3000.0, 0.75)] and not said
    assert log.lines[0][2]["real_tokens_per_second"] == 3000.0


def test_padding_alone_has_no_loss(clock):
    callback, log, said = callback_of(Losses(([0.0, 0.0], [0.0, 0.0])), (0, 2, 1))
    clock.now += 1.0
    callback.act(1)
    assert log.lines[0][2]["loss"] == 0.0 and "()" in said[0]


def test_skipped_steps_are_said_and_logged_by_task(clock):
    callback, log, said = callback_of(
        Losses(([6.0, 0.0], [12.0, 0.0])), (0, 40, 10), skipped=(1, 3)
    )
    clock.now += 1.0
    callback.act(10)
    values = log.lines[0][2]
    assert (values["rte/loss"], values["loss"]) == (0.5, 0.5) and "cola/loss" not in values
    assert (values["rte/skipped_steps"], values["cola/skipped_steps"]) == (1, 3)
    assert said[1:] == [
        "skipped 1 step of rte: loss or gradient not finite",
        "skipped 3 steps of cola: loss or gradient not finite",
    ]


def test_where_all_were_skipped_there_is_no_loss_of_nought(clock):
    callback, log, _ = callback_of(Losses(([0.0, 0.0], [0.0, 0.0])), (0, 2, 1), skipped=(0, 1))
    clock.now += 1.0
    callback.act(1)
    assert np.isnan(log.lines[0][2]["loss"])


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0:00"), (61.9, "1:01"), (3600.0, "60:00")])
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_time_of_validations_is_no_time_of_steps(clock):
    callback, log, _ = callback_of(
        Losses(([6.0, 0.0], [12.0, 0.0]), ([6.0, 0.0], [12.0, 0.0])), (0, 40, 10)
    )
    spent = types.SimpleNamespace(seconds=0.0)
    callback.validated = lambda: spent.seconds
    clock.now += 4.0
    callback.act(10)
    clock.now, spent.seconds = clock.now + 9.0, 5.0
    callback.act(20)
    rates = [(one["steps_per_second"], one["real_tokens_per_second"]) for _, _, one in log.lines]
    assert rates == [(2.5, 1500.0), (2.5, 1500.0)]
