"""The picture of a run's curves."""

import pytest

from trainer.run.curves import CURVES_FILE, collect_curves, draw_curves, write_curves

LINES = [
    {"kind": "train", "step": 10, "loss": 2.0, "rte/loss": 1.5, "stsb/loss": 2.5, "rte/x": 3},
    {"kind": "validation", "step": 20, "mean": 0.5, "rte/loss": 1.0, "rte/accuracy": 0.5},
    {"kind": "train", "step": 20, "rte/loss": None, "stsb/loss": 2, "other/loss": 1.0},
    {"kind": "validation", "step": 40, "rte/loss": 0.5, "rte/accuracy": 0.75, "stsb/pearson": 0.1},
]
TASKS = ("rte", "stsb")


def test_figures_are_sorted_and_what_was_no_number_is_left_out():
    assert collect_curves(LINES, TASKS) == {
        "loss in training": {"rte": ([10], [1.5]), "stsb": ([10, 20], [2.5, 2.0])},
        "loss in validation": {"rte": ([20, 40], [1.0, 0.5])},
        "accuracy": {"rte": ([20, 40], [0.5, 0.75])},
        "pearson": {"stsb": ([40], [0.1])},
    }


def test_a_task_looks_the_same_in_every_panel_and_no_two_look_alike():
    tasks = [f"task {number}" for number in range(30)]
    curves = {task: ([1, 2], [0.0, 1.0]) for task in tasks}
    figure = draw_curves({"loss in training": curves, "f1": curves}, tasks)
    looks = [
        [(line.get_color(), line.get_linestyle()) for line in axes.get_lines()]
        for axes in figure.axes
    ]
    assert looks[0] == looks[1] and len(set(looks[0])) == 30
    assert [text.get_text() for text in figure.legends[0].get_texts()] == tasks


@pytest.mark.parametrize("lines", [[], [{"kind": "train", "step": 1, "loss": 2.0}]])
def test_without_figures_of_tasks_there_is_no_picture(tmp_path, lines):
    assert write_curves(tmp_path, lines, TASKS) == ""
    assert not list(tmp_path.iterdir())


def test_it_is_written_and_a_disk_that_refuses_is_a_line(tmp_path, monkeypatch):
    assert write_curves(tmp_path, LINES, TASKS) == ""
    assert (tmp_path / CURVES_FILE).read_bytes().startswith(b"\x89PNG")
    said = write_curves(tmp_path / "nowhere", LINES, TASKS)
    assert "curves.png could not be written: " in said and "\n" not in said
