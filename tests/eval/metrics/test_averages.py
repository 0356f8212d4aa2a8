"""GLUE's and SuperGLUE's averages."""

import numpy as np
import pytest

from eval.metrics.averages import AVERAGES, GLUE, average_tasks
from prep import get_task


def test_glue_by_hand():
    figures = {task: dict.fromkeys(metrics, 0.5) for task, metrics in GLUE.items()}
    figures["mrpc"] = {"f1": 0.9, "accuracy": 0.7, "other": 0.0}
    # Seven tasks of 0.5 and one of 0.8.
    assert average_tasks(figures) == pytest.approx({"glue_without_wnli": (7 * 0.5 + 0.8) / 8})
    figures["wnli"] = {"accuracy": 0.8}
    assert average_tasks(figures)["glue"] == pytest.approx((7 * 0.5 + 2 * 0.8) / 9)


def test_superglue_by_hand():
    """Of three tasks the mean of two figures (Wang et al. 2019, table 3)."""
    figures = {
        "boolq": {"accuracy": 0.1},
        "cb": {"f1": 0.2, "accuracy": 0.4},
        "copa": {"accuracy": 0.5},
        "multirc": {"f1": 0.7, "group_exact_match": 0.1},
        "record": {"squad_f1": 0.9, "squad_em": 0.8},
        "superglue_rte": {"accuracy": 0.6},
        "wic": {"accuracy": 0.55},
        "wsc": {"accuracy": 0.65},
    }
    expected = (0.1 + 0.3 + 0.5 + 0.4 + 0.85 + 0.6 + 0.55 + 0.65) / 8
    assert average_tasks(figures) == pytest.approx({"superglue": expected})


def test_two_tasks_of_glue_have_two_figures_beside_mrpc():
    figures = {task: dict.fromkeys(metrics, 0.0) for task, metrics in GLUE.items()}
    figures["qqp"] = {"f1": 0.4, "accuracy": 0.8}
    figures["stsb"] = {"pearson": 0.5, "spearman": 0.7}
    assert average_tasks(figures) == pytest.approx({"glue_without_wnli": (0.6 + 0.6) / 8})


def test_a_task_or_a_metric_that_is_missing_leaves_none():
    figures = {task: dict.fromkeys(metrics, 0.5) for task, metrics in GLUE.items()}
    assert average_tasks({**figures, "stsb": {"pearson": 0.5}}) == {}
    assert average_tasks({name: figures[name] for name in ("rte", "cola")}) == {}


def test_resamples_are_averaged_one_by_one():
    of = AVERAGES["superglue"]
    figures = {task: {name: np.array([0.0, 1.0]) for name in of[task]} for task in of}
    assert average_tasks(figures)["superglue"].tolist() == [0.0, 1.0]


def test_the_tasks_of_the_catalogue_have_these_metrics():
    for of in AVERAGES.values():
        for task, metrics in of.items():
            assert set(metrics) <= set(get_task(task).metrics), task
