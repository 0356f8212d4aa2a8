"""What can go wrong between a client and a bucket, on order."""

import re
import threading
from dataclasses import dataclass

FOREVER = 1 << 60


@dataclass
class Fault:
    """One kind of trouble for the requests that match.

    Attributes:
        match: Regular expression searched for in "METHOD /path?query".
        count: Requests to spoil.
        skip: Matching requests to let pass first.
        status: Answer with this status without doing anything.
        message: The message that comes with the status.
        reset_after: Take so many bytes of the request's body, then reset the connection.
        lose_response: Do what was asked, then reset the connection instead of answering.
        truncate_response: Send half of the body and close.
        flip_response: Flip a bit of the body on its way to the client.
        flip_request: Flip a bit of the body on its way from the client.
        delay: Seconds to wait before answering.
    """

    match: str
    count: int = 1
    skip: int = 0
    status: int = 0
    message: str = "injected fault"
    reset_after: int | None = None
    lose_response: bool = False
    truncate_response: bool = False
    flip_response: bool = False
    flip_request: bool = False
    delay: float = 0.0


class FaultPlan:
    """The faults in force, taken one per request in the order they were added."""

    def __init__(self):
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.injected = 0

    def add(self, match, **attributes):
        with self._lock:
            self._faults.append(Fault(match, **attributes))

    def clear(self):
        with self._lock:
            self._faults.clear()
            self.injected = 0

    def take(self, request_line):
        """The fault this request meets, or None."""
        with self._lock:
            for fault in self._faults:
                if fault.count > 0 and re.search(fault.match, request_line):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.count -= 1
                    self.injected += 1
                    return fault
        return None


def flip_bit(content):
    """Flips one bit in the middle; empty content stays as it is."""
    if not content:
        return content
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
