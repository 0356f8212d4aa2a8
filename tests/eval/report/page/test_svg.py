"""Frames, ticks and marks, in pixels worked out by hand."""

import xml.etree.ElementTree as ET

import pytest

from eval.report.page.svg import Frame, dots, line, round_ticks, show, widen


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((0, 120), [0, 50, 100]),
        ((0.41, 0.52), [0.42, 0.44, 0.46, 0.48, 0.5, 0.52]),
        ((-1, 1), [-1, -0.5, 0, 0.5, 1]),
        ((3, 3), [3]),
    ],
)
def test_ticks_are_round_and_six_at_most(ends, expected):
    assert round_ticks(*ends) == pytest.approx(expected)


def test_values_are_placed_between_the_margins():
    frame = Frame((0, 10), (0, 1), "x", "y", 400, 240)
    assert [frame.across(value) for value in (0, 5, 10)] == [58, 219, 380]
    assert [frame.up(value) for value in (0, 0.5, 1)] == [204, 106, 8]


def test_marks():
    frame = Frame((0, 10), (0, 1), "x", "y", 400, 240)
    assert line(frame, [(0, 0), (10, 1)], "a") == '<path class="line a" d="M58.0 204.0L380.0 8.0"/>'
    assert line(frame, [(0, 0)], "a").endswith('d="M58.0 204.0h0"/>')
    # Two of three are on one pixel.
    assert dots(frame, [(0, 0), (0, 0.0001), (5, 1)], "b").count("M") == 2


def test_it_is_xml_and_its_texts_are_escaped():
    svg = Frame((0, 1), (0, 1), "<b>&", "y").draw('"<i>"', [], [(0.5, "<u>")])
    root = ET.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label") == '"<i>"'
    assert {"<b>&", "<u>", "y", "0.2"} <= {one.text for one in root.iter("text")}


def test_numbers_and_ends():
    assert [show(value) for value in (-0.5, 12000, 0.1 + 0.2)] == ["−0.5", "12,000", "0.3"]
    assert widen([1, 3]) == (1, 3)
    assert widen([2, 2], 1) == (1.5, 2.5)
