"""A folder in which the commands of the pages do something: rows, vocabulary, dataset, run."""

import csv
import itertools
import json
from pathlib import Path

from tests.docs.commands import TINY
from tests.docs.pages import run_module

ROOT = Path(__file__).parents[2]
WHO = ("ann", "bob", "eve", "tom")
WHAT = ("a cup", "a hat", "a lamp", "a chair", "no cup", "no hat")
PAIRS = [(f"{who} has {one}.", f"{who} sees {one}.") for who, one in itertools.product(WHO, WHAT)]
GLUE = "rte,cola,stsb,mnli,qnli"
MORE = "cb,boolq"


def furnish(folder):
    """Make it, in the current directory, by the commands that the pages show."""
    for name in ("configs", "Makefile", "requirements-tpu.txt", ".env.example"):
        (folder / name).symlink_to(ROOT / name)
    for split, rows in (("train", PAIRS[:16]), ("dev", PAIRS[16:])):
        write_glue(folder / "raw", split, rows)
        write_superglue(folder / "raw", split.replace("dev", "val"), rows)
    build = "--data-dir raw --vocabulary spiece.model"
    for line in (
        f"prep train-vocabulary --tasks {GLUE},{MORE} --data-dir raw --size 160 --out spiece.model",
        f"prep build --tasks {GLUE} {build} --out data/glue",
        f"prep build --tasks {MORE} {build} --out data/more",
    ):
        run_module(["python", "-m", *line.split()])
    line = "trainer --config configs/glue.yaml --dataset data/glue --run runs/glue"
    run_module(["python", "-m", *line.split(), *TINY])


def write_glue(raw, split, rows):
    """Write files of five tasks as the benchmark's own script leaves them."""
    entailed = ("entailment", "not_entailment")
    three = ("entailment", "neutral", "contradiction")
    numbered = list(enumerate(rows))
    tables = {
        "rte": [("sentence1", "sentence2", "label")]
        + [(a, b, entailed[n % 2]) for n, (a, b) in numbered],
        "cola": [("gj04", str(n % 2), "", a) for n, (a, _) in numbered],
        "stsb": [("sentence1", "sentence2", "score")]
        + [(a, b, str(n % 5)) for n, (a, b) in numbered],
        "mnli": [("sentence1", "sentence2", "gold_label")]
        + [(a, b, three[n % 3]) for n, (a, b) in numbered],
        "qnli": [("question", "sentence", "label")]
        + [(a, b, entailed[n % 2]) for n, (a, b) in numbered],
    }
    for task, table in tables.items():
        is_split = (task, split) == ("mnli", "dev")
        (raw / task).mkdir(parents=True, exist_ok=True)
        for ending in ("_matched", "_mismatched") if is_split else ("",):
            with (raw / task / f"{split}{ending}.tsv").open("w", newline="") as opened:
                csv.writer(opened, delimiter="\t", quoting=csv.QUOTE_NONE).writerows(table)


def write_superglue(raw, split, rows):
    """Write files of two more tasks as JSON Lines."""
    labels = ("entailment", "contradiction", "neutral")
    for task, fields in (("cb", ("premise", "hypothesis")), ("boolq", ("passage", "question"))):
        lines = [
            {**dict(zip(fields, pair, strict=True)), "idx": n}
            | {"label": labels[n % 3] if task == "cb" else bool(n % 2)}
            for n, pair in enumerate(rows)
        ]
        (raw / task).mkdir(parents=True, exist_ok=True)
        (raw / task / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
