"""`python -m eval submit`: answers to a test set of GLUE or SuperGLUE, as its server takes them."""

from argparse import Namespace
from collections.abc import Sequence

from adapters_tf.commands.arguments import OneLineParser
from adapters_tf.errors import say_note
from adapters_tf.files.bucket_runs import local_copy
from adapters_tf.files.local_paths import typed_dataset, typed_file
from adapters_tf.runs.config import read_config
from adapters_tf.runtime.workers import refuse_workers
from eval.decoding.options import (
    add_decoding_options,
    add_search_options,
    read_decoding_options,
)
from eval.predicting import asking
from prep import UsageError, load_manifest, nearest, read_vocabulary
from prep.storage.durable_files import write_atomically


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m eval submit", description=__doc__)
    parser.add_argument(
        "--run", type=typed_dataset, required=True, help="run folder that the trainer wrote"
    )
    parser.add_argument("--task", required=True, help="of GLUE or SuperGLUE, as the run calls it")
    parser.add_argument(
        "--file",
        type=typed_file,
        required=True,
        help="the benchmark's own test file: TSV or JSON Lines",
    )
    parser.add_argument(
        "--out", type=typed_file, required=True, help="folder for the file to hand in"
    )
    parser.add_argument(
        "--dataset", type=typed_dataset, help="dataset folder; by default the run's"
    )
    parser.add_argument("--checkpoint", default="best", choices=("best", "last", "none"))
    parser.add_argument("--batch-size", type=int, help="over all replicas; by default the run's")
    add_decoding_options(parser)
    add_search_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Answer a test set.

    Args:
        argv: The words after `submit`.

    Returns:
        The exit code.
    """
    options = make_parser().parse_args(list(argv))
    refuse_workers("answering a test set")
    with local_copy(options.run) as folder:
        _submit(options, str(folder))
    return 0


def _submit(options: Namespace, run: str) -> None:
    """Answer by a run whose folder is on this machine, if only as a copy."""
    from eval.report.submission import format_submission, read_test_set

    decoding = read_decoding_options(options)
    settings = read_config(run)
    if options.task not in settings.tasks:
        hint = nearest(options.task, settings.tasks)
        raise UsageError(f"the run has no task {options.task!r}; {hint}")
    test = read_test_set(options.task, options.file)
    dataset = options.dataset or settings.dataset
    manifest = load_manifest(dataset)
    vocabulary = read_vocabulary(dataset, manifest)
    start = asking.find_start(dataset, manifest, options.task).partition(":")[0]
    if not vocabulary.normalize(test.inputs[0]).startswith(start):
        raise UsageError(
            f"inputs of {options.task} in {dataset} begin with {start!r}, and those of the task as "
            f"T5 words it do not: {test.inputs[0][:40]!r}; the run learned another wording"
        )
    from eval.session import open_session

    session = open_session(
        run,
        dataset=options.dataset,
        checkpoint=options.checkpoint,
        batch_size=options.batch_size,
        decoding=decoding,
        settings=settings,
        manifest=manifest,
    )
    answers = [one.text for one in asking.TextAnswerer(session, options.task)(test.inputs)]
    content, unreadable = format_submission(test, answers, vocabulary)
    if unreadable:
        what = "0" if test.task.kind == "regression" else repr(test.task.label_words[0])
        say_note(f"{unreadable} of {len(answers)} answers could not be read; handed in as {what}")
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / test.file
    write_atomically(file, content.encode())
    print(f"wrote {file}")
