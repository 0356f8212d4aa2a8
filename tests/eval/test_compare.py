"""`python -m eval compare`: what runs were scored with, read back from their folders."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from eval.__main__ import main
from eval.compare import name_columns, note_unjudged
from eval.evaluator import Prediction, TaskResult
from eval.metrics.answers import gather_answers, pair_answers, target_texts
from eval.metrics.registry import score
from eval.report.compared_runs import gather_run_answers, read_scored_run
from eval.report.files import write_report
from eval.report.scored_task import ScoredTask
from prep import DataError, Vocabulary, load_manifest, read_split, run_command

SPLIT = "validation"
# Of the label words of colour, as a program gives them; the next below 1 is told from 1.
SHARES = tuple(np.float32([1.23456789e-9, np.nextafter(np.float32(1), 0)]).tolist())


@pytest.fixture(scope="module")
def make_run(dataset, tmp_path_factory):
    """Write a run that answered some examples wrongly, as the evaluation leaves it."""
    manifest = load_manifest(dataset)
    vocabulary = Vocabulary(dataset / "spiece.model", 0)
    root = tmp_path_factory.mktemp("runs")

    def make(name, wrong, seed=0, tasks=("colour", "copy"), **document):
        folder = root / name
        scored = []
        for task in tasks:
            entry, table = manifest.task(task), read_split(dataset, manifest, task, SPLIT)
            targets = target_texts(entry, table, vocabulary)
            texts = ["maybe" if row < wrong else target for row, target in enumerate(targets)]
            answers = gather_answers(entry, table, targets, texts, vocabulary)
            shares = SHARES if entry.label_words else ()
            predictions = [
                Prediction(
                    int(table.examples[row]), row, targets[row], text, (), probabilities=shares
                )
                for row, text in enumerate(texts)
            ]
            predictions.sort(key=lambda one: one.example)
            figures = score(entry.metrics, answers)
            result = TaskResult(task, len(table), figures, predictions, 0, answers=answers)
            scored.append(ScoredTask(entry, table, result, None))
        place = {"dataset": str(dataset), **document}
        write_report(folder / "eval", SPLIT, scored, vocabulary, place)
        config = {
            "dataset": str(dataset),
            "run": str(folder),
            "tasks": list(tasks),
            "seed": seed,
            "model": {"backbone": "t5", "overrides": {}, "vocabulary_size": 16},
            "adapters": {
                "method": "bottleneck",
                "settings": {"bottleneck": {"reduction_factor": 8 if name == "wide" else 4}},
                "train_layer_norms": False,
            },
            "training": {"precision": "float32"},
            "data": {"batch_size": 4, "input_length": 6, "target_length": 6},
            "vocabulary_sha256": vocabulary.sha256,
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return str(folder)

    return make


@pytest.fixture(scope="module")
def runs(make_run):
    return {
        "good": make_run("narrow-seed1", 0),
        "fair": make_run("narrow-seed2", 1, seed=1),
        "bad": make_run("wide", 9),
    }


def shown(capsys, *arguments):
    assert run_command(main, ["compare", *arguments]) == 0
    return capsys.readouterr().out


def test_the_better_run_wins(runs, capsys, tmp_path):
    out = shown(capsys, runs["good"], runs["bad"], "--out", str(tmp_path))
    lines = out.splitlines()
    assert lines[:2] == ["A: narrow-seed1", "B: wide"]
    table = {line.split()[0]: line.split()[1:] for line in lines[3:7]}
    # 9 of 13 are wrong; the mean is over both tasks.
    assert table["colour"] == ["accuracy", "1.0000*", "0.3077"]
    assert table["copy"] == ["exact_match", "1.0000*", "0.3077"]
    assert table["mean"] == ["1.0000*", "0.3077"]
    assert lines[-1].endswith("comparison.png") and (tmp_path / "comparison.csv").exists()


def test_probabilities_are_read_back_as_they_were(runs, dataset):
    run = read_scored_run("good", Path(runs["good"]), SPLIT)
    answers = gather_run_answers([run], ["colour", "copy"], str(dataset))
    assert answers["colour"][0].probabilities.tolist() == [list(SHARES)] * 13
    assert answers["copy"][0].probabilities is None


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("json", "}", "", r"validation\.json: expected figures of .*score the run again"),
        (
            "json",
            '"tasks"',
            '"task"',
            r"validation\.json: expected figures of .*: there are no 'tasks'",
        ),
        ("json", '"metrics"', '"metric"', "task 'colour' has no metrics"),
        (
            "json",
            '"accuracy": ',
            '"accuracy": "1", "f": ',
            "accuracy of task 'colour' is no number",
        ),
        ("predictions.jsonl", "}", "", r"predictions\.jsonl, line 1: expected a JSON object, got"),
        ("predictions.jsonl", '"example": 1,', "", "line 2: there is no field 'example'"),
        ("predictions.jsonl", '"maybe"', '"no"', "'colour' are of other predictions; score"),
        ("predictions.jsonl", '"yes": ', '"yea": ', "probabilities of yea, no"),
    ],
)
def test_damaged_files_are_refused(make_run, dataset, name, old, new, message):
    folder = Path(make_run("damaged", 2))
    file = folder / "eval" / f"{SPLIT}.{name}"
    file.write_text(file.read_text().replace(old, new))
    if "yea" in new:  # in files of before, which had no digest
        figures = file.with_name(f"{SPLIT}.json")
        figures.write_text(figures.read_text().replace("predictions_digest", "x"))
    with pytest.raises(DataError, match=message):
        gather_run_answers([read_scored_run("damaged", folder, SPLIT)], ["colour"], str(dataset))


def test_runs_that_differ_in_the_seed_are_one_column(runs, capsys):
    words = [runs["good"], runs["bad"], runs["fair"], "--group-by", "settings", "--tasks", "colour"]
    assert run_command(main, ["compare", *words]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[:2] == ["A: narrow (2 runs)", "B: wide"]
    apart = "adapters.settings.bottleneck.reduction_factor"
    assert said.err.strip() == f"note: columns differ in {apart}"
    # 13 and 12 of 13.
    assert lines[4].split() == ["colour", "accuracy", "0.9615", "±", "0.0544*", "0.3077"]


def test_a_copy_of_a_run_is_no_other_seed(make_run, capsys):
    same = [make_run(f"copy{number}", 2, checkpoint_digest="ab12") for number in range(2)]
    assert run_command(main, ["compare", *same, "--group-by", "settings"]) == 2
    assert "have the same weights, so they are not two seeds" in capsys.readouterr().err
    assert run_command(main, ["compare", *same]) == 0


def test_tasks_that_can_be_compared_are_named(make_run, runs, capsys):
    run = Path(make_run("other", 2))
    file = run / "eval" / f"{SPLIT}.json"
    document = json.loads(file.read_text())
    document["tasks"]["copy"]["examples_digest"] = "00"
    file.write_text(json.dumps(document))
    assert run_command(main, ["compare", runs["good"], str(run)]) == 2
    said = capsys.readouterr().err
    assert "task 'copy': " in said and "or compare the others alone: --tasks colour\n" in said
    assert "colour" in shown(capsys, runs["good"], str(run), "--tasks", "colour")


def test_the_runs_of_a_sweep_are_named(runs, capsys):
    sweep = Path(runs["good"]).parent
    assert run_command(main, ["compare", str(sweep)]) == 2
    said = capsys.readouterr().err
    assert f"{sweep} is a folder of runs: name some of " in said and runs["bad"] in said
    assert run_command(main, ["compare", runs["good"]]) == 2
    assert capsys.readouterr().err == "error: compare takes two runs or more\n"


def test_figures_of_earlier_weights_are_refused(make_run, runs, capsys):
    run = make_run("grown", 2, step=3, checkpoint="best", checkpoint_digest="ab12")
    best = Path(run) / "best"
    best.mkdir()
    (best / "ckpt-150.index").write_bytes(b"newer weights")
    assert run_command(main, ["compare", runs["good"], run]) == 2
    said = capsys.readouterr().err
    assert f"{run}: its figures are of step 3, and its best checkpoint is of step 150 now" in said
    assert f"score it anew: python -m eval --run {run} --split validation\n" in said
    digest = hashlib.sha256(b"newer weights").hexdigest()
    make_run("grown", 2, step=150, checkpoint="best", checkpoint_digest=digest)
    assert "B: grown (step 150)" in shown(capsys, runs["good"], run)


def test_what_a_metric_cannot_judge_is_said():
    judged = pair_answers([1.0, 2.0], [3.0, 4.0])
    constant = pair_answers([1.0, 2.0], [3.0, 3.0])
    notes = note_unjudged(
        ["a", "b", "c"], {"size": ["pearson", "mae"]}, {"size": [judged, constant, constant]}
    )
    assert notes == ["size: pearson cannot judge b, c: all given answers are the same"]


def test_all_metrics(runs, capsys):
    out = shown(capsys, runs["good"], runs["bad"], "--metrics", "all", "--tasks", "colour")
    assert [line.split()[1] for line in out.splitlines()[4:6]] == ["accuracy", "f1"]


def test_tasks_of_some_runs_alone_are_left_out_and_named(runs, make_run, capsys):
    alone = make_run("one-task", 3, tasks=("copy",))
    assert run_command(main, ["compare", runs["good"], alone]) == 0
    captured = capsys.readouterr()
    assert "not compared, for not all runs have them: colour" in captured.err
    assert "colour" not in captured.out


def test_runs_that_were_scored_otherwise_are_named(runs, make_run, capsys):
    last = make_run("last", 3, checkpoint="last")
    assert run_command(main, ["compare", runs["good"], runs["bad"], last]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("scored otherwise: ") == 1
    assert f'scored otherwise: checkpoint is "last" of {last}, null of {runs["good"]}' in said


def test_what_cannot_be_compared(runs, make_run, tmp_path, capsys):
    def refused(*arguments):
        assert run_command(main, ["compare", *arguments]) == 2
        return capsys.readouterr().err

    good = runs["good"]
    assert "compare takes two runs or more" in refused(good)
    assert "a run is named twice" in refused(good, good)
    assert "a run is named twice" in refused(good, f"{good}/../{Path(good).name}")
    message = refused(good, runs["bad"], "--split", "test")
    assert (
        f"there is no eval/test.json; score the run first: python -m eval --run {good}" in message
    )
    assert "on task 'color'; did you mean 'colour'?" in refused(
        good, runs["bad"], "--tasks", "color"
    )
    other = make_run("other", 2)
    file = Path(other) / "eval" / f"{SPLIT}.json"
    document = json.loads(file.read_text())
    document["tasks"]["copy"]["examples_digest"] = "00"
    file.write_text(json.dumps(document))
    assert "task 'copy': " in refused(good, other)
    del document["tasks"]["copy"]["examples_digest"]
    file.write_text(json.dumps(document))
    assert "written by an earlier version" in refused(good, other)


def test_a_folder_of_runs_is_none(runs, capsys):
    folder = Path(runs["good"]).parent
    assert run_command(main, ["compare", runs["good"], str(folder)]) == 2
    said = capsys.readouterr().err
    assert f"{folder} is a folder of runs: name some of " in said and runs["bad"] in said


def test_columns_are_named_after_folders():
    assert name_columns([["runs/a"], ["runs/b/"]]) == ["a", "b"]
    assert name_columns([["x/run"], ["y/run"]]) == ["x/run", "y/run"]
    sweep = [[f"r/seed={seed},method={name}" for seed in (0, 1)] for name in ("lora", "ia3")]
    assert name_columns(sweep) == ["method=lora", "method=ia3"]
    assert name_columns([["r/seed=0", "r/seed=1"], ["r/x"]]) == ["r", "x"]
    assert name_columns([["r/narrow-seed=1", "r/narrow-seed=2"], ["r/ia3"]]) == ["narrow", "ia3"]


def test_figures_that_not_all_runs_have_are_said_and_the_others_compared(make_run, capsys):
    runs = [
        make_run("answers in words", 2, tasks=("colour",)),
        make_run("free", 3, tasks=("colour",)),
    ]
    file = Path(runs[1], "eval", f"{SPLIT}.json")
    figures = json.loads(file.read_text())
    del figures["tasks"]["colour"]["metrics"]["f1"]
    file.write_text(json.dumps(figures))
    for pair in (runs, runs[::-1]):
        words = ["compare", *map(str, pair), "--metrics", "all"]
        assert run_command(main, words) == 0
        said = capsys.readouterr()
        assert "colour: not compared, for not all runs have them: f1" in said.err
        assert "accuracy" in said.out and "f1" not in said.out
