"""`python -m trainer --config FILE --dataset DIR --run DIR [--training.steps 1000 …]`."""

from __future__ import annotations

import sys

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
    parser = make_parser()
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    config, options = read_options(parser, argv)
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()

    from trainer.callbacks.progress import say

    if options["dry_run"]:
        from trainer.plan import plan

        plan(config, say)
        return 0
    from trainer.fit import train

    outcome = train(config, say, is_live=sys.stdout.isatty())
    if not outcome.is_done:
        return INTERRUPTED
    from trainer.run.contents import describe_contents

    say(f"done: step {outcome.step}, run folder {outcome.folder}")
    for line in describe_contents(outcome.folder):
        say(line)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
