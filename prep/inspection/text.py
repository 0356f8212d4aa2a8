"""Showing a person what is in a dataset folder, as lines of text."""

from collections.abc import Iterator, Sequence

import numpy as np

from prep.dataset.entries import ITSELF, PackingEntry, SplitEntry, TaskEntry
from prep.dataset.manifest import Manifest
from prep.inspection.survey import Mixture, SplitSurvey, Survey, TaskShare, percentile_length

_PERCENTILES = (50, 90, 99)
_BARS = "▁▂▃▄▅▆▇█"
_SPARK_BINS = 24
MUCH_UNKNOWN = 0.01  # of a split's tokens or texts: a build ends with a line about it


def describe_dataset(survey: Survey) -> Iterator[str]:
    """Describe a dataset folder, line by line.

    Args:
        survey: What was found in it.

    Yields:
        Lines to print.
    """
    manifest = survey.manifest
    yield (
        f"{survey.directory}: {describe_task_count(manifest)}, vocabulary of"
        f" {manifest.vocabulary.size:,} ids, inputs up to {manifest.max_input_length} tokens,"
        f" targets up to {manifest.max_target_length}"
    )
    if manifest.packing and manifest.packing.rows:
        yield from describe_packing(manifest.packing)
        yield describe_target_lengths(manifest)
    for name, reason in manifest.failed.items():
        yield f"failed, and not in it: {name}: {reason}"
    for task in survey.tasks:
        yield ""
        yield from describe_task(task.entry)
        for split in task.splits:
            yield f"  {describe_split_size(split)}"
            yield from (f"    {line}" for line in _describe_lengths(split, task.entry.choices))
            yield from (f"    {line}" for line in describe_losses(split.entry))
            yield from (f"    {line}" for line in describe_labels(task.entry, split.entry))
            yield from _describe_examples(split)
    if survey.shares:
        yield ""
        yield from _describe_mixture(survey.mixture, survey.shares)


def describe_packing(packing: PackingEntry) -> list[str]:
    """Say how full packed rows are, and how full they would be with one example each.

    Args:
        packing: Of a split or of a dataset.

    Returns:
        Two lines.
    """
    return [
        f"packed: {packing.rows:,} rows of {packing.input_length} input and"
        f" {packing.target_length} target positions, {packing.input_share:.1%} and"
        f" {packing.target_share:.1%} of them real tokens",
        f"one example per row: {packing.unpacked_input_share:.1%} and"
        f" {packing.unpacked_target_share:.1%} at the shortest lengths that cut nothing",
    ]


def describe_target_lengths(manifest: Manifest) -> str:
    """Name the tasks whose packed rows decide the target length of all, the longest first.

    Args:
        manifest: Of a packed dataset.

    Returns:
        One line.
    """
    lengths = {
        task.name: split.packing.target_length
        for task in manifest.tasks.values()
        for split in task.splits.values()
        if split.packing
    }
    ordered = sorted(lengths, key=lambda name: -lengths[name])
    return "target positions by task: " + ", ".join(f"{name} {lengths[name]}" for name in ordered)


def describe_task_count(manifest: Manifest) -> str:
    """Say how many tasks there are.

    Args:
        manifest: Of the dataset folder.

    Returns:
        Such as "1 task".
    """
    return f"{len(manifest.tasks)} task{'s' * (len(manifest.tasks) != 1)}"


def describe_task(entry: TaskEntry) -> Iterator[str]:
    """Say what a task is, and what a reader should know about its splits.

    Args:
        entry: The task.

    Yields:
        Lines to print.
    """
    answers = f"; answers {', '.join(entry.label_words)}" if entry.label_words else ""
    yield (
        f"{entry.name}: {entry.kind}{answers}; scored by {', '.join(entry.metrics)}; answers take"
        f" up to {entry.decoding_length} tokens; truncation keeps the {entry.truncation}"
    )
    yield from (f"  note: {note}" for note in entry.notes)


def describe_split_size(split: SplitSurvey) -> str:
    """Say how large a split is.

    Args:
        split: The split.

    Returns:
        One line.
    """
    entry = split.entry
    shards = f"{len(entry.shards)} shard{'s' * (len(entry.shards) != 1)}"
    return (
        f"{split.name}: {entry.examples:,} examples, {shards},"
        f" {entry.input_tokens:,} input and {entry.target_tokens:,} target tokens"
    )


def describe_losses(entry: SplitEntry) -> Iterator[str]:
    """Say how full packed rows are, and what was cut, rejected, left out or is there twice.

    Args:
        entry: The split.

    Yields:
        Lines to print.
    """
    if entry.packing:
        yield from describe_packing(entry.packing)
    share = entry.truncated / entry.examples
    yield (
        f"truncated: {entry.truncated:,} ({share:.1%}), targets among them:"
        f" {entry.truncated_targets:,}"
    )
    yield from describe_unknown(entry)
    reasons = describe_reasons(entry)
    yield f"rejected: {entry.rejected:,}" + (f" ({reasons})" if reasons else "")
    yield from describe_left_out(entry)
    for other, count in entry.duplicates.items():
        whose = "an earlier one" if other == ITSELF else f"one in {other}"
        yield f"duplicates: {count:,} examples have the inputs of {whose}"


def describe_reasons(entry: SplitEntry) -> str:
    """List why rows were rejected, and how many for each reason; empty where none were."""
    return ", ".join(f"{count:,} × {why}" for why, count in entry.rejected_reasons.items())


def describe_left_out(entry: SplitEntry) -> list[str]:
    """Say how many rows became no example, and how many became several, as the task asks.

    Args:
        entry: The split.

    Returns:
        A line for each of the two that there are.
    """
    lines = []
    if entry.dropped:
        by = ", ".join(f"{count:,} by {name}" for name, count in entry.dropped_by.items())
        lines.append(f"left out: {by or f'{entry.dropped:,} rows'}")
    if entry.expanded:
        lines.append(f"rows with several examples add {entry.expanded:,} to the first of each")
    return lines


def describe_unknown(entry: SplitEntry) -> list[str]:
    """Say how much of the texts the vocabulary does not know.

    Args:
        entry: The split.

    Returns:
        A line for each side that has something of the kind.
    """
    sides = (
        ("input", entry.unknown_input_tokens, entry.input_tokens, entry.lossy_inputs),
        ("target", entry.unknown_target_tokens, entry.target_tokens, entry.lossy_targets),
    )
    return [
        f"unknown {side} tokens: {unknown:,} ({unknown / max(tokens, 1):.1%});"
        f" {side}s that do not decode back: {lossy:,}"
        for side, unknown, tokens, lossy in sides
        if unknown or lossy
    ]


def loses_much(entry: SplitEntry) -> bool:
    """Tell whether more than 1 % of the tokens, or of the texts, of a side are unknown."""
    shares = (
        entry.unknown_input_tokens / max(entry.input_tokens, 1),
        entry.unknown_target_tokens / max(entry.target_tokens, 1),
        entry.lossy_inputs / entry.examples,
        entry.lossy_targets / entry.examples,
    )
    return max(shares) > MUCH_UNKNOWN


def describe_lengths(counts: np.ndarray) -> str:
    """Say how long texts are.

    Args:
        counts: int64 [longest + 1], examples by length in tokens.

    Returns:
        Such as "3 to 61 tokens; 50 % within 20, 90 % within 41, 99 % within 60", or "all of 3
        tokens".
    """
    lengths = np.flatnonzero(counts)
    if len(lengths) == 1:
        return f"all of {lengths[0]} token" + ("" if lengths[0] == 1 else "s")
    shown = ", ".join(
        f"{percent} % within {percentile_length(counts, percent)}" for percent in _PERCENTILES
    )
    return f"{lengths[0]} to {len(counts) - 1} tokens; {shown}"


def describe_labels(task: TaskEntry, entry: SplitEntry) -> Iterator[str]:
    """Say which share of a split has which label.

    Args:
        task: Whose labels.
        entry: The split.

    Yields:
        One line; none of a task without labels.
    """
    if task.label_words:
        counted = zip(task.label_words, entry.label_counts, strict=True)
        shown = ", ".join(f"{word} {count / entry.examples:.1%}" for word, count in counted)
        yield f"labels: {shown}"


def describe_mixture_rule(mixture: Mixture) -> str:
    """Say how tasks are mixed.

    Args:
        mixture: How.

    Returns:
        Such as "temperature 2, cap 10,000 examples".
    """
    cap = f"cap {mixture.cap:,} examples" if mixture.cap else "no cap"
    training = (
        f"; epochs after {mixture.steps:,} steps with batches of {mixture.batch_size:,}"
        if mixture.steps
        else ""
    )
    return f"temperature {mixture.temperature:g}, {cap}{training}"


def describe_only_task(share: TaskShare) -> str:
    """Say of a mixture of one task what there is to say.

    Args:
        share: The task's.

    Returns:
        Such as "rte alone, with 2,490 training examples, each seen 1.50 times".
    """
    seen = "" if share.epochs is None else f", each seen {share.epochs:,.2f} times"
    return f"{share.task} alone, with {share.size:,} training examples{seen}"


def _describe_lengths(split: SplitSurvey, choices: int) -> Iterator[str]:
    inputs = f"input lengths, of each of {choices} choices" if choices else "input lengths"
    for name, counts in ((inputs, split.input_lengths), ("target lengths", split.target_lengths)):
        drawn = f"{_sparkline(counts):<{_SPARK_BINS}}"
        yield f"{name}: {describe_lengths(counts)}"
        yield f"  {drawn}".rstrip()


def _sparkline(counts: np.ndarray) -> str:
    """Draw a histogram from the shortest to the longest; bins that are not empty always show."""
    shortest, longest = np.flatnonzero(counts)[0], len(counts) - 1
    edges = np.linspace(shortest, longest + 1, min(_SPARK_BINS, longest + 1 - shortest) + 1)
    heights, _ = np.histogram(np.arange(len(counts)), bins=edges, weights=counts)
    levels = np.ceil(heights / heights.max() * len(_BARS)).astype(int)
    return "".join(_BARS[level - 1] if level else " " for level in levels)


def _describe_examples(split: SplitSurvey) -> Iterator[str]:
    for example in split.examples:
        yield f"    example {example.number}:"
        yield f"      inputs:  {example.inputs}"
        yield f"      targets: {example.targets}"


def _describe_mixture(mixture: Mixture, shares: Sequence[TaskShare]) -> Iterator[str]:
    width = max(len(share.task) for share in shares)
    yield f"mixture: {describe_mixture_rule(mixture)}"
    epochs = f" {'epochs':>9}" if mixture.steps else ""
    yield f"  {'task':<{width}} {'examples':>12} {'rate':>8}{epochs}"
    for share in shares:
        seen = "" if share.epochs is None else f" {share.epochs:>9,.2f}"
        yield f"  {share.task:<{width}} {share.size:>12,} {share.probability:>8.2%}{seen}"
