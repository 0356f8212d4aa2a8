"""The table on the screen."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from eval.evaluator import TaskResult
from eval.metrics.answers import pair_answers
from eval.metrics.registry import score
from eval.metrics.rouge import rouge_words
from eval.report.scored_task import ScoredTask
from eval.report.table import format_table
from prep import TaskEntry


def scored(name, kind, examples, metrics, baseline):
    entry = TaskEntry(name, kind, (), (), tuple(metrics), 1, 1, {})
    return ScoredTask(entry, None, TaskResult(name, examples, metrics, [], 0), baseline)


def test_a_line_per_task_and_metric_in_aligned_columns():
    tasks = [
        scored("rte", "classification", 277, {"accuracy": 0.75}, {"accuracy": 0.5271}),
        scored(
            "similarity",
            "regression",
            1500,
            {"pearson": 0.9, "spearman": -0.12345},
            {"pearson": 0.0, "spearman": 0.0},
        ),
    ]
    assert format_table(tasks).splitlines() == [
        "task        examples  metric      score  95% interval  s.e.  trivial",
        "rte              277  accuracy   0.7500             -     -   0.5271",
        "similarity     1,500  pearson    0.9000             -     -   0.0000",
        "similarity     1,500  spearman  -0.1235             -     -   0.0000",
    ]


def with_answers(answers, kind="classification", name="rte", words=None):
    names = ("accuracy",) if words is None else tuple(words)
    entry = TaskEntry(name, kind, (), (), names, 1, 1, {})
    figures = score(names, answers)
    count = len(answers.predictions)
    result = TaskResult(name, count, figures, [], answers.unreadable, words or {}, answers=answers)
    return ScoredTask(entry, None, result, None)


def test_figures_have_intervals_and_standard_errors():
    answers = pair_answers([1] * 400, [1, 1, 1, 0] * 100, 2)
    _, line = format_table([with_answers(answers)]).splitlines()
    task, examples, metric, figure, interval, error, trivial = line.split()
    assert (task, examples, metric, figure, trivial) == ("rte", "400", "accuracy", "0.7500", "-")
    low, high = map(float, interval.split("–"))
    assert (low, high) == pytest.approx((0.708, 0.792), abs=0.006)
    assert float(error) == pytest.approx((0.75 * 0.25 / 400) ** 0.5, abs=0.001)


def test_it_is_no_wider_than_a_terminal():
    metrics = dict.fromkeys(("group_exact_match", "f1"), 0.5)
    name = "a_task_of_a_very_long_name_indeed_which_does_not_fit"
    answers = pair_answers([1, 0], [1, 1], 2, groups=np.array([1, 2]))
    entry = TaskEntry(name, "classification", (), (), tuple(metrics), 1, 1, {})
    result = TaskResult(name, 123456, metrics, [], 0, answers=answers)
    lines = format_table([ScoredTask(entry, None, result, metrics)]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("a_task_of_") and "…" in lines[1]


def test_an_interval_without_width_says_what_others_may_do():
    answers = pair_answers([1, 0] * 20, [1, 0] * 20, 2)
    task = with_answers(answers)
    assert task.unvaried == {"accuracy": pytest.approx(stats.beta.ppf(0.975, 1, 40))}
    *_, first, second = format_table([task]).splitlines()
    told = "no resample changes accuracy: its interval tells nothing; of other examples"
    assert (first, second) == (f"rte: {told}", "  up to 8.8% may be answered otherwise")
    also = with_answers(pair_answers([0] * 40, [1] * 40, 2), name="cb")  # one note of both
    *_, first, second = format_table([task, also]).splitlines()
    assert f"{first}{second}".count("no resample changes") == 1 and first.startswith("rte, cb: ")
    in_pairs = dataclasses.replace(answers, groups=np.arange(40) // 20)  # two, drawn whole
    assert with_answers(in_pairs).unvaried == {"accuracy": pytest.approx(1 - 0.025**0.5)}
    assert with_answers(pair_answers([1, 0], [1, 1], 2)).unvaried == {}
    # What cannot judge is said by another line.
    alike = pair_answers([1, 1], [1, 1], 2)
    assert "matthews" not in with_answers(alike, words=("matthews",)).unvaried


def test_answers_that_cannot_be_read_are_shown_with_the_rule():
    answers = dataclasses.replace(
        pair_answers([1, 0, 1], [1, 0, -1], 2), is_readable=np.array([True, True, False])
    )
    *_, note = format_table([with_answers(answers)]).splitlines()
    assert note == "rte: 1 of 3 answers could not be read; each counts as wrong"
    answers = dataclasses.replace(
        pair_answers([1.0, 0.0], [1.0, -1.0]), is_readable=np.array([1, 0], bool)
    )
    *_, note = format_table([with_answers(answers, "regression")]).splitlines()
    assert note == "rte: 1 of 2 answers could not be read; each counts as −1"


def test_a_metric_that_cannot_judge_says_so():
    answers = pair_answers([1.0, 2.0], [3.0, 3.0])
    task = with_answers(answers, "regression", words={"pearson": "13a"})
    *_, note = format_table([task]).splitlines()
    assert note == "rte: pearson cannot judge: all given answers are the same"


def test_words_that_several_figures_count_are_named_once():
    answers = pair_answers(["кот", "дом"], ["кот", "лес"])
    words = dict.fromkeys(("rouge_1", "rouge_l"), "any-script")
    *_, note = format_table([with_answers(answers, "generation", words=words)]).splitlines()
    assert note == "rte: rouge_1, rouge_l count words of 'any-script'"
    english = pair_answers(["a cat"], ["a dog"])
    usual = {"rouge_1": rouge_words(english), "rouge_1_unstemmed": rouge_words(english, False)}
    text = format_table([with_answers(english, "generation", words=usual)])
    assert list(usual.values()) == ["rouge-score, stemmed", "rouge-score, unstemmed"]
    assert "words of" not in text


def test_without_a_training_split_there_is_nothing_to_compare_with():
    (_, line) = format_table(
        [scored("xquad", "generation", 3, {"squad_f1": 1.0}, None)]
    ).splitlines()
    assert line.split() == ["xquad", "3", "squad_f1", "1.0000", "-", "-", "-"]


def test_lines_end_where_their_text_ends():
    tasks = [scored("a", "generation", 1, {"bleu": 0.5}, None)]
    assert all(line == line.rstrip() for line in format_table(tasks).splitlines())
