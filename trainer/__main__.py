"""`python -m trainer --config FILE --dataset DIR --run DIR [--training.steps 1000 …]`."""

from __future__ import annotations

import sys

from prep import quiet_libraries, run_command
from trainer.settings.arguments import read_arguments


def main(argv: list[str] | None) -> int:
    """Train a run."""
    config = read_arguments(argv)
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()
    from trainer.fit import train

    outcome = train(config, report=lambda line: print(line, flush=True))
    if outcome.is_done:
        print(f"done: step {outcome.step}, run folder {outcome.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
