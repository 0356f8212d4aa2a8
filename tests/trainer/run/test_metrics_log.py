"""metrics.jsonl and the logs for TensorBoard."""

import json

import pytest
import tensorflow as tf

from prep import DataError
from trainer.run.full_disk import SpaceWait
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


def test_a_damaged_line_is_dropped_and_the_others_stay(tmp_path):
    good = b'{"step": 1, "kind": "train", "mean": 0.5}\n'
    damaged = (b"\xff\xfe{}\n", b"\0" * 400 + b"\n", b"[" * 100_000 + b"\n", b'{"step": 2\n')
    (tmp_path / "metrics.jsonl").write_bytes(good.join((b"", *damaged)))
    assert MetricsLog(tmp_path, 5).last_step("train") == 1
    assert lines(tmp_path) == [json.loads(good)] * 4


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


def test_what_is_no_number_is_null_with_a_reason(tmp_path):
    """Python would write NaN, which no JSON reader but its own takes."""
    log = MetricsLog(tmp_path, 0)
    log.write("validation", 5, {"loss": float("nan"), "mean": 0.5, "rte/f1": float("-inf")})
    (line,) = lines(tmp_path)
    assert line["loss"] is None and line["rte/f1"] is None and line["mean"] == 0.5
    assert line["not_finite"] == {"loss": "nan", "rte/f1": "-inf"}
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_file_of_an_earlier_version_is_mended(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 5, "loss": NaN}\n')
    MetricsLog(tmp_path, 5)
    expected = {"kind": "train", "step": 5, "loss": None, "not_finite": {"loss": "nan"}}
    assert lines(tmp_path) == [expected]
    MetricsLog(tmp_path, 5)  # and stays as it is
    assert lines(tmp_path) == [expected]


def test_the_last_step_of_a_kind(tmp_path):
    log = MetricsLog(tmp_path, 0)
    assert log.last_step("validation") == 0
    log.write("validation", 5, {"mean": 0.5})
    log.write("train", 8, {"loss": 0.5})
    assert (log.last_step("validation"), log.last_step("train")) == (5, 8)


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    log = MetricsLog.__new__(MetricsLog)
    log.file, log.wait = tmp_path / "metrics.jsonl", SpaceWait()
    with pytest.raises(OSError, match=r"No space left on device: '.*metrics.jsonl'"):
        log.write("train", 5, {"loss": 0.5})
    (tmp_path / "metrics.jsonl").unlink()
    log = MetricsLog(tmp_path, 0)

    def flush():
        raise tf.errors.UnknownError(None, None, "logs/events; No space left on device")

    monkeypatch.setattr(log.summaries, "flush", flush)
    with pytest.raises(DataError, match=r"^disk full: the curves of step 5 could .*logs; the"):
        log.write("train", 5, {"loss": 0.5})
