"""Numbers a task asked for against those that were given."""

import numpy as np

from eval.report.page.svg import Frame, Picture, dots, line, show, widen

_MOST_VALUES = 8  # right answers that the table tells one by one
_ROOM = 0.03  # of an axis, at each end


def draw_scatter(targets: np.ndarray, given: np.ndarray, series: str = "a") -> Picture:
    """Draw every answer beside the right one.

    Args:
        targets: Float [N].
        given: Float [N]; −1 where an answer stated no number.
        series: Class of the colour.

    Returns:
        The picture, where most answers lie on others with areas that tell how many; its table has
        mean and spread of the answers by targets, or by quarters of many. A sentence where all
        right answers are the same, or all given ones.
    """
    error = float(np.mean(np.abs(targets - given)))
    title, end = "Given against right numbers", f"mean absolute error {error:.3f}."
    if len(np.unique(targets)) == 1 or len(np.unique(given)) == 1:
        sides = _say("right", targets), _say("given", given)
        return Picture(title, "", f"{sides[0]}, {sides[1]}; {end}")
    x, y = (_with_room(widen(values, 1e-6)) for values in (targets.tolist(), [*targets, *given]))
    frame = Frame(x, y, "right answer", "given answer")
    ends = (max(x[0], y[0]), min(x[1], y[1]))
    marks = [line(frame, [(end, end) for end in ends], "ideal")]
    points, counts = np.unique(np.stack([targets, given], axis=1), axis=0, return_counts=True)
    are_shared = 2 * len(points) <= len(targets)
    if are_shared:
        marks += _areas(frame, points, counts, series)
    else:
        marks.append(dots(frame, list(zip(targets.tolist(), given.tolist(), strict=True)), series))
    dot = "A dot's area is how many answers lie there" if are_shared else "Each dot an answer"
    label = f"Scatter of {len(targets):,} answers; mean absolute error {error:.3f}"
    return Picture(
        title,
        frame.draw(label, marks),
        f"{dot}, on the line where it is right; {end}",
        ("right answer", "examples", "mean given", "mean absolute error"),
        tuple(_parts(targets, given)),
    )


def _say(which: str, values: np.ndarray) -> str:
    """Say between which ends answers lie, such as "given answers are 1 to 3"."""
    ends = [show(round(float(end), 3)) for end in (values.min(), values.max())]
    if len(values) == 1:
        return f"the one {which} answer is {ends[0]}"
    all_alike = ends[0] == ends[1]
    return (
        f"all {which} answers are {ends[0]}" if all_alike else f"{which} ones {' to '.join(ends)}"
    )


def _with_room(ends: tuple[float, float]) -> tuple[float, float]:
    """Move the ends of an axis apart, so that no dot lies on the frame."""
    room = _ROOM * (ends[1] - ends[0])
    return ends[0] - room, ends[1] + room


def _areas(frame: Frame, points: np.ndarray, counts: np.ndarray, series: str) -> list[str]:
    """Draw a dot for each point [P, 2], as large as its count [P] says."""
    radii = 2 + 7 * np.sqrt(counts / counts.max())
    return [
        f'<circle class="dot {series}" cx="{frame.across(x)}" cy="{frame.up(y)}" r="{radius:.1f}"/>'
        for (x, y), radius in zip(points.tolist(), radii.tolist(), strict=True)
    ]


def _parts(targets: np.ndarray, given: np.ndarray) -> list[tuple[str, ...]]:
    """Tell of each right answer, or of quarters where they are many, what was given."""
    values = np.unique(targets)
    if len(values) <= _MOST_VALUES:
        parts = [(show(round(float(value), 3)), targets == value) for value in values]
    else:
        edges = np.unique(np.quantile(targets, (0, 0.25, 0.5, 0.75, 1)))
        places = np.clip(np.searchsorted(edges, targets, "right") - 1, 0, len(edges) - 2)
        shown = [show(round(float(edge), 3)) for edge in edges]
        parts = [(f"{shown[one]} to {shown[one + 1]}", places == one) for one in np.unique(places)]
    return [
        (
            name,
            f"{int(inside.sum()):,}",
            f"{given[inside].mean():.3f}",
            f"{np.abs(given - targets)[inside].mean():.3f}",
        )
        for name, inside in parts
    ]
