import numpy as np
import pytest

from prep.dataset.mixing import batch_probabilities, expected_epochs, task_probabilities
from prep.errors import UsageError


def test_probabilities_by_hand():
    np.testing.assert_allclose(task_probabilities([100, 300]), [0.25, 0.75])
    np.testing.assert_allclose(task_probabilities([100, 300], cap=100), [0.5, 0.5])
    np.testing.assert_allclose(task_probabilities([100, 1600], temperature=4.0), [1 / 3, 2 / 3])
    np.testing.assert_allclose(
        task_probabilities([1, 10**12], temperature=1e6), [0.5, 0.5], atol=1e-4
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], 0.0), "temperature must be above 0"),
        (([1, 2], 1.0, 0), "cap must be 1 example or more"),
        (([1, 0],), "at least one training example"),
    ],
)
def test_impossible_mixtures_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        task_probabilities(*arguments)


def test_packed_tasks_keep_their_share_of_the_examples():
    probabilities, sizes, rows = np.array([0.25, 0.75]), [100, 300], [50, 30]
    per_batch = batch_probabilities(probabilities, sizes, rows)
    np.testing.assert_allclose(per_batch, [0.125 / 0.2, 0.075 / 0.2])
    examples = per_batch * np.array([100 / 50, 300 / 30])  # of a batch of one row
    np.testing.assert_allclose(examples / examples.sum(), probabilities)


def test_without_packing_the_schedule_stays_bit_by_bit():
    probabilities = task_probabilities([7, 11, 13], temperature=3.0)
    assert batch_probabilities(probabilities, [7, 11, 13], [7, 11, 13]) is probabilities


def test_epochs_by_hand():
    epochs = expected_epochs([100, 300], np.array([0.25, 0.75]), steps=40, batch_size=10)
    np.testing.assert_allclose(epochs, [1.0, 1.0])
    epochs = expected_epochs([100, 300], np.array([0.5, 0.5]), steps=40, batch_size=10)
    np.testing.assert_allclose(epochs, [2.0, 2 / 3])


@pytest.mark.parametrize(
    ("steps", "batch_size", "message"), [(0, 1, "steps must be 1"), (1, 0, "batch size must be 1")]
)
def test_impossible_runs_are_refused(steps, batch_size, message):
    with pytest.raises(UsageError, match=message):
        expected_epochs([1], np.ones(1), steps, batch_size)
