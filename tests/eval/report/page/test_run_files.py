"""What a report reads of a run."""

import json

import numpy as np
import pytest

from adapters_tf.files.embeddings_file import save_embeddings
from eval.report.page.run_files import name_runs, read_log, read_similarity
from prep import DataError, UsageError


def test_a_run_is_read_as_it_was_written(written, read_back, run_of):
    assert read_back(written()) == run_of("runs/x")


def test_a_run_that_was_not_scored_is_refused_with_the_command(tmp_path, read_back):
    with pytest.raises(UsageError, match=r"no eval/validation.json; score .*--run runs/x --split"):
        read_back(tmp_path)


def test_predictions_that_are_not_all_there_are_refused(written, read_back):
    folder = written()
    file = folder / "eval" / "validation.predictions.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[1:]))
    with pytest.raises(DataError, match="3 predictions of task 'colour', and the figures are of 4"):
        read_back(folder)
    file.write_text('{"task": "colour", "example": 0, "input": "x", "target": "y"}\n')
    with pytest.raises(DataError, match="line 1: there is no field 'prediction'"):
        read_back(folder)
    file.write_text("[1")
    with pytest.raises(DataError, match=r"line 1: expected a JSON object, got '\[1'"):
        read_back(folder)
    file.write_text("7\n")
    with pytest.raises(DataError, match="line 1: expected a JSON object, got '7'"):
        read_back(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "expected figures of .*: there are no 'tasks'"),
        ("[]", "expected figures of"),
        pytest.param("[" * 100_000, "expected figures of", id="nested"),
        ("{", "expected figures of"),
        ('{"tasks": {"a": {"kind": "generation"}}}', "task 'a' has no examples"),
    ],
)
def test_figures_that_are_none_are_refused(written, read_back, text, said):
    folder = written()
    (folder / "eval" / "validation.json").write_text(text)
    with pytest.raises(DataError, match=said):
        read_back(folder)


def test_half_a_line_of_the_log_is_left_out(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_log(file) == []
    file.write_text(json.dumps({"kind": "train", "step": 1}) + '\n[]\n{"kind": "tr')
    assert read_log(file) == [{"kind": "train", "step": 1}]


def test_similarity_is_the_cosine_in_the_order_of_the_report(tmp_path):
    vectors = np.array([[3.0, 4.0], [1.0, 1.0], [0.0, 2.0]], np.float32)
    save_embeddings(tmp_path / "e.npz", ["a", "other", "b"], vectors)
    names, cosines = read_similarity(tmp_path / "e.npz", ["b", "a", "c"])
    assert names == ["b", "a"]
    np.testing.assert_allclose(cosines, [[1, 0.8], [0.8, 1]], atol=1e-6)


def test_runs_are_named_after_their_folders_where_that_tells_them_apart():
    assert name_runs(["runs/a/", "runs/b"]) == ["a", "b"]
    assert name_runs(["x/run", "y/run"]) == ["x/run", "y/run"]
