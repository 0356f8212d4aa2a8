"""Which of several worker processes this one is, as `TF_CONFIG` says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from adapters_tf.errors import ConfigurationError

VARIABLE = "TF_CONFIG"
_ABORTED = "ollective ops is aborted"  # of TensorFlow's lines, the one that says why
_JOBS = ("chief", "worker")  # in the order that TensorFlow counts them in


@dataclass(frozen=True)
class Worker:
    """One of several processes that train or score one run together.

    Attributes:
        number: Its own, from 0; the first is the chief, which writes.
        count: How many there are, 2 or more.
    """

    number: int
    count: int

    @property
    def is_chief(self) -> bool:
        """Tell whether this is the one that writes."""
        return self.number == 0


def read_worker(environment: Mapping[str, str] | None = None) -> Worker | None:
    """Read which worker this process is.

    Args:
        environment: Variables by name; by default the process's own.

    Returns:
        The worker; None where the process works by itself.

    Raises:
        ConfigurationError: The variable says something that cannot be.
    """
    text = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        value = json.loads(text)
        cluster, task = value.get("cluster", {}), value.get("task", {})
        sizes = {job: len(addresses) for job, addresses in cluster.items()}
        job, number = task.get("type", ""), int(task.get("index", -1))
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            f'{VARIABLE} is no JSON of the form {{"cluster": {{"worker": ["host:port", …]}}, '
            f'"task": {{"type": "worker", "index": 0}}}}: {text[:80]!r}'
        ) from None
    if odd := sorted(sizes.keys() - set(_JOBS)):
        raise ConfigurationError(
            f"{VARIABLE} names jobs of {', '.join(odd)}; there are workers only, and a chief"
        )
    if sum(sizes.values()) <= 1:
        return None
    if not 0 <= number < sizes.get(job, 0):
        raise ConfigurationError(
            f"{VARIABLE} says that this is {job or 'no job'} {number}, and its cluster has "
            + ", ".join(f"{size} of {name}" for name, size in sizes.items())
        )
    before = sizes.get("chief", 0) if job == "worker" else 0
    return Worker(before + number, sum(sizes.values()))


def refuse_workers(what: str) -> None:
    """Refuse `TF_CONFIG` where one process does it all.

    Args:
        what: The command, for the message.

    Raises:
        ConfigurationError: It is set, and names several workers.
    """
    if read_worker() is not None:
        raise ConfigurationError(f"{VARIABLE} is set, and {what} is done by one process; unset it")


@contextlib.contextmanager
def awaiting_others(worker: Worker, say: Callable[[str], None]) -> Iterator[None]:
    """Say that workers are waited for, and let Ctrl-C end the program meanwhile.

    TensorFlow waits in code that lets no Python run, neither a handler nor another thread, and
    takes SIGTERM for itself.

    Args:
        worker: This one.
        say: Called with a line.
    """
    name = f"worker {worker.number} of {worker.count}"
    say(f"{name}: waiting for the others; nothing is begun yet, and Ctrl-C ends it")
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def reason_of_loss(message: str) -> str:
    """Find in what TensorFlow says of a lost worker the line that says why.

    Args:
        message: TensorFlow's, of many lines.

    Returns:
        At most 200 characters.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return next((line for line in lines if _ABORTED in line), lines[-1] if lines else "")[:200]
