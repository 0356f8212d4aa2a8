"""What runs the jobs of a build: processes of this machine, or a pipeline of Apache Beam."""

import functools
from collections.abc import Callable, Iterator, Sequence

from prep.errors import DataError, UsageError, nearest
from prep.runners.local import write_shards
from prep.shards.jobs import EncodingSettings, ShardJob, ShardResult
from prep.storage import Place

RUNNERS = ("local", "beam")

JobRunner = Callable[
    [Iterator[ShardJob], EncodingSettings], Iterator[tuple[ShardJob, ShardResult | DataError]]
]


def check_runner(runner: str, beam_options: Sequence[str]) -> None:
    """Check what was asked for.

    Args:
        runner: Of `RUNNERS`.
        beam_options: Options of Beam and its runner.

    Raises:
        UsageError: If there is no such runner, or it takes no such options.
    """
    if runner not in RUNNERS:
        raise UsageError(f"`runner`: there is no runner {runner!r}; {nearest(runner, RUNNERS)}")
    if beam_options and runner != "beam":
        raise UsageError("`beam_options` go with `runner=beam`")


def choose_runner(
    runner: str,
    beam_options: Sequence[str],
    out: Place,
    workers: int,
    report: Callable[[str], None] = print,
) -> JobRunner:
    """Prepare what runs the jobs of a build.

    Args:
        runner: Of `RUNNERS`.
        beam_options: Options of Beam and its runner.
        out: The dataset folder to make.
        workers: Processes, of the local runner.
        report: Receives lines for the person who waits.

    Returns:
        A function from jobs and their settings to the jobs with their results, in order.

    Raises:
        UsageError: If Beam is not installed, or its options are wrong.
    """
    if runner == "local":
        return functools.partial(write_shards, workers=workers)
    from prep.runners.beam import runner as beam_runner  # an optional extra

    options = beam_runner.parse_beam_options(beam_options, out)
    if note := beam_runner.describe_sharing(options, out):
        report(note)
    return functools.partial(beam_runner.write_shards_on_beam, out=out, options=options)
