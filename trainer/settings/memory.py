"""How much memory the training splits may take, and which of them are read whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from adapters_tf.runs.sections import DataConfig
from prep import Manifest, UsageError
from prep.dataset.sharded_split import shard_sizes

AUTO = "auto"
SETTING = "data.memory_limit"
_PART = 4  # of the machine's memory: one of so many
_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{unit}B": 1000**power for power, unit in enumerate("KMGT", 1)}
_UNITS |= {f"{unit}IB": 1024**power for power, unit in enumerate("KMGT", 1)}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([A-Z]*)")
# What a container may use: of version 2 and 1 of control groups.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def parse_limit(limit: int | str) -> int:
    """Read a limit as a person writes it.

    Args:
        limit: Bytes, a size such as 2GB, or `auto`.

    Returns:
        Bytes, 1 or more; of `auto` a quarter of the machine's memory.

    Raises:
        UsageError: It is none of these.
    """
    if limit == AUTO:
        return machine_memory() // _PART
    matched = _SIZE.fullmatch(str(limit).strip().upper())
    if matched and matched[2] in _UNITS:
        size = int(float(matched[1]) * _UNITS[matched[2]])
        if size > 0:
            return size
    raise UsageError(
        f"{SETTING} is {limit!r}; expected bytes, a size such as 2GB or 512MiB, or {AUTO}"
    )


def machine_memory() -> int:
    """Read how many bytes of memory this machine has, or the container that it is."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in _LIMITS:
        try:
            found.append(int(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):  # no such group, or no limit: "max"
            continue
    return min(found)


def resolve_limit(data: DataConfig, tasks: tuple[str, ...], manifest: Manifest) -> int:
    """Find out whether the training splits are read whole.

    Args:
        data: The batches, as a person wrote them.
        tasks: Of the run.
        manifest: Of its dataset.

    Returns:
        0 where they are; the limit in bytes where together they would take more.

    Raises:
        UsageError: No such limit, or a task without the split.
    """
    limit = parse_limit(data.memory_limit)
    needs = memory_needs(tasks, manifest, data.train_split)
    return limit if sum(needs.values()) > limit else 0


def memory_needs(tasks: tuple[str, ...], manifest: Manifest, split: str) -> dict[str, int]:
    """Compute what the splits of tasks would take in memory.

    Args:
        tasks: Their names.
        manifest: Of their dataset.
        split: Such as `train`.

    Returns:
        Bytes by task.

    Raises:
        UsageError: A task has no such split.
    """
    return {task: int(shard_sizes(manifest, task, split).sum()) for task in tasks}


def share_limit(limit: int, needs: Mapping[str, int]) -> dict[str, int]:
    """Share the memory out: equal parts, and what a task does not need goes to the others.

    Args:
        limit: Bytes, 0 for no limit.
        needs: Bytes by task.

    Returns:
        Bytes by task; what it needs, where it is read whole.
    """
    if not limit:
        return dict(needs)
    given, left = {}, limit
    for number, task in enumerate(sorted(needs, key=lambda task: needs[task])):
        given[task] = min(needs[task], left // (len(needs) - number))
        left -= given[task]
    return {task: given[task] for task in needs}


def check_limit(data: DataConfig, tasks: tuple[str, ...], manifest: Manifest) -> None:
    """Refuse a limit within which no shard can be visited while the next one is read.

    Args:
        data: The batches, resolved: the limit in bytes, or 0 for none, and the lanes that share it.
        tasks: Of the run.
        manifest: Of its dataset.

    Raises:
        UsageError: Naming the task, and the least limit that would do.
    """
    limit, split = data.memory_limit, data.train_split
    if not isinstance(limit, int):
        return
    needs = memory_needs(tasks, manifest, split)
    least = {
        task: min(need, 2 * data.lanes * int(shard_sizes(manifest, task, split).max(initial=0)))
        for task, need in needs.items()
    }
    lanes = f" for each of {data.lanes} lanes" * (data.lanes > 1)
    for task, given in share_limit(limit, needs).items():
        if given < least[task]:
            raise UsageError(
                f"{SETTING} is {limit:,} bytes, of which {task} gets {given:,} and needs "
                f"{least[task]:,}, for two of its largest shards{lanes}; "
                f"{len(tasks) * max(least.values()):,} do for all tasks"
            )
