"""What happens on SIGTERM and Ctrl-C: the request to stop is noted, and the loop ends in order.

Between two steps the checkpoint callback sees the request, saves, and stops the training; the same
command then goes on from there. A validation in progress is left, and made up for then.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class StopRequested(Exception):  # noqa: N818 — nothing is wrong
    """What takes long, and can be done again, is left: the program was told to stop."""


LISTENED = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Listens for requests to stop, from `listen` to `close`.

    A line on standard error tells that a signal came. A second Ctrl-C ends the program at once.

    Attributes:
        received: The signal's name; None for none.
        any_worker: Tells whether something is so for any of several workers, all of which ask.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self.any_worker: Callable[[bool], bool] = bool
        self._previous: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """Take the signals over, unless they are."""
        if self._previous:
            return
        for number in LISTENED:
            self._previous[number] = signal.signal(number, self._note)

    def asked(self) -> str | None:
        """Name the signal that this worker or another one received; all workers must ask alike."""
        return (self.received or "another worker") if self.any_worker(bool(self.received)) else None

    def check(self) -> None:
        """Leave what is being done where a signal was received.

        Raises:
            StopRequested: It was; whoever can do without the rest catches it.
        """
        if name := self.asked():
            raise StopRequested(name)

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A step and a checkpoint may take a while. Printing is not safe in a handler; this is.
        with contextlib.suppress(OSError):
            os.write(2, f"\n{self.received}: stopping; Ctrl-C again ends at once\n".encode())
