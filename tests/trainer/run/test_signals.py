"""Requests to stop are noted, and the signals given back."""

import os
import signal
from contextlib import closing

import pytest

from trainer.run.signals import LISTENED, StopSignals


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in LISTENED}
    yield before
    assert {number: signal.getsignal(number) for number in LISTENED} == before


@pytest.mark.parametrize("number", LISTENED)
def test_a_signal_is_noted_and_told_and_does_nothing_else(number, capfd):
    with closing(StopSignals()) as signals:
        signals.listen()
        assert signals.received is None
        os.kill(os.getpid(), number)
        assert signals.received == number.name
    told = f"\n{number.name}: stopping; Ctrl-C again ends at once\n"
    assert capfd.readouterr() == ("", told)


def test_a_second_ctrl_c_ends_at_once():
    with pytest.raises(KeyboardInterrupt), closing(StopSignals()) as signals:
        signals.listen()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_closing_twice_or_unopened_changes_nothing():
    signals = StopSignals()
    signals.close()
    signals.listen()
    signals.close()
    signals.close()
