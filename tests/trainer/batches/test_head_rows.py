"""Numbers that a head can learn."""

from unittest import mock

import numpy as np
import pytest

from prep import DataError
from trainer.batches.head_rows import HeadRows


@pytest.mark.parametrize("number", ["1e300", "-1e20"])
def test_numbers_whose_square_is_none_are_refused(number):
    rows = HeadRows("size", True, 0, mock.Mock(decode=lambda ids: number))
    table = mock.MagicMock(target_ids=lambda row: np.array([3], np.int32))
    table.__len__.return_value = 1
    with pytest.raises(DataError, match=f"the square of the target '{number}'"):
        rows.labels(table)
