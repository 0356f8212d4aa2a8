"""Which of several worker processes this one is, as `TF_CONFIG` says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from adapters_tf.runs.sections import DistributionConfig
from prep import UsageError

VARIABLE = "TF_CONFIG"
_JOBS = ("chief", "worker")  # in the order that TensorFlow counts them in


@dataclass(frozen=True)
class Worker:
    """One of several processes that train one run together.

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
        The worker; None where the process trains by itself.

    Raises:
        UsageError: The variable says something that cannot be.
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
        raise UsageError(
            f'{VARIABLE} is no JSON of the form {{"cluster": {{"worker": ["host:port", …]}}, '
            f'"task": {{"type": "worker", "index": 0}}}}: {text[:80]!r}'
        ) from None
    if odd := sorted(sizes.keys() - set(_JOBS)):
        raise UsageError(
            f"{VARIABLE} names jobs of {', '.join(odd)}; training has workers only, and a chief"
        )
    if sum(sizes.values()) <= 1:
        return None
    if not 0 <= number < sizes.get(job, 0):
        raise UsageError(
            f"{VARIABLE} says that this is {job or 'no job'} {number}, and its cluster has "
            + ", ".join(f"{size} of {name}" for name, size in sizes.items())
        )
    before = sizes.get("chief", 0) if job == "worker" else 0
    return Worker(before + number, sum(sizes.values()))


def check_workers(distribution: DistributionConfig) -> None:
    """Refuse what several workers cannot do.

    Args:
        distribution: What the run is spread over.

    Raises:
        UsageError: Naming it.
    """
    if read_worker() is None:
        return
    if distribution.kind == "tpu":
        raise UsageError(
            f"{VARIABLE} is set, and distribution.kind is tpu: a TPU's hosts are no workers of it; "
            "unset it to train on this host's TPU (docs/tpu.md)"
        )
    if distribution.logical_devices > 1:
        raise UsageError(
            f"{VARIABLE} is set: a worker is one replica, or one for each GPU; leave out "
            "distribution.logical_devices"
        )


def refuse_workers(what: str) -> None:
    """Refuse `TF_CONFIG` where one process does it all.

    Args:
        what: The command, for the message.

    Raises:
        UsageError: It is set, and names several workers.
    """
    if read_worker() is not None:
        raise UsageError(f"{VARIABLE} is set, and {what} is done by one process; unset it")
