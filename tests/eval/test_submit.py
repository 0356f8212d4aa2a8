"""`python -m eval submit`: from the benchmark's test file to the file that is handed in."""

import types

import pytest
import yaml

import eval.session as session_module
from eval.__main__ import main
from eval.predicting import asking
from eval.predicting.asking import Answer, RankedAnswer
from prep import get_task, run_command
from prep.build import BuildOptions, build_dataset
from prep.build.vocabulary_training import train_vocabulary

HEADING = "index\tsentence1\tsentence2"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of rte as far as its settings and its dataset go."""
    folder = tmp_path_factory.mktemp("submit")
    raw = folder / "raw" / "rte"
    raw.mkdir(parents=True)
    rows = ["0\tIt rains.\tIt is wet.\tentailment", "1\tIt snows.\tAnn runs.\tnot_entailment"]
    for name in ("train.tsv", "dev.tsv"):
        (raw / name).write_text("\n".join([f"{HEADING}\tlabel", *rows, ""]))
    vocabulary = folder / "spiece.model"
    texts = ["rte sentence1: It rains. sentence2: It is wet. entailment not_entailment"] * 20
    train_vocabulary(texts, vocabulary, 60, ("entailment", "not_entailment"))
    manifest = build_dataset(
        BuildOptions(
            tasks=(get_task("rte"),),
            data_dir=folder / "raw",
            vocabulary=vocabulary,
            out=folder / "data",
            max_input_length=32,
            max_target_length=8,
            workers=1,
        ),
        lambda line: None,
    )
    config = {
        "dataset": str(folder / "data"),
        "run": str(folder / "run"),
        "tasks": ["rte"],
        "seed": 0,
        "model": {"backbone": "t5", "overrides": {}, "vocabulary_size": manifest.vocabulary.size},
        "adapters": {
            "method": "bottleneck",
            "settings": {"bottleneck": {"reduction_factor": 4}},
            "train_layer_norms": False,
        },
        "data": {"batch_size": 4, "input_length": 32, "target_length": 8},
        "training": {"precision": "float32"},
        "vocabulary_sha256": manifest.vocabulary.sha256,
    }
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "run"


@pytest.fixture
def asked(monkeypatch):
    """What a model was asked, which answers in turns."""
    texts = []

    def answer(inputs):
        texts.extend(inputs)
        words = ("not_entailment", "entailment", "maybe")
        return [Answer([RankedAnswer(words[row % 3], 0.0)], {}) for row in range(len(inputs))]

    monkeypatch.setattr(session_module, "open_session", lambda *a, **k: types.SimpleNamespace())
    monkeypatch.setattr(asking, "TextAnswerer", lambda session, task: answer)
    return texts


def submit(run, file, out):
    words = ["--run", run, "--task", "rte", "--file", file, "--out", out]
    return run_command(main, ["submit", *map(str, words)])


def test_a_test_set_is_answered(run, asked, tmp_path, capsys):
    file = tmp_path / "test.tsv"
    file.write_text(f"{HEADING}\n7\tA.\tB.\n8\tC.\tD.\n9\tE.\tF.\n")
    assert submit(run, file, tmp_path / "new") == 0
    captured = capsys.readouterr()
    assert asked[0] == "rte sentence1: A. sentence2: B."
    written = tmp_path / "new" / "RTE.tsv"
    assert captured.out == f"wrote {written}\n"
    assert "1 of 3 answers could not be read; handed in as 'entailment'" in captured.err
    lines = "7\tnot_entailment\n8\tentailment\n9\tentailment\n"
    assert written.read_text() == f"index\tprediction\n{lines}"


def test_a_run_that_learned_another_wording_is_refused(run, asked, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(asking, "find_start", lambda *where: "premise:")
    file = tmp_path / "test.tsv"
    file.write_text(f"{HEADING}\n7\tA.\tB.\n")
    assert submit(run, file, tmp_path) == 2
    assert "the run learned another wording" in capsys.readouterr().err and not asked


def test_mistakes(run, tmp_path, capsys):
    assert run_command(main, ["submit", "--run", str(run), "--task", "rte"]) == 2
    assert submit(run, tmp_path / "absent.tsv", tmp_path) == 1
    error = capsys.readouterr().err.splitlines()
    assert "--file" in error[0] and "absent.tsv" in error[1]
