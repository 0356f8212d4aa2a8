"""How often each task of a mixture is drawn, and how often its examples are then seen.

Shape letters: K tasks.
"""

from collections.abc import Sequence

import numpy as np

from prep.errors import UsageError


def task_probabilities(
    sizes: Sequence[int], temperature: float = 1.0, cap: int | None = None
) -> np.ndarray:
    """Compute how often each task is drawn: p proportional to min(size, cap)^(1 / temperature).

    Raffel et al. 2020 (arXiv 1910.10683), section 3.5.2: examples-proportional mixing with an
    artificial limit, and temperature scaling.

    Args:
        sizes: Training examples per task, each at least 1.
        temperature: 1 mixes by size; the larger, the closer to equal shares.
        cap: The limit on a task's size, in examples; None for no limit.

    Returns:
        float64 [K], sums to 1.

    Raises:
        UsageError: A temperature or cap that is not positive, or an empty task.
    """
    if not temperature > 0:
        raise UsageError(f"temperature must be above 0, got {temperature}")
    if cap is not None and cap < 1:
        raise UsageError(f"cap must be 1 example or more, got {cap}")
    if min(sizes) < 1:
        raise UsageError(f"every task needs at least one training example, got sizes {list(sizes)}")
    capped = np.minimum(np.asarray(sizes, np.float64), cap or np.inf)
    # Scaled before the power: a size to a large power would overflow.
    rates = (capped / capped.max()) ** (1.0 / temperature)
    return rates / rates.sum()


def batch_probabilities(
    probabilities: np.ndarray, sizes: Sequence[int], rows: Sequence[int]
) -> np.ndarray:
    """Turn how often a task's examples are drawn into how often its batches are.

    A packed row holds the more examples the shorter they are: by its probability alone, a task
    of short examples would be seen many times as often as one of long ones.

    Args:
        probabilities: float64 [K], from `task_probabilities`.
        sizes: Training examples per task.
        rows: Rows per task that hold them; equal to `sizes` where nothing is packed.

    Returns:
        float64 [K], sums to 1: examples are drawn by `probabilities` in all batches together.
    """
    if list(rows) == list(sizes):
        return probabilities
    scaled = probabilities * np.asarray(rows, np.float64) / np.asarray(sizes, np.float64)
    return scaled / scaled.sum()


def expected_epochs(
    rows: Sequence[int], probabilities: np.ndarray, steps: int, batch_size: int
) -> np.ndarray:
    """Compute how often each task's examples are seen, on average, when every batch is one task's.

    Args:
        rows: Training rows per task, each at least 1: examples, unless rows are packed.
        probabilities: float64 [K], of a batch, from `batch_probabilities`.
        steps: Batches drawn.
        batch_size: Rows per batch.

    Returns:
        float64 [K], in epochs: steps · p · batch size / rows.

    Raises:
        UsageError: If there are no steps, or batches without examples.
    """
    if steps < 1:
        raise UsageError(f"steps must be 1 or more, got {steps}")
    if batch_size < 1:
        raise UsageError(f"batch size must be 1 example or more, got {batch_size}")
    return steps * probabilities * batch_size / np.asarray(rows, np.float64)
