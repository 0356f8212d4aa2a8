"""Given against right numbers, by hand."""

import xml.etree.ElementTree as ET

import numpy as np

from eval.report.page.scatter import draw_scatter


def test_scatter_tells_the_error_by_quarters():
    picture = draw_scatter(np.array([0.0, 1, 2, 3, 4]), np.array([0.5, 1, 2, 3, 3]))
    ET.fromstring(picture.svg)
    assert "mean absolute error 0.300" in picture.caption
    assert picture.rows[0] == ("0 to 1", "1", "0.500", "0.500")
    assert picture.rows[-1] == ("3 to 4", "2", "3.000", "0.500")


def test_scatter_of_one_number():
    picture = draw_scatter(np.array([2.0, 2.0]), np.array([2.0, -1.0]))
    ET.fromstring(picture.svg)
    assert picture.rows == (("2 to 2", "2", "0.500", "1.500"),)
