"""Find the largest batch that fits, with few compilations: each takes minutes."""

from __future__ import annotations

from collections.abc import Callable

LARGEST = 4096  # rows of a replica


def batch_sizes() -> list[int]:
    """List the sizes that are tried: 1, 2, 3, 4, 6, 8, 12, … rows of a replica."""
    sizes = [1]
    power = 2
    while power <= LARGEST:
        sizes += [power, power * 3 // 2]
        power *= 2
    return [size for size in sizes if size <= LARGEST]


def find_largest(fits: Callable[[int], tuple[bool, float]], first: int) -> int:
    """Find the largest size of `batch_sizes` that fits.

    Args:
        fits: Of a size: whether it fits, and the share of the memory that it takes; larger batches
            take more.
        first: Where to begin.

    Returns:
        The size; 0 where not even one row fits.
    """
    sizes = batch_sizes()
    low, high = -1, len(sizes)  # the last that is known to fit, the first that does not
    place = max(number for number, size in enumerate(sizes) if size <= max(first, 1))
    tried: list[tuple[int, float]] = []
    while high - low > 1:
        is_fitting, share = fits(sizes[place])
        tried.append((sizes[place], share))
        if is_fitting:
            low = place
        else:
            high = place
        guess = _extrapolate(tried)
        between = range(low + 1, high)
        below = [number for number in between if sizes[number] <= guess]
        place = max(below, default=min(between, default=0))
    return sizes[low] if low >= 0 else 0


def _extrapolate(tried: list[tuple[int, float]]) -> float:
    """Guess the size that would take all of the memory: it grows with the rows of a batch."""
    (size, share), *others = reversed(tried)
    for other, its_share in others:
        if other != size and its_share != share:
            return size + (1 - share) * (other - size) / (its_share - share)
    return size / max(share, 1e-6)
