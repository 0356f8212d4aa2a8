"""`python -m trainer.preflight --config FILE --dataset DIR --topology v5e-8 [--search] …`."""

from __future__ import annotations

import sys

from prep.errors import run_command
from prep.quiet import quiet_libraries
from trainer.preflight.compiler import LIBTPU, ask_compiler
from trainer.preflight.options import read_preflight_options
from trainer.preflight.printing import wrap


def main(argv: list[str] | None) -> int:
    """Say what a TPU would make of a run.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        0 when everything fits, 1 when something does not.
    """
    options = read_preflight_options(argv)
    libtpu = ask_compiler(options.python)["libtpu"]
    if libtpu != LIBTPU:
        note = f"note: the compiler is libtpu {libtpu}, and that of a TPU VM {LIBTPU}"
        print(*wrap(f"{note}: they may differ in what fits"), sep="\n", flush=True)
    # TensorFlow takes seconds to import: only once the options are fine.
    quiet_libraries()
    from trainer.preflight.command import Preflight

    return 0 if Preflight(options, lambda line: print(line, flush=True)).run() else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
