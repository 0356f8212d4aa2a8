"""metrics.jsonl and the logs for TensorBoard."""

import json

import tensorflow as tf

from trainer.run.metrics_log import MetricsLog


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_line_per_call(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write("train", 5, {"loss": 0.5, "rte/loss": 0.25})
    log.write("validation", 10, {"mean": 1.0})
    assert lines(tmp_path) == [
        {"kind": "train", "step": 5, "loss": 0.5, "rte/loss": 0.25},
        {"kind": "validation", "step": 10, "mean": 1.0},
    ]


def test_lines_of_a_part_that_was_lost_are_dropped(tmp_path):
    """The run was killed at step 25 and goes on from the checkpoint of step 20."""
    log = MetricsLog(tmp_path, 0)
    for step in (10, 20, 25):
        log.write("train", step, {"loss": step / 10})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "st')  # the kill came in the middle of a line
    MetricsLog(tmp_path, 20).write("train", 30, {"loss": 3.0})
    assert [line["step"] for line in lines(tmp_path)] == [10, 20, 30]


def test_a_line_of_something_else_is_dropped(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train"}\n{"step": 1, "kind": "train"}\n')
    MetricsLog(tmp_path, 5)
    assert lines(tmp_path) == [{"step": 1, "kind": "train"}]


def test_tensorboard_has_the_same_figures(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write("train", 5, {"loss": 0.5, "rte/loss": 0.25})
    (file,) = (tmp_path / "logs").glob("events*")
    records = tf.data.TFRecordDataset(str(file))
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    found = {
        value.tag: (event.step, float(tf.make_ndarray(value.tensor)))
        for event in events
        for value in event.summary.value
    }
    assert found == {"train/loss": (5, 0.5), "train/rte/loss": (5, 0.25)}
