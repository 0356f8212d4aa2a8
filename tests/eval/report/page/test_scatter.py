"""Given against right numbers, by hand."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from eval.report.page.scatter import draw_scatter


def test_scatter_tells_the_error_by_quarters():
    picture = draw_scatter(np.array([0.0, 1, 2, 3, 4]), np.array([0.5, 1, 2, 3, 3]))
    ET.fromstring(picture.svg)
    assert "mean absolute error 0.300" in picture.caption
    assert picture.rows[0] == ("0 to 1", "1", "0.500", "0.500")
    assert picture.rows[-1] == ("3 to 4", "2", "3.000", "0.500")


@pytest.mark.parametrize(
    ("targets", "given", "said"),
    [
        (
            [2, 2],
            [2, -1],
            "all right answers are 2, given ones −1 to 2; mean absolute error 1.500.",
        ),
        ([1, 3], [2, 2], "right ones 1 to 3, all given answers are 2; mean absolute error 1.000."),
        (
            [1],
            [2],
            "the one right answer is 1, the one given answer is 2; mean absolute error 1.000.",
        ),
    ],
)
def test_numbers_all_the_same_are_a_sentence(targets, given, said):
    picture = draw_scatter(np.array(targets, float), np.array(given, float))
    assert picture.is_sentence and picture.caption == said
