"""`python -m trainer --config FILE --dataset DIR --run DIR [--training.steps 1000 …]`."""

from __future__ import annotations

import sys

from prep.errors import INTERRUPTED, run_command
from prep.quiet import quiet_libraries
from trainer.settings.arguments import read_arguments


def main(argv: list[str] | None) -> int:
    """Train a run.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        0 when the run is done, 3 when a signal stopped it before.
    """
    config = read_arguments(argv)
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()
    from trainer.fit import train

    outcome = train(config, report=lambda line: print(line, flush=True))
    if not outcome.is_done:
        return INTERRUPTED
    print(f"done: step {outcome.step}, run folder {outcome.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
