"""`python -m trainer --config FILE --dataset DIR --run DIR [--training.steps 1000 …]`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from prep.errors import INTERRUPTED, UsageError, is_terminal, run_command
from prep.quiet import quiet_libraries
from trainer.settings.arguments import SuggestingParser, make_parser, read_options
from trainer.settings.short_help import ShortHelpParser


def make_trainer_parser() -> SuggestingParser:
    """Make the parser of the command line: settings, and what is done with them."""
    parser = make_parser(kind=ShortHelpParser)
    parser.epilog = (
        "`python -m trainer quickstart --help`: from a file of your own to a report.\n"
        "`python -m trainer add-task --help`: grow a trained run by a task."
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    parser.add_argument(
        "--sweep",
        default=None,
        metavar="SETTINGS",
        help="train a run for each combination of values, each in a folder of its own below --run: "
        "'{seed: [0, 1, 2], adapters.method: [lora, ia3]}'",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs of a sweep at once")
    return parser


def main(argv: list[str] | None) -> int:
    """Train a run.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        0 when the run is done or its plan was told, 3 when a signal stopped it before, 1 when a run
        of a sweep failed.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["add-task"]:
        return add_task(words[1:])
    if words[:1] == ["quickstart"]:
        from trainer.quickstart import main as quickstart

        return quickstart(words[1:])
    parser = make_trainer_parser()
    config, options = read_options(parser, argv)
    if options["sweep"] is None and options["jobs"] != 1:
        raise UsageError(f"--jobs {options['jobs']} goes with --sweep, which is not given")
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()

    from trainer.callbacks.progress import say

    if options["sweep"] is not None:
        from trainer.sweep.command import run_sweep

        return run_sweep(parser, words, config, options, say)
    if options["dry_run"]:
        from trainer.plan import plan

        plan(config, say)
        return 0
    from trainer.fit import train

    outcome = train(config, say, is_live=is_terminal(sys.stdout))
    if not outcome.is_done:
        return INTERRUPTED
    from trainer.run.contents import describe_contents

    say(f"done: step {outcome.step}, run folder {outcome.folder}")
    for line in describe_contents(outcome.folder) if isinstance(outcome.folder, Path) else ():
        say(line)
    return 0


def add_task(argv: list[str]) -> int:
    """Grow a trained run by a task.

    Args:
        argv: Arguments after `add-task`.

    Returns:
        0 when it is done or was told, 3 when a signal stopped it before.
    """
    from adapters_tf.files.bucket_runs import is_in_bucket, is_of_run, local_copy
    from trainer.adding.options import named_run, read_added_task

    run = named_run(argv)
    with contextlib.ExitStack() as stack:
        copy = stack.enter_context(local_copy(run, is_of_run)) if is_in_bucket(run) else None
        asked = read_added_task(argv, copy)
        quiet_libraries()
        from trainer.adding.command import add_task as add
        from trainer.callbacks.progress import say

        is_done = add(asked, say)
    return 0 if is_done else INTERRUPTED


if __name__ == "__main__":
    sys.exit(run_command(main))
