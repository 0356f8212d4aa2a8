"""A run's curves as one picture: losses and metrics over steps, a line per task."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters_tf.errors import describe_os_error
from prep.storage.durable_files import write_atomically

if TYPE_CHECKING:  # loaded when a run is done, and not as it begins
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES_FILE = "curves.png"
_COLOURS = (
    *("#3b6ea5", "#b5402f", "#7a9a3a", "#8a5fa8", "#d08a2e"),
    *("#2f9a96", "#c2588f", "#6b6b6b", "#8c6d46", "#5577d9"),
)
_STYLES = ("-", "--", ":", "-.")  # tasks beyond the colours
_GREY = "#666666"
_LEGEND_ROWS = 25  # of tasks, in a column

Curves = dict[str, tuple[list[int], list[float]]]  # by task: steps and figures


def write_curves(folder: Path, lines: Iterable[Mapping[str, Any]], tasks: Sequence[str]) -> str:
    """Draw a run's figures into its folder, if there are any.

    Args:
        folder: The run folder.
        lines: Of metrics.jsonl.
        tasks: Of the run, in its order.

    Returns:
        What to say of it: nothing where all went well. A picture is not worth a run.
    """
    panels = collect_curves(lines, tasks)
    if not panels:
        return ""
    stream = io.BytesIO()
    draw_curves(panels, tasks).savefig(stream, format="png", dpi=110)
    try:
        write_atomically(folder / CURVES_FILE, stream.getvalue())
    except OSError as error:
        return f"{folder / CURVES_FILE} could not be written: {describe_os_error(error)}"
    return ""


def collect_curves(lines: Iterable[Mapping[str, Any]], tasks: Sequence[str]) -> dict[str, Curves]:
    """Sort figures by what they are of.

    Args:
        lines: Of metrics.jsonl; null where one was no number, which leaves a point out.
        tasks: Of the run.

    Returns:
        By panel (`loss in training`, `loss in validation`, then metrics by name): the curves.
    """
    panels: dict[str, Curves] = {"loss in training": {}, "loss in validation": {}}
    for line in lines:
        kind = line.get("kind")
        for name, value in line.items():
            task, slash, metric = name.rpartition("/")
            if not slash or task not in tasks or not isinstance(value, float | int):
                continue
            if metric == "loss":
                panel = "loss in training" if kind == "train" else "loss in validation"
            elif kind == "validation":
                panel = metric
            else:
                continue  # speeds, skipped steps, weights
            steps, values = panels.setdefault(panel, {}).setdefault(task, ([], []))
            steps.append(line["step"])
            values.append(float(value))
    return {panel: curves for panel, curves in panels.items() if curves}


def draw_curves(panels: Mapping[str, Curves], tasks: Sequence[str]) -> Figure:
    """Draw panels side by side, each task in one colour everywhere.

    Args:
        panels: As `collect_curves` returns them.
        tasks: Of the run, in its order.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns + 1.8, 3.1 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    looks = {
        task: {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _STYLES[number // len(_COLOURS) % len(_STYLES)],
        }
        for number, task in enumerate(tasks)
    }
    drawn: dict[str, Any] = {}
    last = max(steps[-1] for curves in panels.values() for steps, _ in curves.values())
    for axes, (panel, curves) in zip(grid.flat, panels.items(), strict=False):
        for task, (steps, values) in curves.items():
            marker = "o" if len(steps) <= 40 else ""
            (drawn[task],) = axes.plot(
                steps, values, linewidth=1.5, marker=marker, markersize=3.5, **looks[task]
            )
        axes.set_xlim(0, 1.04 * max(last, 1))  # the same in all panels, whatever each has
        _dress(axes, panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    names = [task for task in tasks if task in drawn]
    figure.legend(
        [drawn[task] for task in names],
        names,
        loc="outside right upper",
        frameon=False,
        fontsize=8.5,
        ncols=-(-len(names) // _LEGEND_ROWS),
    )
    return figure


def _dress(axes: Axes, panel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(panel, loc="left", fontsize=10.5)
    axes.set_xlabel("steps", color=_GREY, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    axes.tick_params(colors=_GREY, length=2, labelsize=8.5)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
