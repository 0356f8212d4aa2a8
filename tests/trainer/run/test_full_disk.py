"""A full disk is waited for: nothing is lost, nothing is written twice."""

import errno
import json

import pytest

from prep import DataError
from trainer.run import full_disk
from trainer.run.full_disk import FullDiskError, SpaceWait
from trainer.run.metrics_log import MetricsLog


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping moves."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            assert seconds > 0
            self.now += seconds

    found = Clock()
    monkeypatch.setattr(full_disk, "time", found)
    return found


def refuse(times, error):
    """An action that is refused some times, and then done."""
    left = [times]

    def act():
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return act


FULL = (FullDiskError("disk full: step 5"), OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize("error", FULL)
def test_it_says_so_once_a_minute_and_goes_on(clock, error):
    said = []
    assert SpaceWait(600, said.append)(refuse(20, error)) == "done"
    assert clock.now == 100.0
    assert [line.split(" (")[0] for line in said] == [
        "disk full: waiting for room, 600 more seconds",
        "disk full: waiting for room, 540 more seconds",
        "there is room again: training goes on",
    ]


@pytest.mark.parametrize("error", FULL)
def test_after_the_time_it_is_the_error_it_was(clock, error):
    with pytest.raises(type(error)) as found:
        SpaceWait(12)(refuse(99, error))
    assert found.value is error and clock.now == 12.0
    with pytest.raises(type(error)):
        SpaceWait()(refuse(1, error))
    assert clock.now == 12.0


def test_other_errors_are_not_waited_for(clock):
    for error in (DataError("no"), OSError(errno.EACCES, "no")):
        with pytest.raises(type(error)):
            SpaceWait(600)(refuse(1, error))
    assert clock.now == 0.0


def test_a_line_that_was_cut_off_is_written_whole(clock, tmp_path, monkeypatch):
    log = MetricsLog(tmp_path, 0, SpaceWait(60))
    log.write("train", 1, {"loss": 1.0})
    opened = type(tmp_path).open
    refused = []

    class HalfWritten:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.stream.close()

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def write(self, text):
            if not refused:
                refused.append(text)
                self.stream.write(text[: len(text) // 2])
                self.stream.flush()
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.stream.write(text)

    monkeypatch.setattr(
        type(tmp_path), "open", lambda path, *mode, **more: HalfWritten(opened(path, *mode, **more))
    )
    log.write("train", 2, {"loss": 0.5})
    monkeypatch.undo()
    assert refused
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
