"""A comparison as text, LaTeX, CSV and a picture."""

import csv
import io

import numpy as np
import pytest

from eval.report.comparison import make_cell, make_row
from eval.report.comparison_files import (
    draw,
    format_comparison,
    show_p,
    to_csv,
    to_latex,
    write_comparison,
)

NAMES = ["lora_r8", "100% {ia3}"]


@pytest.fixture(scope="module")
def rows():
    spread = np.linspace(-0.01, 0.01, 100)
    better = [
        make_cell(0, [0.7, 0.8], np.stack([0.7 + spread, 0.8 + spread])),
        make_cell(1, [0.5], 0.5 + spread[None]),
    ]
    equal = [make_cell(0, [0.7, 0.7], np.stack([0.7 + spread] * 2))] * 2
    return [
        make_row("rte", "accuracy", better),
        make_row("a_task_of_a_very_long_name_that_goes_on", "group_exact_match", equal),
    ]


def test_the_text_has_winners_tests_and_80_columns(rows):
    lines = format_comparison(rows, NAMES, ["2 runs", ""]).splitlines()
    assert lines[:2] == ["A: lora_r8 (2 runs)", "B: 100% {ia3}"]
    assert max(map(len, lines)) <= 80
    table = lines[3:6]
    assert table[0].split() == ["task", "metric", "A", "B"]
    assert table[1].split() == ["rte", "accuracy", "0.7500", "±", "0.0707*", "0.5000"]
    assert "*" not in table[2]
    assert lines[6].startswith("* better than every other")
    tests = next(line for line in lines if "A − B" in line).split()
    assert tests[:6] == ["rte", "accuracy", "A", "−", "B", "+0.2500"]


def test_many_tests_say_how_many_chance_decides(rows):
    assert not format_comparison(rows * 4, NAMES, ["", ""]).endswith("by chance")
    last = format_comparison(rows * 8, NAMES, ["", ""]).splitlines()[-1]
    assert last == "8 of 16 differences are clear; were none, 0.8 would seem so by chance"


def test_no_p_value_is_nothing():
    assert [show_p(one) for one in (1.0, 0.05, 0.001, 0.0009, 0.0)] == [
        *("1.000", "0.050", "0.001", "<0.001", "<0.001")
    ]


def test_latex_is_escaped_and_winners_are_bold(rows):
    text = to_latex(rows, NAMES)
    assert r"task & metric & lora\_r8 & 100\% \{ia3\} \\" in text
    assert r"rte & accuracy & \textbf{0.7500} $\pm$ 0.0707 & 0.5000 \\" in text
    assert r"a\_task\_of\_a\_very\_long\_name\_that\_goes\_on & group\_exact\_match & " in text
    assert text.count(r"\textbf") == 1
    assert text.splitlines()[:2] == [r"% needs \usepackage{booktabs}", r"\begin{tabular}{llrr}"]


def test_csv_has_a_line_per_figure_and_column(rows):
    lines = list(csv.DictReader(io.StringIO(to_csv(rows, NAMES))))
    assert [(line["task"], line["column"], line["wins"]) for line in lines[:2]] == [
        ("rte", "lora_r8", "1"),
        ("rte", "100% {ia3}", "0"),
    ]
    assert float(lines[0]["sd"]) == pytest.approx(0.0707, abs=1e-4) and lines[1]["sd"] == ""
    assert float(lines[1]["low"]) < 0.5 < float(lines[1]["high"])


def test_figures_of_other_units_have_an_axis_of_their_own(rows):
    far = [make_cell(0, [130.0], np.full((1, 100), 130.0)), make_cell(1, [2.0], np.ones((1, 100)))]
    axes = draw([rows[0], make_row("size", "rmse", far), *rows[1:]], NAMES).axes
    labels = [[tick.get_text() for tick in one.get_yticklabels()] for one in axes]
    assert [len(one) for one in labels] == [2, 1] and labels[1] == ["size rmse"]
    assert axes[0].get_xlim()[1] < 1 and axes[1].get_xlim()[1] > 130
    assert len(draw([make_row("size", "rmse", far)], NAMES).axes) == 1


def test_letters_that_the_font_lacks_are_told_in_a_line(tmp_path, rows, capsys):
    write_comparison(tmp_path, rows, ["名", "b"], "shown")
    said = capsys.readouterr().err
    assert said.startswith("note: the picture's font lacks letters of these names")
    assert "Glyph" not in said and len(said.splitlines()) == 1


def test_all_four_are_written(tmp_path, rows):
    files = write_comparison(tmp_path / "new", rows, NAMES, "shown")
    names = [f"comparison.{ending}" for ending in ("txt", "tex", "csv", "png")]
    assert [file.name for file in files] == names
    assert files[0].read_text() == "shown\n"
    assert files[-1].read_bytes().startswith(b"\x89PNG")
