"""`python -m trainer.preflight --config FILE --dataset DIR --topology v5e-8 [--search] …`."""

from __future__ import annotations

import sys

from prep.errors import run_command
from prep.quiet import quiet_libraries
from trainer.preflight.options import read_preflight_options


def main(argv: list[str] | None) -> int:
    """Say what a TPU would make of a run.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        0 when everything fits, 1 when something does not.
    """
    options = read_preflight_options(argv)
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()
    from trainer.preflight.command import Preflight

    return 0 if Preflight(options, lambda line: print(line, flush=True)).run() else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
