"""Histograms of lengths as SVG, small enough to stand in a page by the hundred."""

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_BINS = 48
_COLOURS = {"inputs": "#3b6ea5", "targets": "#7a9a3a"}
_LIMIT_COLOUR = "#b5402f"
_GREY = "#666666"
# What the page's style calls these, and draws lighter where the page is dark.
_OF_THE_PAGE = {
    _COLOURS["inputs"]: "a",
    _COLOURS["targets"]: "good",
    _LIMIT_COLOUR: "bad",
    _GREY: "quiet",
}
_NEAR = 3  # the limit is drawn to scale if the longest text reaches a third of it
# Text stays text, in the font of the page; equal histograms give equal bytes.
_STYLE: dict[str, str | float] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "prep",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.edgecolor": _GREY,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def plot_lengths(name: str, counts: np.ndarray, limit: int) -> str:
    """Draw how long the texts of a split are.

    Args:
        name: "inputs" or "targets".
        counts: int64 [longest + 1], examples by length in tokens.
        limit: The maximum length, which is marked.

    Returns:
        An `<svg>` element; empty where it would be of a single bar, which says less than words.
    """
    longest = len(counts) - 1
    end = limit if longest * _NEAR >= limit else longest
    tokens_per_bar = -(-end // _BINS)  # a whole number, or else bars differ where lengths do not
    edges = np.arange(end + 0.5, 0.5 - tokens_per_bar, -tokens_per_bar)[::-1]
    heights, _ = np.histogram(np.arange(len(counts)), bins=edges, weights=counts)
    if np.count_nonzero(heights) < 2:
        return ""
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.4, 1.75))
        axes = figure.add_axes((0.13, 0.25, 0.84, 0.6))
        axes.bar(
            edges[:-1] + tokens_per_bar / 2, heights, 0.92 * tokens_per_bar, color=_COLOURS[name]
        )
        axes.set_xlim(0.5, end + 0.5 + 0.03 * end)
        axes.set_xlabel(f"tokens of {name}", color=_GREY)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.tick_params(colors=_GREY, length=2)
        axes.spines[["top", "right"]].set_visible(False)
        if end == limit:
            axes.axvline(limit + 0.5, color=_LIMIT_COLOUR, linewidth=1.2)
        note = f"maximum {limit:,}" + ("" if end == limit else " →")
        axes.text(1, 1.06, note, color=_LIMIT_COLOUR, ha="right", transform=axes.transAxes)
        return _as_svg(figure)


def _as_svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata=_NO_METADATA, transparent=True)
    text = stream.getvalue()
    for colour, name in _OF_THE_PAGE.items():
        text = text.replace(colour, f"var(--{name})")
    return text[text.index("<svg") :]
