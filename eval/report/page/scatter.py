"""Numbers a task asked for against those that were given."""

import numpy as np

from eval.report.page.svg import Frame, Picture, dots, line, show, widen

_ROOM = 0.03  # of an axis, at each end


def draw_scatter(targets: np.ndarray, given: np.ndarray, series: str = "a") -> Picture:
    """Draw every answer beside the right one.

    Args:
        targets: Float [N].
        given: Float [N]; −1 where an answer stated no number.
        series: Class of the colour.

    Returns:
        The picture; its table has mean and spread of the answers by quarters of the targets. A
        sentence where all right answers are the same, or all given ones.
    """
    error = float(np.mean(np.abs(targets - given)))
    title, end = "Given against right numbers", f"mean absolute error {error:.3f}."
    if len(np.unique(targets)) == 1 or len(np.unique(given)) == 1:
        sides = _say("right", targets), _say("given", given)
        return Picture(title, "", f"{sides[0]}, {sides[1]}; {end}")
    x, y = (_with_room(widen(values, 1e-6)) for values in (targets.tolist(), [*targets, *given]))
    frame = Frame(x, y, "right answer", "given answer")
    ends = (max(x[0], y[0]), min(x[1], y[1]))
    marks = [
        line(frame, [(end, end) for end in ends], "ideal"),
        dots(frame, list(zip(targets.tolist(), given.tolist(), strict=True)), series),
    ]
    label = f"Scatter of {len(targets):,} answers; mean absolute error {error:.3f}"
    return Picture(
        title,
        frame.draw(label, marks),
        f"Each dot an answer, on the line where it is right; {end}",
        ("right answer", "examples", "mean given", "mean absolute error"),
        tuple(_quarters(targets, given)),
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


def _quarters(targets: np.ndarray, given: np.ndarray) -> list[tuple[str, ...]]:
    edges = np.unique(np.quantile(targets, (0, 0.25, 0.5, 0.75, 1)))
    rows: list[tuple[str, ...]] = []
    places = np.clip(np.searchsorted(edges, targets, "right") - 1, 0, max(len(edges) - 2, 0))
    for number in range(max(len(edges) - 1, 1)):
        inside = places == number
        if inside.any():
            ends = edges[number], edges[min(number + 1, len(edges) - 1)]
            rows.append(
                (
                    " to ".join(show(round(float(end), 3)) for end in ends),
                    f"{int(inside.sum()):,}",
                    f"{given[inside].mean():.3f}",
                    f"{np.abs(given - targets)[inside].mean():.3f}",
                )
            )
    return rows
