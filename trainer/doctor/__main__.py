"""`python -m trainer.doctor [--kind tpu] [--dataset DIR] [--run DIR] [--backbone DIR] [--json]`.

Only the standard library is imported here at first: a missing library is something to be found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata

from trainer.doctor.finding import FAULT, Finding, report_in_json, summarise
from trainer.doctor.versions import check_versions

OURS = ("prep", "adapters_tf", "eval", "trainer")


def tell_missing(error: ModuleNotFoundError, words: Sequence[str]) -> int:
    """Report that the doctor itself lacks a library, and which versions are wrong beside it.

    Args:
        error: Of the import.
        words: Of the command line.

    Returns:
        The exit code: there is a fault.
    """
    names = {found.metadata["Name"] for found in metadata.distributions()}
    is_tpu = "tensorflow-tpu" in names or "tensorflow_tpu" in names
    what = f"there is no module {error.name!r}, which these programs need"
    missing = Finding(FAULT, "import", what, f"make {'tpu-setup' if is_tpu else 'setup'}")
    findings = [missing, *check_versions(is_tpu=is_tpu)]
    if "--json" in words:
        print(report_in_json(findings))
        return 1
    for finding in findings:
        print(*finding.lines(), sep="\n")
    print(summarise(findings))
    return 1


def start(words: Sequence[str]) -> int:
    """Start the doctor.

    Args:
        words: Of the command line.

    Returns:
        The exit code.
    """
    try:
        from prep.errors import run_command
        from trainer.doctor.command import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in OURS:
            raise
        return tell_missing(error, words)
    return run_command(main)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
