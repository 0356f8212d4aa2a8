"""`python -m trainer … --sweep '{seed: [0, 1, 2], adapters.method: [lora, ia3]}'`."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters_tf.files.local_paths import local_path
from adapters_tf.runs.config import CONFIG_FILE, read_config
from adapters_tf.runs.settings import ResolvedRun
from prep import UsageError
from prep.errors import INTERRUPTED
from trainer.parts import Report, resolve_run
from trainer.run.folder import check_run_folder
from trainer.run.lock import owned_folder
from trainer.settings.arguments import SuggestingParser, read_options
from trainer.settings.config import RunConfig
from trainer.sweep.combinations import Member, read_sweep, words_of_runs
from trainer.sweep.running import DONE, SWEEP_FILE, Sweep
from trainer.sweep.table import best_figures, format_table, summarize


def run_sweep(
    parser: SuggestingParser,
    words: Sequence[str],
    config: RunConfig,
    options: dict[str, Any],
    report: Report,
) -> int:
    """Train every run of a sweep, and print how they did.

    Args:
        parser: Of the trainer's options.
        words: The command line.
        config: What it says of the first run, but for the values of the sweep.
        options: `sweep`, `jobs` and `dry_run`.
        report: Called with every line.

    Returns:
        0 when all runs are done, 1 when one failed, 3 when a signal stopped them.

    Raises:
        UsageError: A setting or value that cannot be, of any run; nothing was begun.
        DataError: A dataset that is not whole.
    """
    if options["jobs"] < 1:
        raise UsageError(f"--jobs must be 1 or more, got {options['jobs']}")
    members, kept = read_sweep(options["sweep"]), words_of_runs(words)
    folder = local_path(config.run, "--run")
    sweep = Sweep(folder, members, kept)
    groups: dict[str, ResolvedRun] = {}
    seen: dict[str, str] = {}
    for member in members:
        run = f"--run={folder / member.name}"
        of_run, _ = read_options(parser, [*kept, run, *member.options()])
        if member.group() not in groups:  # what another seed changes is only drawn otherwise
            groups[member.group()], _ = resolve_run(of_run)
        settings = replace(groups[member.group()], seed=of_run.seed, run="")
        if (same := seen.setdefault(repr(settings), member.name)) != member.name:
            raise UsageError(f"--sweep: {same} and {member.name} are the same run; leave one out")
        place = str((folder / member.name).resolve())
        _check_member(sweep, member, replace(settings, run=place))
    if options["dry_run"]:
        for member in members:
            state = sweep.states.get(member.name) or "to be trained"
            report(f"{folder / member.name}: {state}")
        report("what one of them does: the same without --sweep")
        return 0
    with owned_folder(folder), _stopping_on_signals():
        try:
            failed = sweep.go(options["jobs"], report)
        except KeyboardInterrupt:
            report("the sweep was stopped; the same command goes on with it")
            return INTERRUPTED
        _tell(sweep, members, report)
    if failed:
        report(f"{len(failed)} of {len(members)} runs failed: {', '.join(failed)}")
        return 1
    return 0


def _check_member(sweep: Sweep, member: Member, settings: ResolvedRun) -> None:
    """Refuse a run that was trained otherwise; one that is gone, or is to be longer, is not done.

    What `sweep.json` says of it is of the command line alone: a config file, or the dataset, may
    have changed since.
    """
    check_run_folder(settings)
    trained = Path(settings.run)
    is_there = (trained / CONFIG_FILE).exists()
    if not is_there or read_config(trained).training.steps != settings.training.steps:
        sweep.states.pop(member.name, None)


def _tell(sweep: Sweep, members: Sequence[Member], report: Report) -> None:
    figures = {
        one.name: best_figures(sweep.folder / one.name)
        for one in members
        if sweep.states.get(one.name) == DONE
    }
    summary = summarize(members, figures)
    sweep.save(figures=figures, summary=summary)
    for line in format_table(summary):
        report(line)
    report(f"wrote {sweep.folder / SWEEP_FILE}")


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Let SIGTERM stop a sweep as Ctrl-C does: its runs would go on without it."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
