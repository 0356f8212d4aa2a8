"""Confidence against being right, by hand and as the metric has it."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from eval.metrics.answers import Answers
from eval.metrics.probabilities import calibration_error
from eval.report.page.calibration import bin_confidences, draw_calibration, expected_error


def test_calibration_by_hand():
    confidences, is_right = np.array([0.55, 0.6, 0.95, 1.0]), np.array([1, 0, 1, 1], bool)
    bins = bin_confidences(confidences, is_right, 10)
    # 0.6 is in the bin that ends with it.
    assert [(one.examples, one.right) for one in bins] == [(2, 0.5), (2, 1.0)]
    assert expected_error(bins) == pytest.approx((abs(0.5 - 0.575) + abs(1 - 0.975)) / 2)
    ET.fromstring(draw_calibration(bins).svg)


def test_a_part_alone_is_a_sentence():
    bins = bin_confidences(np.array([0.91, 0.93]), np.array([1, 0], bool), 10)
    picture = draw_calibration(bins)
    assert picture.is_sentence and picture.caption == (
        "all 2 answers have a confidence of 0.90 to 1.00, 0.920 on the mean, and the share right "
        "is 0.500; expected error 0.420."
    )


def test_calibration_is_that_of_the_metric():
    draw = np.random.default_rng(0)
    shares = draw.dirichlet(np.ones(3), 200)
    targets = draw.integers(3, size=200)
    answers = Answers(targets, shares.argmax(1), 3, probabilities=shares)
    bins = bin_confidences(shares.max(1), shares.argmax(1) == targets)
    assert expected_error(bins) == pytest.approx(calibration_error(answers))
