"""The stateless schedule."""

import numpy as np

from trainer.batches.schedule import round_schedule, task_schedule, uniform


def test_the_hash_is_splitmix64():
    # The generator's published first outputs for state 0 are the mixes of golden, 2 golden, …
    # Ours starts at mix(seed * golden + golden), so seed 0 follows the generator from there.
    mask, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    assert mix(golden) == 0xE220A8397B1DCDAF  # as in the generator's reference implementation
    expected = [
        (mix((mix(golden) + (n + 1) * golden) & mask) >> 11) / 2**53 for n in (0, 1, 7, 10**9)
    ]
    np.testing.assert_array_equal(uniform(0, np.array([0, 1, 7, 10**9])), expected)


def test_any_part_of_the_schedule_is_the_same_part():
    probabilities = np.array([0.2, 0.3, 0.5])
    whole = task_schedule(5, probabilities, 0, 20_000)
    np.testing.assert_array_equal(task_schedule(5, probabilities, 777, 1_234), whole[777:1_234])
    assert np.any(task_schedule(6, probabilities, 0, 100) != whole[:100])
    shares = np.bincount(whole, minlength=3) / len(whole)
    # Five standard deviations of a share over 20,000 draws are below 0.018.
    np.testing.assert_allclose(shares, probabilities, atol=0.018)


def test_draws_are_spread_evenly_and_not_correlated():
    draws = uniform(1, np.arange(100_000))
    counts, _ = np.histogram(draws, 20, (0, 1))
    chi_square = ((counts - 5000) ** 2 / 5000).sum()
    assert chi_square < 50.8  # the 0.9999 quantile for 19 degrees of freedom
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(draws, uniform(2, np.arange(100_000)))[0, 1]) < 0.02


def test_every_round_has_each_task_once_and_any_part_is_the_same_part():
    whole = round_schedule(3, 5, 0, 103)
    rounds = whole[:100].reshape(20, 5)
    assert all(sorted(one) == list(range(5)) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 10
    for first, last in ((0, 103), (7, 9), (10, 15), (98, 103), (4, 4)):
        np.testing.assert_array_equal(round_schedule(3, 5, first, last), whole[first:last])
    assert np.any(round_schedule(4, 5, 0, 103) != whole)
