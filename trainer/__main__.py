"""`python -m trainer --config FILE --dataset DIR --run DIR [--training.steps 1000 …]`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TextIO

from prep.errors import INTERRUPTED, run_command
from prep.quiet import quiet_libraries
from trainer.settings.arguments import make_parser, read_options


def main(argv: list[str] | None) -> int:
    """Train a run.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        0 when the run is done or its plan was told, 3 when a signal stopped it before.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["add-task"]:
        return add_task(words[1:])
    parser = make_parser()
    parser.epilog = "`python -m trainer add-task --help`: grow a trained run by a task."
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    config, options = read_options(parser, argv)
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()

    def report(text: str) -> None:
        print_fitted(text, sys.stdout)

    if options["dry_run"]:
        from trainer.plan import plan

        plan(config, report)
        return 0
    from trainer.fit import train

    outcome = train(config, report)
    if not outcome.is_done:
        return INTERRUPTED
    report(f"done: step {outcome.step}, run folder {outcome.folder}")
    return 0


def print_fitted(text: str, stream: TextIO) -> None:
    """Print text, in a terminal in lines that fit into it; a file has them as they are.

    Args:
        text: One or several lines; one word, such as a path to copy, is never divided.
        stream: Where to.
    """
    if stream.isatty():
        # A terminal that is as wide as a line may put an empty one below it.
        columns = max(shutil.get_terminal_size().columns - 1, 20)
        text = "\n".join(_fold(line, columns) for line in text.split("\n"))
    print(text, file=stream, flush=True)


def _fold(line: str, columns: int) -> str:
    if len(line) <= columns:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line,
        columns,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def add_task(argv: list[str]) -> int:
    """Grow a trained run by a task.

    Args:
        argv: Arguments after `add-task`.

    Returns:
        0 when it is done, 3 when a signal stopped it before.
    """
    from trainer.adding.options import read_added_task

    asked = read_added_task(argv)
    quiet_libraries()
    from trainer.adding.command import add_task as add

    is_done = add(asked, lambda text: print_fitted(text, sys.stdout))
    return 0 if is_done else INTERRUPTED


if __name__ == "__main__":
    sys.exit(run_command(main))
