import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from eval import __main__ as evaluate
from eval import predict
from eval.decoding.options import Decoding
from eval.predicting.asking import table_of_texts, usual_start
from prep import Vocabulary, load_manifest, run_command
from prep.dataset.digests import task_digest

pytestmark = pytest.mark.slow


def run(module, *arguments):
    return run_command(module.main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def scored(run_folder):
    assert run(evaluate, "--run", run_folder) == 0
    return run_folder / "eval"


def test_figures_are_written(scored):
    document = json.loads((scored / "validation.json").read_text())
    assert (document["split"], document["checkpoint"], document["step"]) == (
        "validation",
        "best",
        42,
    )
    assert list(document["tasks"]) == ["colour", "pick", "grade", "copy"]
    colour = document["tasks"]["colour"]
    assert (colour["kind"], colour["examples"]) == ("classification", 13)
    assert list(colour["metrics"]) == ["accuracy", "f1"] == list(colour["trivial_baseline"])
    main = [next(iter(task["metrics"].values())) for task in document["tasks"].values()]
    assert document["mean"] == pytest.approx(sum(main) / 4)
    assert {"python", "tensorflow", "transformers", "scikit-learn"} <= set(document["versions"])


def test_predictions_are_written_in_the_source_order(scored):
    text = (scored / "validation.predictions.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["task"] for record in records] == [
        task for task in ("colour", "pick", "grade", "copy") for _ in range(13)
    ]
    copies = records[-13:]
    assert [record["example"] for record in copies] == list(range(13))
    assert all(record["input"] == record["target"] for record in copies)
    assert len({record["input"] for record in copies}) > 5
    right = sum(record["prediction"] == record["target"] for record in records[:13])
    figures = json.loads((scored / "validation.json").read_text())
    assert figures["tasks"]["colour"]["metrics"]["accuracy"] == pytest.approx(right / 13)


def test_tasks_scored_one_by_one_are_those_scored_together(scored, run_folder, tmp_path, capsys):
    mine = tmp_path / "run"
    shutil.copytree(run_folder, mine, ignore=shutil.ignore_patterns("eval"))
    for names in ("copy,pick", "grade,grade", "colour"):
        assert run(evaluate, "--run", mine, "--tasks", names) == 0
    assert "stays what was found of pick, grade, copy with the same" in capsys.readouterr().out
    one, other = (
        json.loads((at / "validation.json").read_text()) for at in (scored, mine / "eval")
    )
    assert list(one["intervals"]) == ["mean"]  # of what stayed, too
    assert {**one, "run": ""} == {**other, "run": ""} and list(one["tasks"]) == list(other["tasks"])
    name = "validation.predictions.jsonl"
    assert (scored / name).read_bytes() == (mine / "eval" / name).read_bytes()
    assert run(evaluate, "--run", mine, "--tasks", "copy", "--checkpoint", "none") == 0
    said = capsys.readouterr().err
    assert "figures of colour, pick, grade in validation.json are not kept: they are of" in said
    assert "another checkpoint (best, step 42; now none, step 0)" in said
    assert list(json.loads((mine / "eval" / "validation.json").read_text())["tasks"]) == ["copy"]


def test_running_again_writes_the_same_bytes(scored, run_folder):
    before = {path.name: path.read_bytes() for path in scored.iterdir()}
    assert run(evaluate, "--run", run_folder) == 0
    assert {path.name: path.read_bytes() for path in scored.iterdir()} == before


def test_figures_of_another_dataset_lie_beside_the_run_s_own(
    scored, run_folder, dataset, tmp_path, capsys
):
    mine, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run_folder, mine)
    shutil.copytree(dataset, other)
    before = {path.name: path.read_bytes() for path in (mine / "eval").iterdir()}
    page = (mine / "report.html").read_bytes()
    assert run(evaluate, "--run", mine, "--dataset", other, "--tasks", "copy") == 0
    said = capsys.readouterr()
    assert "other is not the dataset the run was trained on; its figures go to" in said.err
    (folder,) = (path for path in (mine / "eval").iterdir() if path.is_dir())
    assert folder.name.startswith("other-") and str(folder / "validation.json") in said.out
    assert list(json.loads((folder / "validation.json").read_text())["tasks"]) == ["copy"]
    after = {path.name: path.read_bytes() for path in (mine / "eval").iterdir() if path != folder}
    assert after == before and (mine / "report.html").read_bytes() == page


def test_free_answers_to_a_task_with_probabilities_are_the_run_s_own(
    run_folder, dataset, tmp_path, capsys
):
    mine, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(run_folder, mine, ignore=shutil.ignore_patterns("eval"))
    shutil.copytree(dataset, data)
    manifest = json.loads((data / "dataset.json").read_text())
    manifest["tasks"]["colour"]["metrics"] = ["accuracy", "log_loss"]
    (data / "dataset.json").write_text(json.dumps(manifest))
    digest = task_digest(load_manifest(data).task("colour"), ("train", "validation"))
    config = yaml.safe_load((mine / "config.yaml").read_text())
    config |= {"dataset": str(data), "fingerprints": {"dataset.colour": digest}}
    (mine / "config.yaml").write_text(yaml.safe_dump(config))
    assert run(evaluate, "--run", mine, "--tasks", "colour", "--free-answers") == 0
    said = capsys.readouterr().err
    assert "colour: free answers have no probabilities, so no log_loss" in said
    assert "not the dataset" not in said
    figures = json.loads((mine / "eval" / "validation.json").read_text())
    assert list(figures["tasks"]["colour"]["metrics"]) == ["accuracy"]


def test_the_table_and_the_files_are_shown(run_folder, capsys):
    code = run(evaluate, "--run", run_folder, "--split", "train", "--tasks", "grade,colour")
    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0] == "scoring the best checkpoint, of step 42"
    header, *rows = (line.split() for line in lines[1:6])
    assert header == ["task", "examples", "metric", "score", "95%", "interval", "s.e.", "trivial"]
    assert [row[0] for row in rows] == ["grade", "grade", "colour", "colour"]
    assert rows[2][1:3] == ["13", "accuracy"] and rows[2][-1] == "0.5385"
    files = ["eval/train.json", "eval/train.predictions.jsonl", "eval/train.report.html"]
    assert lines[-4:] == [f"wrote {run_folder}/{file}" for file in [*files, "report.html"]]
    page = Path(run_folder, "report.html").read_text()
    assert "<h1>" in page and page == Path(run_folder, files[-1]).read_text()


def test_texts_are_answered_as_the_split_was(scored, run_folder, capsys):
    records = map(json.loads, (scored / "validation.predictions.jsonl").read_text().splitlines())
    copies = [record for record in records if record["task"] == "copy"][:5]
    texts = [word for record in copies for word in ("--text", record["input"])]
    assert run(predict, "--run", run_folder, "--task", "copy", *texts) == 0
    answers = capsys.readouterr().out.splitlines()
    assert answers == [record["prediction"] for record in copies]


def test_answers_are_searched_for_with_beams_and_the_file_says_so(
    scored, run_folder, tmp_path, capsys
):
    greedy = json.loads((scored / "validation.json").read_text())
    assert greedy["decoding"] == {"strategy": "greedy", "labels": "restricted"}
    lengths = {name: task["decoding_length"] for name, task in greedy["tasks"].items()}
    assert lengths == {"colour": 0, "pick": 0, "grade": 4, "copy": 6}
    mine = tmp_path / "run"
    shutil.copytree(run_folder, mine)
    options = ["--beams", "3", "--length-penalty", "0.6", "--tasks", "copy"]
    assert run(evaluate, "--run", mine, *options) == 0
    document = json.loads((mine / "eval" / "validation.json").read_text())
    assert document["decoding"] == {
        "strategy": "beams",
        "beams": 3,
        "length_penalty": 0.6,
        "n_best": 1,
        "early_stopping": False,
        "labels": "restricted",
    }
    lines = (mine / "eval" / "validation.predictions.jsonl").read_text().splitlines()
    record = json.loads(lines[0])
    capsys.readouterr()
    words = ["--task", "copy", "--text", record["input"], *options[:4], "--n-best", "3"]
    assert run(predict, "--run", mine, *words) == 0
    ranked = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [rank for rank, *_ in ranked] == ["1", "2", "3"]
    assert ranked[0][2] == record["prediction"]
    scores = [float(score) for _, score, _ in ranked]
    assert scores == sorted(scores, reverse=True) and scores[0] < 0


def test_answers_are_drawn_alike_for_the_same_seed(run_folder, tmp_path, capsys):
    mine = tmp_path / "run"
    shutil.copytree(run_folder, mine, ignore=shutil.ignore_patterns("eval"))
    options = ["--temperature", "1.5", "--top-k", "40", "--seed", "3", "--min-new-tokens", "2"]
    assert run(evaluate, "--run", mine, "--tasks", "copy", *options) == 0
    document = json.loads((mine / "eval" / "validation.json").read_text())
    assert document["decoding"] == {
        "strategy": "sampling",
        "samples": 1,
        "temperature": 1.5,
        "top_k": 40,
        "top_p": 1.0,
        "seed": 3,
        "min_new_tokens": 2,
        "labels": "restricted",
    }
    lines = (mine / "eval" / "validation.predictions.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    file = tmp_path / "texts.txt"
    file.write_text("".join(record["input"] + "\n" for record in records))
    words = ["--run", mine, "--task", "copy", "--file", file, *options]
    answers = []
    for batch, seed in (("1", "3"), ("5", "3"), ("5", "4")):
        capsys.readouterr()
        assert run(predict, *words, "--batch-size", batch, "--seed", seed) == 0
        answers.append(capsys.readouterr().out.splitlines())
    assert answers[0] == answers[1] == [record["prediction"] for record in records]
    assert answers[2] != answers[0]
    assert run(predict, *words, "--n-best", "3") == 0
    ranks = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert ranks == ["1", "2", "3"] * len(records)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "color"], "the run has no task 'color'; did you mean 'colour'?"),
        (["--split", "validatoin"], "has a split 'validatoin'; did you mean 'validation'?"),
        (["--tasks", "copy", "--split", "test"], "task 'copy' has no split 'test'"),
        (["--causal-qa", "x.json"], "file of one task; choose it with --tasks of colour, pick"),
        (["--causal-qa", "x.json", "--tasks", "grade"], "the answers of grade are numbers"),
        (["--batch-size", "0"], "a batch of 0 cannot be divided"),
        (["--checkpoint", "newest"], "argument --checkpoint: there is no 'newest'"),
        (["--taks", "copy"], "unknown option --taks; did you mean '--tasks'?"),
        (["--batch-size", "many"], "invalid int value: 'many'"),
        (["--length-penalty", "2"], "--length-penalty goes with --beams: say how many"),
        (["--beams", "0"], "--beams is 0; expected 1 or more"),
        (["--beams", "2", "--early-stopping", "nevre"], "there is no 'nevre'"),
        (["--beams", "2", "--top-k", "5"], "--beams searches and --sample draws"),
        (["--seed", "2"], "--seed goes with --sample"),
        (
            ["--tasks", "grade,copy", "--min-new-tokens", "4"],
            "an answer of task 'grade' has at most 4 tokens, its end included",
        ),
    ],
)
def test_mistakes_in_use_exit_with_two(run_folder, capsys, arguments, message):
    assert run(evaluate, "--run", run_folder, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "coyp", "--text", "red"], "the run has no task 'coyp'; did you mean 'copy'?"),
        (["--task", "copy", "--text", " "], "--text is empty"),
        (["--task", "copy", "--text", "red", "--n-best", "2"], "--n-best goes with --beams"),
        (
            ["--task", "copy", "--text", "red", "--beams", "2", "--n-best", "3"],
            "--n-best is 3; expected 1 to 2, the number of beams",
        ),
        (["--task", "copy", "--file", "nothing.csv"], "there is no file nothing.csv"),
        (["--task", "copy", "--text", "red", "--out", "a.csv"], "--out goes with a file"),
        (["--task", "copy", "--text", "red", "--probabilities"], "copy answers freely"),
    ],
)
def test_mistakes_in_predicting_exit_with_two(run_folder, capsys, arguments, message):
    assert run(predict, "--run", run_folder, *arguments) == 2
    assert message in capsys.readouterr().err


def test_data_that_is_missing_exits_with_one(run_folder, capsys, tmp_path):
    assert run(evaluate, "--run", tmp_path / "nothing") == 1
    assert "no run folder" in capsys.readouterr().err
    assert run(evaluate, "--run", run_folder, "--dataset", tmp_path / "nothing") == 1
    assert "no dataset folder" in capsys.readouterr().err
    assert run(evaluate, "--run", run_folder, "--checkpoint", "last") == 1
    assert "holds no checkpoint" in capsys.readouterr().err


def test_another_vocabulary_exits_with_one(run_folder, dataset, capsys, tmp_path):
    folder = tmp_path / "dataset"
    shutil.copytree(dataset, folder)
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["vocabulary"]["sha256"] = "f" * 64
    (folder / "dataset.json").write_text(json.dumps(manifest))
    assert run(evaluate, "--run", run_folder, "--dataset", folder) == 1
    assert "is not the one the dataset was built with" in capsys.readouterr().err
    other_run = tmp_path / "run"
    shutil.copytree(run_folder, other_run)
    config = (other_run / "config.yaml").read_text()
    vocabulary = json.loads((dataset / "dataset.json").read_text())["vocabulary"]
    (other_run / "config.yaml").write_text(config.replace(vocabulary["sha256"], "e" * 64))
    assert run(evaluate, "--run", other_run) == 1
    assert "the run was trained with eeeeeeeeeeee…" in capsys.readouterr().err


def test_a_corrupt_shard_exits_with_one_and_keeps_earlier_figures(
    scored, run_folder, dataset, capsys, tmp_path
):
    folder = tmp_path / "dataset"
    shutil.copytree(dataset, folder)
    shard = next((folder / "copy").glob("validation-0*"))
    shard.write_bytes(shard.read_bytes()[:-3])
    before = {path.name: path.read_bytes() for path in scored.iterdir() if path.is_file()}
    assert run(evaluate, "--run", run_folder, "--dataset", folder) == 1
    assert "truncated" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in scored.iterdir() if path.is_file()} == before


def test_the_commands_start_as_modules():
    for module in ("eval", "eval.predict"):
        result = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-m", module, "--rnu", "x"],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 2, result.stderr
        assert result.stderr.splitlines()[-1].startswith(f"error: python -m {module}: ")


@pytest.mark.parametrize(
    ("inputs", "texts", "warned"),
    [
        (["red blue no", "red blue yes yes"], ["red blue maybe", "maybe", "blue red"], 2),
        (["red blue no"], ["maybe"], 0),  # one example has no start in common with others
        (["red", "blue"], ["maybe"], 0),
    ],
)
def test_a_text_without_the_tasks_start_is_told(inputs, texts, warned, vocabulary_file, capsys):
    vocabulary = Vocabulary(vocabulary_file, 0)
    start = usual_start(table_of_texts(inputs, vocabulary), vocabulary)
    predict.StartWarnings("t", start, vocabulary.normalize).check(texts)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == warned
    assert all("inputs of t begin with 'red blue', and this does not" in line for line in said)


def test_a_task_that_the_dataset_does_not_know_is_answered_as_free_text(
    run_folder, dataset, tmp_path, capsys
):
    folder = tmp_path / "dataset"
    shutil.copytree(dataset, folder)
    document = json.loads((folder / "dataset.json").read_text())
    del document["tasks"]["copy"]
    (folder / "dataset.json").write_text(json.dumps(document))
    question = ["--run", run_folder, "--task", "copy", "--text", "red blue"]
    assert run(predict, *question) == 0
    known = capsys.readouterr().out
    assert run(predict, *question, "--dataset", folder) == 0
    captured = capsys.readouterr()
    assert captured.out == known
    assert "does not know copy: its answers are decoded as free text" in captured.err
    assert run(evaluate, "--run", run_folder, "--dataset", folder, "--split", "validation") == 0
    assert "not scored, for the dataset has no split 'validation' of them: copy" in (
        capsys.readouterr().err
    )


def test_a_row_that_cannot_be_read_is_named_and_leaves_its_line(run_folder, tmp_path, capsys):
    (tmp_path / "in.csv").write_bytes(b"text,n\nred,1\nr\xe9d,2\nred,\n")
    assert run(predict, "--run", run_folder, "--task", "colour", "--file", tmp_path / "in.csv") == 1
    said = capsys.readouterr()
    answer, blank, same = said.out.splitlines()
    assert answer == same and blank == ""
    warning = "warning: row 2: invalid UTF-8: byte 0xe9 after 1 characters; encoding latin-1 would"
    assert f"{warning} read it\n" in said.err and "error: 1 row could not be read" in said.err


def test_a_file_is_answered_in_its_order(scored, run_folder, tmp_path, capsys):
    """Rows by the dozen, more than a batch, one of them empty, to a table and to lines."""
    records = [
        record
        for record in map(
            json.loads, (scored / "validation.predictions.jsonl").read_text().splitlines()
        )
        if record["task"] == "pick"
    ]
    texts = [record["input"] for record in records]
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"n": n, "text": text}) + "\n" for n, text in enumerate([*texts, ""]))
    )
    words = ["--run", run_folder, "--task", "pick", "--file", tmp_path / "in.jsonl"]
    assert run(predict, *words, "--out", tmp_path / "out.jsonl") == 1
    said = capsys.readouterr()
    assert "wrote" in said.out and "error: 1 row could not be read" in said.err
    found = list(map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines()))
    assert [one["n"] for one in found] == list(range(14))
    assert [one["prediction"] for one in found[:-1]] == [one["prediction"] for one in records]
    assert found[0]["probabilities"] == pytest.approx(records[0]["probabilities"], abs=1e-4)
    assert found[-1]["prediction"] is None and found[-1]["fault"] == "text is empty"
    assert run(predict, *words, "--n-best", "2") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines[:4]] == ["1", "2", "1", "2"]
    assert lines[0].split("\t")[2] == records[0]["prediction"] and lines[-1] == ""


def test_texts_are_asked_for_in_a_terminal(run_folder, monkeypatch, capsys):
    typed = iter(["red blue", "blue", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    assert run(predict, "--run", run_folder, "--task", "colour", "--probabilities") == 0
    lines = capsys.readouterr().out.splitlines()
    answers = [line.split("\t") for line in lines[-2:]]
    assert all(answer in ("yes", "no") and len(shares) == 2 for answer, *shares in answers)


def test_answers_of_other_weights_or_labels_are_of_another_question():
    options = predict.make_parser().parse_args(["--run", "x", "--task", "t", "--text", "a"])
    vocabulary = SimpleNamespace(sha256="0")

    def describe(digest, labels):
        run = SimpleNamespace(step=3, checkpoint_digest=digest)
        session = SimpleNamespace(run=run, manifest=SimpleNamespace(vocabulary=vocabulary))
        return predict.describe_question(options, session, Decoding(), labels)

    assert describe("a", ("yes", "no")) == describe("a", ("yes", "no"))
    assert describe("a", ("yes", "no")) != describe("b", ("yes", "no"))
    assert describe("a", ("yes", "no")) != describe("a", ("no", "yes"))
