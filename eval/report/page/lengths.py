"""How good answers are to short inputs and to long ones."""

from dataclasses import dataclass

import numpy as np

from eval.report.page.svg import Frame, Picture, show

MOST_BINS = 8
_Z = 1.96  # standard errors on each side of a 95 % interval


@dataclass(frozen=True)
class LengthBin:
    """Examples whose inputs are about as long.

    Attributes:
        shortest: Characters.
        longest: Characters.
        examples: How many.
        mean: Of what is measured.
        margin: Half of the mean's 95 % interval, by its standard error; 0 of one example.
    """

    shortest: int
    longest: int
    examples: int
    mean: float
    margin: float


def bin_lengths(lengths: np.ndarray, values: np.ndarray, most: int = MOST_BINS) -> list[LengthBin]:
    """Cut examples into parts of about equal size by length.

    Args:
        lengths: Int [N], characters of the inputs.
        values: Float [N], what is measured.
        most: How many parts there are at most; equal lengths are never apart.

    Returns:
        The parts, the shortest first.
    """
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, most + 1), method="higher"))
    # Each part begins with its edge; the last one has the longest too.
    starts = edges[:-1] if len(edges) > 1 else edges
    places = np.searchsorted(starts, lengths, "right") - 1
    bins = []
    for number in range(len(starts)):
        inside, of_bin = values[places == number], lengths[places == number]
        error = float(np.std(inside, ddof=1) / np.sqrt(len(inside))) if len(inside) > 1 else 0.0
        bins.append(
            LengthBin(
                int(of_bin.min()), int(of_bin.max()), len(inside), float(inside.mean()), _Z * error
            )
        )
    return bins


def draw_lengths(bins: list[LengthBin], what: str, is_share: bool, series: str = "a") -> Picture:
    """Draw what is measured by length.

    Args:
        bins: The parts.
        what: Is measured, such as "share right".
        is_share: Whether it lies between 0 and 1.
        series: Class of the colour.

    Returns:
        The picture; a sentence of a single part, and where all are certainly the same.
    """
    title = f"Length of the input and {what}"
    if len({(one.mean, one.margin) for one in bins}) == 1 and (
        len(bins) == 1 or not bins[0].margin
    ):
        return Picture(title, "", _say(bins, what))
    top = 1.0 if is_share else max(one.mean + one.margin for one in bins) or 1.0
    frame = Frame((-0.5, len(bins) - 0.5), (0, top), "characters of the input, up to", what)
    marks = []
    for number, one in enumerate(bins):
        left, right, y = (
            frame.across(number - 0.32),
            frame.across(number + 0.32),
            frame.up(one.mean),
        )
        height = round(frame.up(0) - y, 1)
        marks.append(
            f'<rect class="bar {series}" x="{left}" y="{y}" width="{round(right - left, 1)}" '
            f'height="{height}"/>'
        )
        ends = frame.up(max(one.mean - one.margin, 0)), frame.up(min(one.mean + one.margin, top))
        marks.append(f'<path class="whisker" d="M{frame.across(number)} {ends[0]}V{ends[1]}"/>')
    ticks = [(float(number), show(one.longest)) for number, one in enumerate(bins)]
    told = "; ".join(f"up to {one.longest} characters {one.mean:.3f}" for one in bins)
    rows = tuple(
        (
            f"{one.shortest:,} to {one.longest:,}",
            f"{one.examples:,}",
            f"{one.mean:.3f}",
            f"± {one.margin:.3f}",
        )
        for one in bins
    )
    return Picture(
        title,
        frame.draw(f"Bars of {what} by length of the input: {told}", marks, ticks),
        "Bars have about as many examples each; whiskers are 95 % intervals where they differ.",
        ("characters", "examples", what, "95 %"),
        rows,
    )


def _say(bins: list[LengthBin], what: str) -> str:
    """Say what is the same of all parts, or of the only one."""
    first, last = bins[0], bins[-1]
    count = sum(one.examples for one in bins)
    inputs = f"all {count:,} inputs have" if count > 1 else "the one input has"
    ends = f"{first.shortest:,}"
    if last.longest > first.shortest:
        ends += f" to {last.longest:,}"
    margin = f" ± {first.margin:.3f}" if first.margin else ""
    each = " at each length" if len(bins) > 1 else ""
    return f"{inputs} {ends} characters; {what} {first.mean:.3f}{margin}{each}."
