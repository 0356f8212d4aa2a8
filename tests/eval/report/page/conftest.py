import json

import pytest

from docs.chromium import PROGRAMS, Chromium, find_chromium
from eval.report.page.run_files import RunFiles, read_run_files

ANSWERS = (  # right, given, probability of "yes"
    ("yes", "yes", 0.9),
    ("no", "yes", 0.8),
    ("no", "no", 0.3),
    ("yes", "no", 0.1),
)


def line(task, example, target, prediction, text="", **more):
    told = {"task": task, "example": example, "input": text or f"{task} row {example}"}
    return {**told, "target": target, "prediction": prediction, "token_ids": [3, 1], **more}


def figures(kind, examples, metrics, **more):
    return {
        "kind": kind,
        "examples": examples,
        "answered_by": "decoded",
        "metrics": metrics,
        "intervals": {},
        "trivial_baseline": dict.fromkeys(metrics, 0.0),
        "unreadable_predictions": 0,
        "examples_digest": "00",
        **more,
    }


def make_run(name="first", flipped=False):
    """A run with a task of each form of answers; flipped, its first label is answered wrongly."""
    labels = []
    for number, (target, given, share) in enumerate(ANSWERS):
        if flipped and number == 0:
            given, share = "no", 0.25
        shares = {"yes": share, "no": round(1 - share, 6)}
        labels.append(line("colour", number, target, given, probabilities=shares))
    texts = [
        line("why", 0, "the red cup", "red cup", references=["the red cup", "a cup"]),
        line("why", 1, "blue", "green hat"),
    ]
    numbers = [line("grade", 0, "1.0", "1.5"), line("grade", 1, "5.0", "1.0")]
    right = sum(one["target"] == one["prediction"] for one in labels)
    interval = {"low": 0.3, "high": 0.7, "standard_error": 0.1}
    tasks = {
        "colour": figures(
            "classification",
            4,
            {"accuracy": right / 4},
            answered_by="labels",
            label_words=["yes", "no"],
            intervals={"accuracy": interval},
            trivial_baseline={"accuracy": 0.25},
        ),
        "why": figures("generation", 2, {"squad_f1": 0.5, "squad_em": 0.5}),
        "grade": figures("regression", 2, {"pearson": -1.0, "mae": 2.25}),
    }
    document = {"split": "validation", "checkpoint": "best", "step": 20, "tasks": tasks}
    document["trained_shares"] = {"colour": 0.0123, "why": 0.0123, "grade": 0.0456}
    log = [
        {"kind": "train", "step": 10, "colour/loss": 2.0},
        {"kind": "validation", "step": 10, "colour/accuracy": 0.25, "colour/loss": 1.5},
        {"kind": "validation", "step": 20, "colour/accuracy": right / 4, "colour/loss": 1.0},
    ]
    return RunFiles(name, document, {"colour": labels, "why": texts, "grade": numbers}, log)


def write_run(folder, run):
    """Write a run as an evaluation leaves it."""
    place = folder / "eval"
    place.mkdir(parents=True)
    (place / "validation.json").write_text(json.dumps(run.document))
    lines = [json.dumps(one) + "\n" for task in run.predictions.values() for one in task]
    (place / "validation.predictions.jsonl").write_text("".join(lines))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in run.log))
    return folder


@pytest.fixture(scope="session")
def run_of():
    return make_run


@pytest.fixture
def line_of():
    return line


@pytest.fixture
def figures_of():
    return figures


@pytest.fixture
def written(tmp_path):
    """A run folder as an evaluation leaves it."""

    def write(name="first", flipped=False):
        return write_run(tmp_path / name, make_run(name, flipped))

    return write


@pytest.fixture
def read_back():
    return lambda folder: read_run_files("runs/x", folder, folder / "eval", "validation")


@pytest.fixture(scope="session")
def chromium_here():
    """The path of Chromium."""
    found = find_chromium()
    if found is None:
        pytest.skip(f"no page can be opened: there is none of {', '.join(PROGRAMS)} here")
    return found


@pytest.fixture(scope="module")
def chromium(chromium_here, tmp_path_factory):
    """A tab that is told what a reader does."""
    with Chromium(chromium_here, tmp_path_factory.mktemp("profile")) as browser:
        yield browser
