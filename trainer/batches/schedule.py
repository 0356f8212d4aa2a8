"""The task of every batch, as arithmetic: a stateless function of (seed, batch number).

Where batches mix tasks, what is said here of batches holds for single rows.

Every host computes the same schedule without talking, and a run resumed at batch n needs no saved
iterator: its position in each task's epoch follows by counting. How often each task comes up is
the matter of `prep.dataset.mixing`.

Shape letters: K tasks.
"""

from __future__ import annotations

import numpy as np


def uniform(seed: int, numbers: np.ndarray) -> np.ndarray:
    """Hash (seed, number) to a number in [0, 1).

    The finalizer of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators"), whose increments are odd multiples of the golden ratio.

    Args:
        seed: Of the run.
        numbers: int64 [N], such as batch numbers.

    Returns:
        float64 [N].
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        start = _mix(np.asarray([seed], np.int64).astype(np.uint64) * golden + golden)
        mixed = _mix(start + (np.asarray(numbers).astype(np.uint64) + np.uint64(1)) * golden)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def task_schedule(seed: int, probabilities: np.ndarray, first: int, last: int) -> np.ndarray:
    """Compute the tasks of batches first, first + 1, …, last - 1.

    Args:
        seed: Of the run.
        probabilities: float64 [K], from `prep.dataset.mixing.task_probabilities`.
        first: The first batch number, from 0.
        last: One past the last batch number.

    Returns:
        int32 [last - first], task indices.
    """
    draws = uniform(seed, np.arange(first, last))
    edges = np.cumsum(probabilities)
    indices = np.searchsorted(edges, draws, side="right")
    # Rounding may leave the last edge a hair under 1.
    return np.minimum(indices, len(probabilities) - 1).astype(np.int32)


def round_schedule(seed: int, tasks: int, first: int, last: int) -> np.ndarray:
    """Compute the tasks of batches first, …, last - 1, where all tasks come up in every round.

    Args:
        seed: Of the run; with the round's number it decides the order within the round.
        tasks: K, how many.
        first: The first batch number, from 0.
        last: One past the last batch number.

    Returns:
        int32 [last - first], task indices.
    """
    rounds = np.arange(first // tasks, -(-last // tasks))
    draws = uniform(seed, rounds[:, None] * tasks + np.arange(tasks))
    order = np.argsort(draws, axis=1, kind="stable").astype(np.int32).ravel()
    skipped = first - rounds[0] * tasks if len(rounds) else 0
    return order[skipped : skipped + last - first]
