"""How good answers are by length of the input, by hand."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from eval.report.page.lengths import bin_lengths, draw_lengths


def test_equal_lengths_are_in_one_part():
    lengths, values = np.array([1, 1, 1, 5, 6, 9]), np.array([1.0, 0, 1, 1, 0, 0])
    first, second = bin_lengths(lengths, values, 2)
    assert (first.shortest, first.longest, first.examples) == (1, 1, 3)
    assert (second.shortest, second.longest, second.mean) == (5, 9, pytest.approx(1 / 3))
    # 1.96 times the standard deviation 0.577 over the root of 3.
    assert first.margin == pytest.approx(1.96 * (1 / 3) ** 0.5 / 3**0.5)
    ET.fromstring(draw_lengths([first, second], "share right", True).svg)


def test_one_example_and_inputs_of_one_length():
    (only,) = bin_lengths(np.array([4]), np.array([0.0]))
    assert (only.shortest, only.longest, only.examples, only.margin) == (4, 4, 1, 0.0)
    picture = draw_lengths([only], "absolute error", False)
    said = "the one input has 4 characters; absolute error 0.000."
    assert picture.is_sentence and picture.caption == said
    bins = bin_lengths(np.full(7, 3), np.ones(7))
    assert [one.examples for one in bins] == [7]
    said = "all 7 inputs have 3 characters; share right 1.000."
    assert draw_lengths(bins, "share right", True).caption == said


def test_bars_that_are_all_the_same_are_a_sentence():
    lengths = np.arange(1, 9)
    picture = draw_lengths(bin_lengths(lengths, np.ones(8), 2), "share right", True)
    said = "all 8 inputs have 1 to 8 characters; share right 1.000 at each length."
    assert picture.is_sentence and picture.caption == said
    # As good on the mean, but each of them not certainly.
    uncertain = bin_lengths(lengths, np.array([0, 1] * 4), 2)
    assert draw_lengths(uncertain, "share right", True).svg


def test_a_bar_alone_is_a_sentence_though_lengths_differ():
    bins = bin_lengths(np.array([3] * 9 + [1200]), np.array([1.0] * 9 + [0]))
    picture = draw_lengths(bins, "share right", True)
    assert picture.is_sentence
    assert picture.caption.startswith("all 10 inputs have 3 to 1,200 characters; share right 0.900")
