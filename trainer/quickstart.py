"""From a file of one's own to a report, in one command: `python -m trainer quickstart my.csv`.

Every stage is a command that a person would type, and is printed before it runs; a stage that is
done is found done, so the same command goes on where it was stopped. Without a file, made-up
support tickets are the example; without `--backbone`, a tiny T5 learns from scratch first, and the
adapters are trained on that.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.files.local_paths import local_path
from prep import UsageError, quiet_libraries
from prep.__main__ import main as prep
from prep.commands.init import share_out
from prep.drafting.drafts import task_name
from prep.drafting.sample import sample_tickets
from prep.errors import INTERRUPTED
from prep.storage.durable_files import write_atomically
from prep.tasks.tasks_file import load_tasks
from trainer.quickstart_record import (
    DATASET,
    TASKS_FILE,
    describe_call,
    refuse_other,
    write_record,
)
from trainer.settings.arguments import read_arguments

CONFIGS = Path(__file__).parents[1] / "configs"
PIECES = 2000  # of a vocabulary of one's own; texts that are few give fewer
VOCABULARY = "spiece.model"
RUN = "runs/quickstart"
SCRATCH = "from-scratch"  # the run that trains a T5, where there is no pretrained one


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(
        prog="python -m trainer quickstart", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="as `python -m prep init` takes them"
    )
    parser.add_argument(
        "--run", help=f"folder for all that is made; by default {RUN}, named after file and T5"
    )
    parser.add_argument(
        "--backbone", help="a pretrained T5: a folder or hub name, such as google-t5/t5-small"
    )
    parser.add_argument("--vocabulary", help="its spiece.model; by default that of its folder")
    parser.add_argument("--answer", help="columns of answers, separated by commas")
    parser.add_argument("--inputs", help="columns that are asked about")
    parser.add_argument("--steps", type=int, help="of training, in place of the config's")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the stages, or what is left of them.

    Args:
        argv: The words after `quickstart`.

    Returns:
        0 when all is done, 3 when a signal stopped the training.
    """
    options = make_parser().parse_args(list(argv))
    started = time.monotonic()
    files = share_out(options.files) if options.files else {}
    folder = local_path(options.run or default_run(options), "--run")
    files = files or {"train": write_sample(folder)}
    names = ("answer", "inputs", "backbone", "vocabulary")
    asked = describe_call(files, {name: getattr(options, name) for name in names})
    refuse_other(folder, asked)
    folder.mkdir(parents=True, exist_ok=True)
    tasks_file, dataset = folder / TASKS_FILE, folder / DATASET
    if not tasks_file.exists():
        write_record(folder, asked)
        say("1. What is in the file? Tasks are drafted from its columns.")
        given = options.files or [str(files["train"])]
        run_prep(["init", *given, "--yes", "--out", str(tasks_file), *_columns(options)])
    if not dataset.exists():
        write_record(folder, asked)
    names_of_tasks = ",".join(task.name for task in load_tasks(tasks_file))
    data_dir = os.path.commonpath([path.resolve().parent for path in files.values()])
    source = ["--tasks", names_of_tasks, "--tasks-file", str(tasks_file), "--data-dir", data_dir]
    vocabulary = find_vocabulary(options, folder)
    if not vocabulary.exists():
        say("2. A vocabulary is learned from its texts.")
        size = ["--size", str(PIECES), "--out", str(vocabulary)]
        run_prep(["train-vocabulary", *source, *size])
    say("3. Texts become token ids.")
    run_prep(["build", *source, "--vocabulary", str(vocabulary), "--out", str(dataset)])
    if not train_all(options, folder, dataset):
        return INTERRUPTED
    say(f"{5 if options.backbone else 6}. What has it learned? Examples kept aside are answered.")
    page = score(folder)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{minutes:.1f} minutes. Open the report: {page}")
    asking = ["-m", "eval.predict", *_asking(folder, names_of_tasks)]
    print("Ask it: " + shell([name_python(), *asking]))
    print(f"To change the tasks, copy {tasks_file} into another folder, and name that with --run.")
    return 0


def default_run(options: argparse.Namespace) -> str:
    """Name the folder of a run after what it is made of, so that another file gets another one.

    Args:
        options: The command line.

    Returns:
        Such as runs/quickstart-reviews-t5_small; runs/quickstart of the made-up tickets.
    """
    made_of = [Path(one.rpartition("=")[2]).name.partition(".")[0] for one in options.files[:1]]
    made_of += [Path(options.backbone).name] if options.backbone else []
    return "-".join([RUN, *map(task_name, made_of)])


def write_sample(folder: Path) -> Path:
    """Write the made-up tickets, unless they are there."""
    file = folder / "tickets.csv"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, sample_tickets().encode())
    return file


def find_vocabulary(options: argparse.Namespace, folder: Path) -> Path:
    """Find the vocabulary of the backbone, or where one of our own is to be.

    Args:
        options: The command line.
        folder: Of all that is made.

    Returns:
        The file; that of a hub's model is downloaded.

    Raises:
        UsageError: Nothing says which vocabulary the backbone has.
    """
    if options.vocabulary:
        return local_path(options.vocabulary, "--vocabulary")
    if not options.backbone:
        return folder / VOCABULARY
    beside = Path(options.backbone) / VOCABULARY
    if beside.exists():
        return beside
    if Path(options.backbone).is_dir():
        raise UsageError(f"{options.backbone} has no {VOCABULARY}; give it with --vocabulary")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(options.backbone, VOCABULARY))
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"--backbone {options.backbone}: its {VOCABULARY} cannot be had ({reason}); without "
            "--backbone a tiny T5 learns from scratch"
        ) from error


def train_all(options: argparse.Namespace, folder: Path, dataset: Path) -> bool:
    """Train adapters, on a T5 of the data's own for want of another; tell whether all is done."""
    backbone = options.backbone
    if not backbone:
        say("4. A tiny T5 learns all tasks, for want of a pretrained one, which --backbone names.")
        if not train(folder / SCRATCH, "quickstart-scratch", dataset, [], options.steps):
            return False
        backbone = str(folder / SCRATCH / "backbone")
    say(f"{4 if options.backbone else 5}. The T5 stays as it is, and each task gets an adapter.")
    named = [f"--model.backbone={backbone}"]
    return train(folder / "run", "quickstart", dataset, named, options.steps)


def train(run: Path, config: str, dataset: Path, more: Sequence[str], steps: int | None) -> bool:
    """Train, and tell whether it reached its end."""
    words = [f"--config={CONFIGS / f'{config}.yaml'}", f"--dataset={dataset}", f"--run={run}"]
    words += [*more, *([f"--training.steps={steps}"] if steps else [])]
    print("$ " + shell(["python", "-m", "trainer", *words]))
    quiet_libraries()
    from trainer.fit import train as fit

    return fit(read_arguments(words), report=lambda line: print(line, flush=True)).is_done


def score(folder: Path) -> Path:
    """Score the run, unless it is scored as it is; returns the report."""
    from eval.__main__ import main as evaluate
    from eval.report.page.run_files import read_run_files

    run = folder / "run"
    page = run / "report.html"
    words = ["--run", str(run)]
    print("$ " + shell(["python", "-m", "eval", *words]))
    if not page.exists() or read_run_files(str(run), run, run / "eval", "validation").change:
        evaluate(words)
    return page


def run_prep(words: list[str]) -> None:
    """Print a command of `prep`, and run it."""
    print("$ " + shell(["python", "-m", "prep", *words]))
    prep(words)


def say(title: str) -> None:
    """Print the heading of a stage."""
    print(f"\n== {title}", flush=True)


def shell(words: Sequence[str]) -> str:
    """Write a command as it can be typed."""
    return shlex.join(words)


def name_python() -> str:
    """Name this interpreter as a shell finds it: `make` runs one that is on nobody's path."""
    found = shutil.which("python")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "python"
    here = Path(sys.executable)
    return str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)


def _columns(options: argparse.Namespace) -> list[str]:
    given = {"--answer": options.answer, "--inputs": options.inputs}
    return [word for name, value in given.items() if value for word in (name, value)]


def _asking(folder: Path, names: str) -> list[str]:
    return ["--run", str(folder / "run"), "--task", names.partition(",")[0]]
