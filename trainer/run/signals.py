"""What happens on SIGTERM and Ctrl-C: the request to stop is noted, and the loop ends in order.

Between two steps the checkpoint callback sees the request, saves, and stops the training; the same
command then goes on from there.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

LISTENED = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Listens for requests to stop, from `listen` to `close`.

    A second Ctrl-C ends the program at once.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """Take the signals over."""
        for number in LISTENED:
            self._previous[number] = signal.signal(number, self._note)

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)
