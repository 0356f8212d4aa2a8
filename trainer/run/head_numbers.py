"""What the targets of a run say of heads that answer with numbers."""

from __future__ import annotations

import numpy as np

from prep import TokenTable
from trainer.batches.mixture_batches import MixtureBatches

_LOOKED_AT = 1000  # examples of each task
_SMALLEST, _LARGEST = 0.02, 20.0  # root mean squares that a head learns as they are


def warn_of_numbers(batches: MixtureBatches) -> list[str]:
    """Say of heads that answer with numbers whose targets are large, small or all the same.

    Args:
        batches: Of the whole run; splits that are not in memory are not looked at.

    Returns:
        A line for each such task.
    """
    lines = []
    for name, table in zip(batches.names, batches.tables, strict=True):
        head = batches.heads.get(name)
        if head is None or not head.is_number or not isinstance(table, TokenTable):
            continue
        numbers = head.labels(table.head(_LOOKED_AT)).astype(np.float64)
        size = float(np.sqrt(np.mean(numbers**2)))
        if len(numbers) > 1 and numbers.min() == numbers.max():
            lines.append(f"note: {name}: all targets are {numbers[0]:g}: there is nothing to learn")
        elif not _SMALLEST <= size <= _LARGEST:
            lines.append(
                f"note: {name}: targets are of about {size:.1g}, and a head's loss is their "
                "squared error, "
                + ("beside which other tasks' are lost" if size > 1 else "which is next to nothing")
                + "; numbers of about 1 to 10 are learned best"
            )
    return lines
