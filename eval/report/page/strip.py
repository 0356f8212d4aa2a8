"""A figure with its interval and the trivial answer's, small enough for a line of a table."""

from collections.abc import Sequence

from eval.report.page.report_data import Score

_WIDTH, _HEIGHT, _EDGE = 120, 16, 5


def strip_ends(scores: Sequence[Score]) -> tuple[float, float]:
    """Find the ends that all strips of a table share: 0 to 1; −1 to 1 where a figure is below 0."""
    values = [
        value
        for score in scores
        for value in (score.value, score.low, score.baseline)
        if value is not None
    ]
    return (-1.0, 1.0) if min(values, default=0.0) < 0 else (0.0, 1.0)


def draw_strip(score: Score, ends: tuple[float, float], series: str) -> str:
    """Draw a figure.

    Args:
        score: With its interval and baseline.
        ends: Of the strip.
        series: Class of the colour.

    Returns:
        An `<svg>` that readers of the screen pass by: the numbers stand beside it.
    """

    def place(value: float) -> float:
        share = (min(max(value, ends[0]), ends[1]) - ends[0]) / (ends[1] - ends[0])
        return round(_EDGE + share * (_WIDTH - 2 * _EDGE), 1)

    middle = _HEIGHT / 2
    parts = [f'<path class="grid" d="M{_EDGE} {middle}H{_WIDTH - _EDGE}"/>']
    if score.baseline is not None:
        parts.append(f'<path class="trivial" d="M{place(score.baseline)} 2V{_HEIGHT - 2}"/>')
    if score.low is not None and score.high is not None:
        parts.append(
            f'<path class="line {series}" d="M{place(score.low)} {middle}H{place(score.high)}"/>'
        )
    parts.append(f'<circle class="dot {series}" cx="{place(score.value)}" cy="{middle}" r="4"/>')
    return (
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'aria-hidden="true">{"".join(parts)}</svg>'
    )
