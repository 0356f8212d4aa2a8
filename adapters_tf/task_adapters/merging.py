"""Several tasks' adapters made into one: weighted mean, TIES and DARE.

Each tensor is merged by itself, over the tasks. Weights w_k are the tasks' shares.

    mean   Σ w_k x_k / Σ w_k
    ties   keep of each x_k its largest entries; per entry take the sign that has more mass; then
           the weighted mean of the entries that have it (Yadav et al. 2023, arXiv 2306.01708)
    dare   drop entries of each x_k at random, scale the rest by 1 / density, then the mean (Yu
           et al. 2024, arXiv 2311.03099)
    dare_ties   the same, then the election and mean of TIES

TIES and DARE speak of what training changed. LoRA's B, for one, starts at zero, so it is its own
change; what starts elsewhere, such as the ones of (IA)³, is merged as its distance from `start`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from adapters_tf.errors import ConfigurationError, WeightsError, suggest

Tensors = Mapping[str, np.ndarray]
MERGERS = ("mean", "ties", "dare", "dare_ties")


def merge_tasks(
    adapters: Mapping[str, Tensors],
    how: str = "mean",
    *,
    weights: Sequence[float] | None = None,
    density: float = 0.2,
    start: Tensors | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Merge the adapters of several tasks.

    Args:
        adapters: By task, tensors by module path, as `task_tensors` gives them.
        how: One of `MERGERS`.
        weights: One per task; equal ones by default.
        density: The share of entries that TIES and DARE keep, above 0 up to 1.
        start: What training started from, by module path; zero where it says nothing.
        seed: Of what DARE drops.

    Returns:
        float32 tensors by module path.

    Raises:
        ConfigurationError: An unknown way, no adapters, or weights or a density that cannot be.
        WeightsError: The adapters differ in their tensors' names or shapes.
    """
    _check(adapters, how, weights, density)
    start = start or {}
    shares = np.ones(len(adapters)) if weights is None else np.asarray(weights, np.float64)
    merged = {}
    first, *others = adapters.values()
    for path in first:
        if others and all(np.array_equal(first[path], other[path]) for other in others):
            merged[path] = np.asarray(first[path], np.float32)  # what tasks share is no change
            continue
        base = np.asarray(start.get(path, 0.0), np.float64)
        changes = np.stack([tensors[path] - base for tensors in adapters.values()])
        if how.startswith("dare"):
            random = np.random.default_rng([seed, zlib.crc32(path.encode())])
            changes = drop_and_rescale(changes, density, random)
        if how == "ties":
            changes = keep_largest(changes, density)
        combine = elect_and_average if how.endswith("ties") else average
        merged[path] = (base + combine(changes, shares)).astype(np.float32)
    return merged


def average(changes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Take the weighted mean over tasks.

    Args:
        changes: float [tasks, …].
        shares: float [tasks].

    Returns:
        float […].
    """
    return np.tensordot(shares / shares.sum(), changes, 1)


def keep_largest(changes: np.ndarray, density: float) -> np.ndarray:
    """Zero all but the largest entries of each task's tensor.

    Args:
        changes: float [tasks, …].
        density: The share of entries kept; at least one is.

    Returns:
        float [tasks, …].
    """
    flat = np.abs(changes.reshape(len(changes), -1))
    kept = max(1, round(density * flat.shape[1]))
    order = np.argsort(-flat, axis=1, kind="stable")[:, :kept]
    mask = np.zeros(flat.shape, bool)
    np.put_along_axis(mask, order, True, axis=1)
    return changes * mask.reshape(changes.shape)


def drop_and_rescale(
    changes: np.ndarray, density: float, random: np.random.Generator
) -> np.ndarray:
    """Zero entries at random and scale the rest, so that the expectation stays.

    Args:
        changes: float [tasks, …].
        density: The share of entries kept.
        random: Decides which.

    Returns:
        float [tasks, …].
    """
    return changes * (random.random(changes.shape) < density) / density


def elect_and_average(changes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Take, per entry, the weighted mean over the tasks that agree with the sign of the sum.

    Args:
        changes: float [tasks, …].
        shares: float [tasks].

    Returns:
        float […]; zero where no task has a say.
    """
    weighted = changes * shares.reshape(-1, *[1] * (changes.ndim - 1))
    sign = np.sign(weighted.sum(0))
    agrees = (np.sign(changes) == sign) & (changes != 0)
    mass = np.where(agrees, shares.reshape(-1, *[1] * (changes.ndim - 1)), 0.0).sum(0)
    total = np.where(agrees, weighted, 0.0).sum(0)
    return np.divide(total, mass, out=np.zeros_like(total), where=mass != 0)


def _check(
    adapters: Mapping[str, Tensors], how: str, weights: Sequence[float] | None, density: float
) -> None:
    if how not in MERGERS:
        raise ConfigurationError(f"there is no way to merge {how!r}; {suggest(how, MERGERS)}")
    if not adapters:
        raise ConfigurationError("there are no adapters to merge")
    if weights is not None and (len(weights) != len(adapters) or sum(weights) <= 0):
        raise ConfigurationError(
            f"{len(adapters)} adapters need as many weights, with a sum above 0;"
            f" got {list(weights)}"
        )
    if not 0.0 < density <= 1.0:
        raise ConfigurationError(f"density must be above 0 and at most 1, got {density}")
    shapes = {
        task: {path: tensor.shape for path, tensor in tensors.items()}
        for task, tensors in adapters.items()
    }
    first = next(iter(shapes))
    for task, found in shapes.items():
        if found != shapes[first]:
            odd = sorted(set(found.items()) ^ set(shapes[first].items()))[0][0]
            raise WeightsError(f"adapters of {first!r} and {task!r} differ in {odd}")
