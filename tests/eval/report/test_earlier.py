"""What stays of an earlier evaluation, and why other things do not."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from eval.report.earlier import keep_others
from eval.report.files import write_report
from prep import ShardEntry, SplitEntry, TaskEntry
from tests.eval.report.test_files import Words, scored

MODEL = {"checkpoint": "best", "step": 7, "checkpoint_digest": "ab", "decoding": {"beams": 2}}
NEW = [SimpleNamespace(name="c")]


@pytest.fixture
def manifest(tmp_path):
    """Of two tasks that were scored."""
    tasks = [scored("a", {"bleu": 0.5}), scored("b", {"bleu": 1.0})]
    write_report(tmp_path, "test", tasks, Words(), {**MODEL, "batch_size": 4})
    return SimpleNamespace(tasks={task.entry.name: task.entry for task in tasks})


def test_others_stay_and_say_where_they_were_scored(tmp_path, manifest):
    kept, lost = keep_others(tmp_path, "test", {**MODEL, "batch_size": 8}, manifest, NEW)
    assert [task.name for task in kept] == ["a", "b"] and lost == []
    assert kept[0].figures["scored_with"] == {"batch_size": 4}
    more = [scored("c", {"bleu": 0.0})]
    order = ["a", "c", "b"]
    provenance = {**MODEL, "batch_size": 8}
    figures, predictions = write_report(tmp_path, "test", more, Words(), provenance, kept, order)
    document = json.loads(figures.read_text())
    assert list(document["tasks"]) == order and document["mean"] == 0.5
    lines = [json.loads(line)["task"] for line in predictions.read_text().splitlines()]
    assert lines == ["a", "a", "c", "c", "b", "b"]
    again, _ = keep_others(tmp_path, "test", {**MODEL, "batch_size": 8}, manifest, NEW)
    assert again == [kept[0], kept[1]]


def test_a_task_that_is_scored_now_is_not_kept(tmp_path, manifest):
    kept, lost = keep_others(tmp_path, "test", MODEL, manifest, [manifest.tasks["a"]])
    assert [task.name for task in kept] == ["b"] and lost == []


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"step": 9}, "they are of another checkpoint (best, step 7; now best, step 9)"),
        ({"checkpoint_digest": "cd"}, "they are of another checkpoint"),
        ({"average": ["x"]}, "they are of another checkpoint"),
        ({"decoding": {"beams": 4}}, "found with decoding {'beams': 2}, now {'beams': 4}"),
    ],
)
def test_another_model_s_figures_do_not_stay(tmp_path, manifest, now, why):
    kept, (line,) = keep_others(tmp_path, "test", {**MODEL, **now}, manifest, NEW)
    assert kept == [] and why in line
    assert line.startswith("figures of a, b in test.json are not kept: ")


def test_other_examples_and_other_predictions_do_not_stay(tmp_path, manifest):
    shard = ShardEntry("a.tfrecord", 2, 9, "00000000", 4, 4)
    splits = {"test": SplitEntry(2, (shard,), 0, 0, 2, 2, (), 0, {})}
    assert isinstance(manifest.tasks["a"], TaskEntry)
    manifest.tasks["a"] = replace(manifest.tasks["a"], splits=splits)
    file = tmp_path / "test.predictions.jsonl"
    file.write_text(file.read_text().replace("größer", "red"))
    kept, lost = keep_others(tmp_path, "test", MODEL, manifest, NEW)
    assert kept == []
    assert lost == [
        "figures of a in test.json are not kept: the dataset has other examples now",
        "figures of b in test.json are not kept: their predictions are not in "
        "test.predictions.jsonl",
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"tasks": [1]}', "{}"])
def test_of_what_cannot_be_read_nothing_stays(tmp_path, manifest, text):
    (tmp_path / "test.json").write_text(text)
    kept, (line,) = keep_others(tmp_path, "test", MODEL, manifest, NEW)
    assert kept == []
    assert line.startswith("figures of other tasks in test.json are not kept: the file cannot be")


def test_where_nothing_was_nothing_is_said(tmp_path, manifest):
    (tmp_path / "test.json").write_text('{"tasks": {}}')
    assert keep_others(tmp_path, "test", MODEL, manifest, NEW) == ([], [])
    assert keep_others(tmp_path / "new", "test", MODEL, manifest, NEW) == ([], [])


def test_what_an_earlier_version_wrote_does_not_stay(tmp_path, manifest):
    file = tmp_path / "test.json"
    file.write_text(file.read_text().replace('"checkpoint_digest"', '"other"'))
    _, (line,) = keep_others(tmp_path, "test", MODEL, manifest, NEW)
    assert "an earlier version wrote them and did not say of which weights" in line
