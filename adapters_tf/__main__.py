"""`python -m adapters_tf export|import|merge|bank|embed|list`: what a person does with adapters."""

from __future__ import annotations

import importlib
import sys

from adapters_tf.commands.parsers import make_parser
from adapters_tf.errors import run_command
from adapters_tf.files.bucket_runs import is_in_bucket, local_copy


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    options = make_parser(__doc__).parse_args(argv)
    file, function = options.run_with.split(".")
    with local_copy(getattr(options, "run", None) or "") as folder:
        if is_in_bucket(getattr(options, "run", None)):
            options.run = str(folder)
        getattr(importlib.import_module(f"adapters_tf.commands.{file}"), function)(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
