"""`python -m eval report`: what was scored, as a page."""

import json

import numpy as np

from adapters_tf.files.embeddings_file import save_embeddings
from eval.__main__ import main
from prep import run_command


def write_run(folder, right, tasks=("a", "b")):
    """A run that answered so many of four examples of each task rightly."""
    place = folder / "eval"
    place.mkdir(parents=True)
    figures = {
        "kind": "generation",
        "examples": 4,
        "metrics": {"exact_match": right / 4},
        "unreadable_predictions": 0,
        "examples_digest": "00",
    }
    document = {"split": "validation", "tasks": dict.fromkeys(tasks, figures)}
    (place / "validation.json").write_text(json.dumps(document))
    lines = [
        {"task": task, "example": row, "input": "?", "target": "yes", "prediction": given}
        for task in tasks
        for row, given in enumerate(["yes"] * right + ["no"] * (4 - right))
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (place / "validation.predictions.jsonl").write_text(text)
    return str(folder)


def refused(capsys, *words):
    assert run_command(main, ["report", *words]) == 2
    return capsys.readouterr().err


def test_a_run_and_how_alike_its_tasks_are(tmp_path, capsys):
    run, out = write_run(tmp_path / "lora", 3), tmp_path / "pages" / "page.html"
    embeddings = tmp_path / "tasks.npz"
    save_embeddings(embeddings, ["a", "b"], np.eye(2, dtype=np.float32))
    words = ["report", run, "--out", str(out), "--embeddings", str(embeddings)]
    assert run_command(main, words) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    page = out.read_text()
    assert "<h1>lora" in page and "Tasks that are alike" in page


def test_two_runs_side_by_side_on_what_both_have(tmp_path, capsys):
    first, second = write_run(tmp_path / "lora", 3), write_run(tmp_path / "ia3", 1, ("a",))
    out = tmp_path / "page.html"
    assert run_command(main, ["report", first, second, "--out", str(out)]) == 0
    assert "not all runs have them: b" in capsys.readouterr().err
    page = out.read_text()
    assert "lora is ahead by 0.500: 0.750 and 0.250" in page and ">−0.500</td>" in page
    assert "2 : 0" in page


def test_what_makes_no_report(tmp_path, capsys):
    run, out = write_run(tmp_path / "lora", 3), str(tmp_path / "x.html")
    assert "one run or two, got 3" in refused(capsys, run, run, run, "--out", out)
    assert "a run is named twice" in refused(capsys, run, run, "--out", out)
    assert "expected a file that ends in .html" in refused(capsys, run, "--out", "x.pdf")
    message = refused(capsys, run, "--out", out, "--split", "test")
    assert f"no eval/test.json; score the run first: python -m eval --run {run}" in message
    save_embeddings(tmp_path / "e.npz", ["a", "z"], np.eye(2, dtype=np.float32))
    words = (run, "--out", out, "--embeddings", str(tmp_path / "e.npz"))
    assert "has embeddings of no two tasks" in refused(capsys, *words)
