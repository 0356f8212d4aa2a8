"""The table on the screen."""

from eval.evaluator import TaskResult
from eval.report.table import ScoredTask, format_table
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
        "task        kind            examples  metric      score  trivial",
        "rte         classification       277  accuracy   0.7500   0.5271",
        "similarity  regression         1,500  pearson    0.9000   0.0000",
        "similarity  regression         1,500  spearman  -0.1235   0.0000",
    ]


def test_without_a_training_split_there_is_nothing_to_compare_with():
    (_, line) = format_table(
        [scored("xquad", "generation", 3, {"squad_f1": 1.0}, None)]
    ).splitlines()
    assert line.split() == ["xquad", "generation", "3", "squad_f1", "1.0000", "-"]


def test_lines_end_where_their_text_ends():
    tasks = [scored("a", "generation", 1, {"bleu": 0.5}, None)]
    assert all(line == line.rstrip() for line in format_table(tasks).splitlines())
