"""From a file of one's own to a report, in one command: `python -m trainer quickstart my.csv`.

Every stage is a command that a person would type, and is printed before it runs; a stage that is
done is found done, so the same command goes on where it was stopped. Without a file, made-up
support tickets are the example; without `--backbone`, a tiny T5 learns from scratch.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.files.local_paths import local_path
from prep import UsageError, quiet_libraries
from prep.__main__ import main as prep
from prep.drafting.drafts import task_name
from prep.drafting.sample import sample_tickets
from prep.errors import INTERRUPTED
from prep.storage.durable_files import write_atomically
from prep.tasks.tasks_file import load_tasks
from trainer.settings.arguments import read_arguments

CONFIGS = Path(__file__).parents[1] / "configs"
PIECES = 2000  # of a vocabulary of one's own; texts that are few give fewer
VOCABULARY = "spiece.model"
RUN = "runs/quickstart"
QUESTION_FILE = "quickstart.json"


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
    folder = local_path(options.run or default_run(options), "--run")
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    files = options.files or [str(write_sample(folder))]
    tasks_file = folder / "tasks.yaml"
    question = _question(options, files)
    if tasks_file.exists():
        check_question(folder, question)
    else:
        write_atomically(folder / QUESTION_FILE, json.dumps(question).encode())
        say("1. What is in the file? Tasks are drafted from its columns.")
        run_prep(["init", *files, "--yes", "--out", str(tasks_file), *_columns(options)])
    names = ",".join(task.name for task in load_tasks(tasks_file))
    data_dir = str(Path(files[0].rpartition("=")[2]).resolve().parent)
    source = ["--tasks", names, "--tasks-file", str(tasks_file), "--data-dir", data_dir]
    vocabulary = find_vocabulary(options, folder)
    if not vocabulary.exists():
        say("2. A vocabulary is learned from its texts.")
        size = ["--size", str(PIECES), "--out", str(vocabulary)]
        run_prep(["train-vocabulary", *source, *size])
    say("3. Texts become token ids.")
    dataset = folder / "data"
    run_prep(["build", *source, "--vocabulary", str(vocabulary), "--out", str(dataset)])
    if not train(options, folder, dataset):
        return INTERRUPTED
    say("5. What has it learned? The examples kept aside are answered.")
    page = score(folder)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{minutes:.1f} minutes. Open the report: {page}")
    print("Ask it: " + shell(["python", "-m", "eval.predict", *_asking(folder, names)]))
    print(f"Change {tasks_file} and run the same command with another --run.")
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
        write_atomically(file, sample_tickets().encode())
    return file


def check_question(folder: Path, question: dict[str, Any]) -> None:
    """Refuse to go on with the tasks of other files or columns.

    Args:
        folder: Of all that is made; its tasks are drafted.
        question: What they are to be drafted from.

    Raises:
        UsageError: They were drafted from something else.
    """
    try:
        before = json.loads((folder / QUESTION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the task file may be a person's own
        return
    for name, now in question.items():
        if (earlier := before.get(name)) != now:
            raise UsageError(
                f"--run {folder} has the tasks of {name} {earlier or 'that were guessed'}, not of "
                f"{now or 'those to be guessed'}; name another --run"
            )


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


def train(options: argparse.Namespace, folder: Path, dataset: Path) -> bool:
    """Train, and tell whether it reached its end."""
    name = "quickstart" if options.backbone else "quickstart-scratch"
    words = [f"--config={CONFIGS / f'{name}.yaml'}", f"--dataset={dataset}"]
    words += [f"--run={folder / 'run'}"]
    words += [f"--model.backbone={options.backbone}"] if options.backbone else []
    words += [f"--training.steps={options.steps}"] if options.steps else []
    how = "An adapter for each task is trained." if options.backbone else "A tiny T5 is trained."
    say(f"4. {how}")
    print("$ " + shell(["python", "-m", "trainer", *words]))
    quiet_libraries()
    from trainer.fit import train as fit

    return fit(read_arguments(words), report=lambda line: print(line, flush=True)).is_done


def score(folder: Path) -> Path:
    """Score the run, unless it is scored; returns the report."""
    from eval.__main__ import main as evaluate

    page = folder / "run" / "eval" / "validation.report.html"
    words = ["--run", str(folder / "run")]
    print("$ " + shell(["python", "-m", "eval", *words]))
    if not (page.exists() and _is_of_best_step(page.with_name("validation.json"), folder / "run")):
        evaluate(words)
    return page


def _is_of_best_step(figures: Path, run: Path) -> bool:
    """Tell whether figures are of the step that is the best one by now."""
    from adapters_tf.runs.checkpoints import BEST_FILE

    files = (figures, run / BEST_FILE)
    try:
        scored, best = (json.loads(file.read_bytes())["step"] for file in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(scored == best)


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


def _question(options: argparse.Namespace, files: Sequence[str]) -> dict[str, Any]:
    """Say what tasks are drafted from."""
    return {
        "files": ", ".join(str(Path(one).resolve()) for one in files),
        "columns of answers": options.answer,
        "columns of inputs": options.inputs,
    }


def _columns(options: argparse.Namespace) -> list[str]:
    given = {"--answer": options.answer, "--inputs": options.inputs}
    return [word for name, value in given.items() if value for word in (name, value)]


def _asking(folder: Path, names: str) -> list[str]:
    return ["--run", str(folder / "run"), "--task", names.partition(",")[0]]
