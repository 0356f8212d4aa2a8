"""Whether answers given with a confidence of 0.8 are right four times out of five."""

from dataclasses import dataclass

import numpy as np

from eval.metrics.probabilities import BINS
from eval.report.page.svg import Frame, Picture, line


@dataclass(frozen=True)
class ConfidenceBin:
    """Answers that were given with about the same confidence.

    Attributes:
        low: Confidence is above it.
        high: Confidence is at most that.
        examples: How many.
        confidence: Their mean.
        right: Which share is right.
    """

    low: float
    high: float
    examples: int
    confidence: float
    right: float


def bin_confidences(
    confidences: np.ndarray, is_right: np.ndarray, bins: int = BINS
) -> list[ConfidenceBin]:
    """Cut answers into parts by confidence, as the expected calibration error does.

    Args:
        confidences: Float [N], from 0 to 1.
        is_right: Bool [N].
        bins: How many parts of equal width there are.

    Returns:
        Those with an answer in them, the least confident first.
    """
    places = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    return [
        ConfidenceBin(
            number / bins,
            (number + 1) / bins,
            int(np.sum(places == number)),
            float(confidences[places == number].mean()),
            float(is_right[places == number].mean()),
        )
        for number in np.unique(places).tolist()
    ]


def expected_error(bins: list[ConfidenceBin]) -> float:
    """Compute the expected calibration error (Naeini et al. 2015) from 0 to 1."""
    examples = sum(one.examples for one in bins)
    return sum(one.examples * abs(one.right - one.confidence) for one in bins) / examples


def draw_calibration(bins: list[ConfidenceBin], series: str = "a") -> Picture:
    """Draw the share of right answers by confidence.

    Args:
        bins: The parts.
        series: Class of the colour.

    Returns:
        The picture; a dot's area is the share of the examples. A sentence of a single part.
    """
    error = expected_error(bins)
    if len(bins) == 1:
        return Picture("Calibration", "", _say(bins[0], error))
    frame = Frame((0, 1), (0, 1), "confidence", "share right")
    most = max(one.examples for one in bins)
    marks = [
        line(frame, [(0, 0), (1, 1)], "ideal"),
        line(frame, [(one.confidence, one.right) for one in bins], f"{series} thin"),
    ]
    for one in bins:
        radius = round(2 + 6 * (one.examples / most) ** 0.5, 1)
        x, y = frame.across(one.confidence), frame.up(one.right)
        marks.append(f'<circle class="dot {series}" cx="{x}" cy="{y}" r="{radius}"/>')
    return Picture(
        "Calibration",
        frame.draw(f"Share of right answers by confidence; expected error {error:.3f}", marks),
        f"Below the line answers are surer than they are right; expected error {error:.3f}. "
        "Larger dots have more examples.",
        ("confidence", "examples", "mean confidence", "share right"),
        tuple(
            (
                f"{one.low:.2f} to {one.high:.2f}",
                f"{one.examples:,}",
                f"{one.confidence:.3f}",
                f"{one.right:.3f}",
            )
            for one in bins
        ),
    )


def _say(one: ConfidenceBin, error: float) -> str:
    answers = f"all {one.examples:,} answers have" if one.examples > 1 else "the one answer has"
    return (
        f"{answers} a confidence of {one.low:.2f} to {one.high:.2f}, {one.confidence:.3f} on the "
        f"mean, and the share right is {one.right:.3f}; expected error {error:.3f}."
    )
