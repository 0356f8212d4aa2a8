"""Given against right numbers, by hand."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from eval.report.page.scatter import draw_scatter


def test_scatter_tells_the_error_by_quarters():
    targets = np.arange(9.0)
    picture = draw_scatter(targets, np.array([0.5, 1, 2, 3, 4, 5, 6, 7, 7]))
    ET.fromstring(picture.svg)
    assert "mean absolute error 0.167" in picture.caption and "circle" not in picture.svg
    assert picture.rows[0] == ("0 to 2", "2", "0.750", "0.250")
    assert picture.rows[-1] == ("6 to 8", "3", "6.667", "0.333")


def test_few_numbers_are_told_one_by_one_and_drawn_by_how_many_they_are():
    targets, given = np.array([1.0] * 4 + [2.0] * 4 + [5.0]), np.array([1.0] * 4 + [2, 2, 2, 3, 5])
    picture = draw_scatter(targets, given)
    assert picture.rows == (
        ("1", "4", "1.000", "0.000"),
        ("2", "4", "2.250", "0.250"),
        ("5", "1", "5.000", "0.000"),
    )
    circles = ET.fromstring(picture.svg).findall(".//{*}circle")
    radii = [float(circle.get("r")) for circle in circles]
    assert radii == [9.0, 8.1, 5.5, 5.5]  # 4, 3, 1 and 1 of them
    assert picture.caption.startswith("A dot's area is how many answers lie there")


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
