"""Targets that a head learns badly are told before the first step."""

import re
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from prep import TokenTable
from trainer.run.head_numbers import warn_of_numbers


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1.0, 4.5, 3.0], None),
        ([0.0, 1.0, 0.5], None),
        (
            [3e5, 9e5, 1e5],
            r"of about 6e\+05, and a head's .* squared error, beside which other",
        ),
        ([1e-3, 3e-3], "of about 0.002, .*, which is next to nothing; numbers of about 1 to 10"),
        ([3.0, 3.0], "all targets are 3: there is nothing to learn"),
        ([3.0], None),
    ],
)
def test_targets_of_an_odd_size_are_told(numbers, said):
    table = mock.create_autospec(TokenTable, instance=True)
    table.head.return_value = np.array(numbers, np.float32)
    head = SimpleNamespace(is_number=True, labels=lambda table: table)
    batches = SimpleNamespace(
        names=["words", "size", "class"],
        tables=[table] * 3,
        heads={"size": head, "class": SimpleNamespace(is_number=False)},
    )
    lines = warn_of_numbers(batches)
    assert all(re.match(f"note: size: .*{said}", line) for line in lines), lines
    assert len(lines) == bool(said)
