"""A folder in which the commands of the pages do something: rows, vocabulary, dataset, run."""

import csv
import itertools
import json
import shutil
import warnings
from pathlib import Path

from tests.docs.commands import TINY
from tests.docs.pages import run_module

with warnings.catch_warnings():
    # Google's client tells when it will leave this Python behind, and what else to install.
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", ImportWarning)
    import prep.storage.bucket  # noqa: F401

ROOT = Path(__file__).parents[2]
WHO = ("ann", "bob", "eve", "tom")
WHAT = ("a cup", "a hat", "a lamp", "a chair", "no cup", "no hat")
PAIRS = [(f"{who} has {one}.", f"{who} sees {one}.") for who, one in itertools.product(WHO, WHAT)]
GLUE = "rte,cola,stsb,mnli,qnli"
MORE = "cb,boolq"
LORA = "{lora: {rank: 16, targets: [q, k, v, o]}}"


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
    lora = ("--adapters.method", "lora", "--adapters.settings", LORA)
    for name, method in (("glue", ()), ("lora", lora)):
        line = f"trainer --config configs/glue.yaml --dataset data/glue --run runs/{name}"
        run_module(["python", "-m", *line.split(), *TINY, *method])
        line = f"eval --run runs/{name} --split validation --tasks rte"
        run_module(["python", "-m", *line.split()])
    for name in ("lora-1", "lora-2", "ia3", "again"):  # so by name alone
        shutil.copytree("runs/glue", f"runs/{name}")
    shutil.copytree("data/glue", "data/other")
    write_own(folder)


def fill(bucket, put):
    """Put into a bucket what lies there where the pages begin: rows, the vocabulary, a run."""
    for file in (Path("spiece.model"), *Path("raw").rglob("*"), *Path("runs/glue").rglob("*")):
        if file.is_file():
            put(bucket, file.as_posix(), file.read_bytes())


def write_own(folder):
    """Write files of the reader's: a task with its rows, and rows to be answered."""
    (folder / "raw" / "my_task").mkdir()
    (folder / "raw" / "my_task" / "train.csv").write_text("text,label\na cup,1\na hat,0\n")
    (folder / "my_tasks.yaml").write_text(
        "- name: my_task\n  kind: classification\n  files: {train: train.csv}\n"
        "  inputs: '{text}'\n  targets: '{label}'\n  labels: {0: no, 1: yes}\n"
        "  metrics: [accuracy]\n"
    )
    lines = [json.dumps({"premise": one, "claim": other}) + "\n" for one, other in PAIRS[:3]]
    (folder / "pairs.jsonl").write_text("".join(lines))
    (folder / "RTE").mkdir()
    with (folder / "RTE" / "test.tsv").open("w") as file:
        file.write("index\tsentence1\tsentence2\n")
        file.writelines(f"{n}\t{a}\t{b}\n" for n, (a, b) in enumerate(PAIRS[:3]))


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
