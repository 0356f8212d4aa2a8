"""A comparison as text, LaTeX, CSV and a picture."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

from adapters_tf.errors import say_note
from eval.metrics.intervals import CONFIDENCE
from eval.report.comparison import Difference, Row
from eval.report.table import align_columns
from prep.storage.durable_files import write_atomically
from prep.tasks.metrics import UNBOUNDED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ESCAPES = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
_COLOURS = ("#3b6ea5", "#b5402f", "#7a9a3a", "#8a5fa8", "#d08a2e", "#2f9a96", "#c2588f", "#6b6b6b")
_GREY = "#666666"
_MANY = 10  # tests, of which chance alone may well decide one
_LEAST_P = 0.001
_TESTS = ("task", "metric", "", "diff.", "95% interval", "p", "McNemar")


def format_comparison(rows: Sequence[Row], names: Sequence[str], told: Sequence[str]) -> str:
    """Write a comparison for the screen.

    Args:
        rows: Of the comparison.
        names: Of the columns.
        told: Of each, how many runs it has and of which steps; empty for nothing.

    Returns:
        A table task × column, winners with a star; then a line for every pair of columns that is
        compared, with the tests.
    """
    # A column's letter stands for its name, which may be long.
    letters = [_letter(number) for number in range(len(names))]
    lines = [
        f"{letter}: {name}" + (f" ({what})" if what else "")
        for letter, name, what in zip(letters, names, told, strict=True)
    ]
    table: list[tuple[str, ...]] = [("task", "metric", *letters)]
    for row in rows:
        cells = (
            _show(cell.mean, cell.deviation) + ("*" if row.winner == number else " ")
            for number, cell in enumerate(row.cells)
        )
        table.append((row.task, row.metric, *cells))
    lines += ["", *align_columns(table, (False, False, *(True for _ in letters)))]
    if any(row.winner is not None for row in rows):
        lines.append("* better than every other: 0 is outside the 95% interval of each difference")
    tests: list[tuple[str, ...]] = [_TESTS]
    for row in rows:
        tests += [_test_cells(row, one, letters) for one in row.differences]
    if len(tests) > 1:
        lines += ["", *align_columns(tests, (False, False, False, True, True, True, True))]
    tested = [one for row in rows for one in row.differences if one.interval is not None]
    if len(tested) >= _MANY:
        lines.append(
            f"{sum(one.is_clear for one in tested)} of {len(tested)} differences are clear; were"
            f" none, {len(tested) * (1 - CONFIDENCE):.1f} would seem so by chance"
        )
    return "\n".join(lines)


def _letter(number: int) -> str:
    more, last = divmod(number, len(ascii_uppercase))
    return (_letter(more - 1) if more else "") + ascii_uppercase[last]


def _show(mean: float, deviation: float | None) -> str:
    return f"{mean:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")


def _test_cells(row: Row, one: Difference, letters: Sequence[str]) -> tuple[str, ...]:
    first, second = (letters[column] for column in one.columns)
    interval = one.interval
    return (
        row.task,
        row.metric,
        f"{first} − {second}",
        f"{one.difference:+.4f}",
        f"{interval.low:+.3f}–{interval.high:+.3f}" if interval else "-",
        show_p(one.p_value),
        show_p(one.mcnemar) if one.mcnemar is not None else "-",
    )


def show_p(value: float) -> str:
    """Write a p-value to three places; no test can tell that something is impossible."""
    return f"{value:.3f}" if value >= _LEAST_P else f"<{_LEAST_P}"


def to_latex(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Write the table for a paper; it needs the package booktabs.

    Args:
        rows: Of the comparison.
        names: Of the columns.

    Returns:
        A `tabular`; winners are bold, a standard deviation over runs stands behind its mean.
    """
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{ll{'r' * len(names)}}}",
        r"\toprule",
        " & ".join(["task", "metric", *(name.translate(_ESCAPES) for name in names)]) + r" \\",
        r"\midrule",
    ]
    for row in rows:
        cells = [row.task.translate(_ESCAPES), row.metric.translate(_ESCAPES)]
        for number, cell in enumerate(row.cells):
            mean = f"{cell.mean:.4f}"
            shown = rf"\textbf{{{mean}}}" if row.winner == number else mean
            deviation = cell.deviation
            cells.append(shown + (rf" $\pm$ {deviation:.4f}" if deviation is not None else ""))
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def to_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Write a line per figure and column.

    Args:
        rows: Of the comparison.
        names: Of the columns.

    Returns:
        Comma-separated values with a heading; empty where there is nothing to say.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ("task", "metric", "column", "runs", "mean", "sd", "low", "high", "standard_error", "wins")
    )
    for row in rows:
        for number, (name, cell) in enumerate(zip(names, row.cells, strict=True)):
            interval = cell.interval
            ends = (interval.low, interval.high, interval.standard_error) if interval else ("",) * 3
            deviation = "" if cell.deviation is None else cell.deviation
            told = (row.task, row.metric, name, len(cell.figures), cell.mean, deviation)
            writer.writerow((*told, *ends, int(row.winner == number)))
    return stream.getvalue()


def draw(rows: Sequence[Row], names: Sequence[str]) -> Figure:
    """Draw every figure with its interval, a colour per column.

    Those that lie between −1 and 1 share an axis; each other one, such as an error in the unit of
    its answers, has its own.

    Args:
        rows: Of the comparison.
        names: Of the columns.

    Returns:
        The picture.
    """
    from matplotlib.figure import Figure

    panels = [[row for row in rows if row.metric not in UNBOUNDED]]
    panels = [*filter(None, panels), *([row] for row in rows if row.metric in UNBOUNDED)]
    heights = [_height(panel, len(names)) for panel in panels]
    figure = Figure(figsize=(7.5, 0.6 + sum(heights)), layout="constrained")
    all_axes = figure.subplots(len(panels), height_ratios=heights, squeeze=False)[:, 0]
    for panel, axes in zip(panels, all_axes, strict=True):
        _draw_panel(axes, panel, names)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", frameon=False, fontsize=8.5, ncols=2)
    return figure


def _height(rows: Sequence[Row], columns: int) -> float:
    """Compute how many inches a panel takes: its rows, and the numbers below."""
    return 0.6 + 0.2 * len(rows) * (columns + 1)


def _draw_panel(axes: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    for column, name in enumerate(names):
        _draw_column(axes, rows, column, name)
    axes.set_yticks(range(len(rows)), [f"{row.task} {row.metric}".strip() for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(colors=_GREY, length=2, labelsize=8.5)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_column(axes: Axes, rows: Sequence[Row], column: int, name: str) -> None:
    columns = len(rows[0].cells)
    offset = (column - (columns - 1) / 2) * 0.7 / columns
    colour = _COLOURS[column % len(_COLOURS)]
    for number, row in enumerate(rows):
        cell, height = row.cells[column], number + offset
        interval = cell.interval
        if interval is not None:
            axes.hlines(height, interval.low, interval.high, color=colour, linewidth=1.6)
        is_winner = row.winner == column
        label = name if number == 0 else None
        axes.plot(cell.mean, height, "D" if is_winner else "o", color=colour, label=label)


def write_comparison(
    folder: Path, rows: Sequence[Row], names: Sequence[str], text: str
) -> list[Path]:
    """Write `comparison.txt`, `.tex`, `.csv` and `.png`.

    Args:
        folder: Made if absent.
        rows: Of the comparison.
        names: Of the columns.
        text: What the screen shows.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture = io.BytesIO()
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("always", message="Glyph .* missing from")
        draw(rows, names).savefig(picture, format="png", dpi=110)
    if any(str(one.message).startswith("Glyph") for one in told):
        say_note("the picture's font lacks letters of these names; the tables have them")
    contents: Mapping[str, bytes] = {
        "txt": f"{text}\n".encode(),
        "tex": to_latex(rows, names).encode(),
        "csv": to_csv(rows, names).encode(),
        "png": picture.getvalue(),
    }
    files = []
    for ending, content in contents.items():
        files.append(folder / f"comparison.{ending}")
        write_atomically(files[-1], content)
    return files
