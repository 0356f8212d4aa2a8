"""Learning curves of a task: its main figure and its losses, by step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.report.page.svg import Frame, Picture, line, show, widen
from prep.tasks.metrics import AT_MOST_ONE

MOST_POINTS = 300  # of a line
_LEAST_HEIGHT = 0.02  # of the axis of a figure or a loss
SERIES, LETTERS = ("a", "b"), ("A", "B")  # classes of the runs' colours, and what runs are called
TOKENS = "nats per token"

Points = list[tuple[float, float]]


def read_curve(log: Sequence[Mapping[str, Any]], kind: str, name: str) -> Points:
    """Read a curve from the log of training.

    Args:
        log: Lines of `metrics.jsonl`.
        kind: `train` or `validation`.
        name: Of the figure, such as `rte/loss`.

    Returns:
        Step and value, in the order of steps; of a step that was logged twice the later line.
    """
    found = {
        one["step"]: float(one[name])
        for one in log
        if one.get("kind") == kind and isinstance(one.get(name), int | float)
    }
    return sorted(found.items())


def unit_of_loss(answered: Iterable[tuple[str, str]]) -> str:
    """Name what the losses of a task are counted in.

    Args:
        answered: Of each run, what answers the task, and the task's kind.

    Returns:
        A unit, or "loss" where it is another for each run.
    """
    of_head = {"regression": "squared error"}
    units = {
        of_head.get(kind, "nats per example") if by == "head" else TOKENS for by, kind in answered
    }
    return units.pop() if len(units) == 1 else "loss"


def thin(points: Points, most: int = MOST_POINTS) -> Points:
    """Leave out points between others until there are few enough; the last one stays."""
    stride = -(-len(points) // most)
    if stride <= 1:
        return points
    return [*points[:-1:stride], points[-1]]


def draw_curves(
    task: str, metric: str, logs: Sequence[Sequence[Mapping[str, Any]]], loss: str = TOKENS
) -> list[Picture]:
    """Draw the curves of a task.

    Args:
        task: Its name.
        metric: Its main figure.
        logs: Of each run.
        loss: What the losses are counted in.

    Returns:
        The figure's picture and the losses', each where the logs have it; a sentence where no
        curve has two points, and where a curve alone is flat.
    """
    figures = [read_curve(log, "validation", f"{task}/{metric}") for log in logs]
    trained = [read_curve(log, "train", f"{task}/loss") for log in logs]
    validated = [read_curve(log, "validation", f"{task}/loss") for log in logs]
    runs = tuple(zip(SERIES, LETTERS, strict=True)) if len(logs) > 1 else ()
    pictures = []
    if any(figures):
        pictures.append(_draw(f"{metric} during training", metric, figures, [], runs))
    if any(trained) or any(validated):
        keys = runs or (("a", "validation"), ("a thin", "training"))
        pictures.append(_draw("Loss during training", loss, validated, trained, keys))
    return pictures


def _draw(
    title: str,
    unit: str,
    bold: Sequence[Points],
    faint: Sequence[Points],
    keys: tuple[tuple[str, str], ...],
) -> Picture:
    if max(map(len, (*bold, *faint))) == 1:
        return Picture(title, "", _say(unit, bold, faint))
    if len(bold) == 1 and not faint and len({value for _, value in bold[0]}) == 1:
        (first, value), *_, (last, _) = bold[0]
        said = f"{unit} {value:.4f} in each of {len(bold[0])} validations"
        return Picture(title, "", f"{said}, step {show(first)} to {show(last)}.")
    everything = [point for points in (*bold, *faint) for point in points]
    steps, values = zip(*everything, strict=True)
    low, high = widen(values, _LEAST_HEIGHT)
    # An axis beyond the best or the least there can be would show room where there is none.
    low = max(low, 0.0) if min(values) >= 0 else low
    y = (low, 1.0) if unit in AT_MOST_ONE and max(values) <= 1 else (low, high)
    frame = Frame(widen(steps, 1), y, "step", unit)
    marks = [
        line(frame, thin(points), f"{series} {weight}".strip())
        for weight, curves in (("thin", faint), ("", bold))
        for series, points in zip(SERIES, curves, strict=False)
        if points
    ]
    shown = sorted({x for points in bold for x, _ in points})[-MOST_POINTS:]
    by_step = [dict(points) for points in bold]
    rows = tuple(
        (show(step), *(f"{one[step]:.4f}" if step in one else "–" for one in by_step))
        for step in shown
    )
    is_split = len(by_step) > 1
    heading = ("step", *(name for _, name in keys)) if is_split else ("step", unit)
    ends = "; ".join(
        f"{points[-1][1]:.4f} at step {show(points[-1][0])}" for points in bold if points
    )
    caption = "Thick: validation; thin: training." if faint and is_split else ""
    label = f"{title}, by step" + (f"; at the end {ends}" if ends else "")
    return Picture(title, frame.draw(label, marks), caption, heading, rows, keys)


def _say(unit: str, bold: Sequence[Points], faint: Sequence[Points]) -> str:
    """Say the points of curves that have one each, such as "accuracy 0.5000 at step 20"."""
    said = []
    for name, curves in (("validation", bold), ("training", faint)):
        for letter, points in zip(LETTERS, curves, strict=False):
            of = f"{letter} " * (len(bold) > 1) + f"{name} " * bool(faint)
            said += [f"{of}{value:.4f} at step {show(step)}" for step, value in points]
    return f"{unit}, logged once: {'; '.join(said)}."
