"""What all pictures of the report are made of: a frame with ticks, as SVG.

Colours are the page's, so that one picture serves light, dark and print.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 8, 36  # pixels around the plot
_MOST_TICKS = 6


@dataclass(frozen=True)
class Picture:
    """A picture beside the numbers it shows, or the sentence that says all it would show.

    Attributes:
        title: What it shows.
        svg: An `<svg>` element, or nothing where the table says it all.
        caption: How to read it; without picture and table, the sentence.
        heading: Of the table's columns.
        rows: Of the table, as texts.
        keys: Class and meaning of each colour, where there are several.
    """

    title: str
    svg: str
    caption: str
    heading: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def is_sentence(self) -> bool:
        """Whether there is nothing to draw: a bar alone, a point alone."""
        return not (self.svg or self.rows)


@dataclass(frozen=True)
class Frame:
    """The place of a plot.

    Attributes:
        x: From the left end to the right one, in the data's units.
        y: From the bottom to the top.
        x_label: What x is.
        y_label: What y is.
        width: Pixels.
        height: Pixels.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    width: int = 400
    height: int = 240

    def across(self, value: float) -> float:
        """Place a value of x, in pixels from the left."""
        return self._place(value, self.x, _LEFT, self.width - _RIGHT)

    def up(self, value: float) -> float:
        """Place a value of y, in pixels from the top."""
        return self._place(value, self.y, self.height - _BOTTOM, _TOP)

    @staticmethod
    def _place(value: float, ends: tuple[float, float], first: float, last: float) -> float:
        low, high = ends
        share = (value - low) / (high - low) if high > low else 0.5
        return round(first + share * (last - first), 1)

    def draw(
        self, label: str, marks: Sequence[str], x_ticks: Sequence[tuple[float, str]] = ()
    ) -> str:
        """Draw marks in their frame.

        Args:
            label: What a person who does not see it is told.
            marks: Elements, placed by `across` and `up`.
            x_ticks: Places and texts; by default round numbers.

        Returns:
            An `<svg>` element.
        """
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        parts = []
        for value in round_ticks(*self.y):
            y = self.up(value)
            parts.append(f'<path class="grid" d="M{_LEFT} {y}H{right}"/>')
            parts.append(f'<text x="{_LEFT - 5}" y="{y + 3.5}" class="end">{show(value)}</text>')
        for value, text in x_ticks or [(value, show(value)) for value in round_ticks(*self.x)]:
            x = self.across(value)
            parts.append(f'<path class="axis" d="M{x} {bottom}v4"/>')
            parts.append(f'<text x="{x}" y="{bottom + 15}" class="middle">{escape(text)}</text>')
        parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
        parts.append(
            f'<text x="{(_LEFT + right) / 2}" y="{self.height - 4}" class="middle name">'
            f"{escape(self.x_label)}</text>"
        )
        middle = (bottom + _TOP) / 2
        parts.append(
            f'<text transform="translate(10 {middle}) rotate(-90)" class="middle name">'
            f"{escape(self.y_label)}</text>"
        )
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(label)}">{"".join(parts)}{"".join(marks)}</svg>'
        )


def show(value: float) -> str:
    """Write a number as short as it can be read."""
    return f"{value:,.6g}".replace("-", "−")


def round_ticks(low: float, high: float) -> list[float]:
    """Choose round numbers between two: multiples of 1, 2 or 5 times a power of ten.

    Args:
        low: The least.
        high: The most.

    Returns:
        Six at most, in order; one where both are the same.
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / (_MOST_TICKS - 1)))
    for factor in (1, 2, 5, 10):
        step = power * factor
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < _MOST_TICKS:
            break
    return [round(number * step, 12) for number in range(first, last + 1)]


def line(frame: Frame, points: Sequence[tuple[float, float]], kind: str) -> str:
    """Draw a line through points.

    Args:
        frame: Where.
        points: x and y of each.
        kind: Classes, such as "a thin".

    Returns:
        A `<path>`; of a single point, a dot.
    """
    path = "L".join(f"{frame.across(x)} {frame.up(y)}" for x, y in points)
    return f'<path class="line {kind}" d="M{path}{"h0" if len(points) == 1 else ""}"/>'


def dots(frame: Frame, points: Sequence[tuple[float, float]], kind: str) -> str:
    """Draw points; those that fall on the same pixel are drawn once."""
    places = sorted({(round(frame.across(x)), round(frame.up(y))) for x, y in points})
    path = "".join(f"M{x} {y}h0" for x, y in places)
    return f'<path class="dots {kind}" d="{path}"/>'


def widen(values: Sequence[float], least: float = 0.0) -> tuple[float, float]:
    """Find the ends of an axis: of the values, and apart from each other by `least` or more."""
    low, high = min(values), max(values)
    if high - low < least or high == low:
        room = max(least, abs(high) * 0.1, 1e-6) / 2
        low, high = (low + high) / 2 - room, (low + high) / 2 + room
    return low, high
