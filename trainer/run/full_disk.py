"""A disk that is full is waited for, if the run may wait: somebody may make room."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from prep import DataError

_EVERY = 60.0  # seconds between lines
_TRY_EVERY = 5.0  # seconds between tries
_FULL = (errno.ENOSPC, errno.EDQUOT)

Result = TypeVar("Result")


class FullDiskError(DataError):
    """There is no room for what a run writes."""


class SpaceWait:
    """Tries again what a full disk refused, until there is room or the time is up.

    Args:
        seconds: How long to wait; 0 for not at all.
        report: Called with a line when the wait begins, one a minute, and one when it ends.
    """

    def __init__(self, seconds: float = 0.0, report: Callable[[str], None] = lambda line: None):
        self.seconds, self.report = seconds, report

    def __call__(self, act: Callable[[], Result]) -> Result:
        """Act, and where the disk is full, again and again.

        Args:
            act: Leaves nothing half done where it raises.

        Returns:
            What it returns.

        Raises:
            FullDiskError: The time is up; an `OSError` likewise.
        """
        began = last_said = time.monotonic()
        is_waiting = False
        while True:
            try:
                result = act()
            except (FullDiskError, OSError) as error:
                now = time.monotonic()
                is_full = isinstance(error, FullDiskError) or error.errno in _FULL
                if not is_full or now - began >= self.seconds:
                    raise
                if not is_waiting or now - last_said >= _EVERY:
                    left = self.seconds - (now - began)
                    self.report(f"disk full: waiting for room, {left:.0f} more seconds ({error})")
                    last_said, is_waiting = now, True
                time.sleep(min(_TRY_EVERY, self.seconds - (now - began)))
            else:
                if is_waiting:
                    self.report("there is room again: training goes on")
                return result
