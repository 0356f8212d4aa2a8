"""What of the examples does not fit into a run's batches."""

from __future__ import annotations

from prep import TokenTable
from trainer.batches.lanes import Table
from trainer.batches.mixture_batches import Lengths, MixtureBatches, choices_of, is_for_head


def longest_of(table: Table, shape: Lengths) -> tuple[int, int]:
    """Tell the tokens of the longest text, and of the longest target that is looked at."""
    inputs, targets = table.longest
    if not is_for_head(shape):
        return inputs, targets
    if isinstance(table, TokenTable):
        inputs = int(table.text_lengths(choices_of(shape)).max(initial=0))
    return inputs, 0


def describe_cuts(table: Table, shape: Lengths) -> str:
    """Say how many examples are longer than a batch has room for; packed rows never are."""
    if table.is_packed:
        return ""
    longer = table.count_longer(*shape[:2])
    if longer is None:  # the manifest of an earlier version counts no lengths
        places = zip(("inputs", "targets"), longest_of(table, shape), shape[:2], strict=True)
        return "".join(
            f", {name} of more than {most} tokens are cut (the longest has {longest})"
            for name, longest, most in places
            if longest > most
        )
    inputs, targets = longer
    if is_for_head(shape):
        targets = 0
        if isinstance(table, TokenTable):
            inputs = int((table.text_lengths(shape[2]) > shape[0]).sum())
    said = f", {inputs} inputs cut to {shape[0]} tokens" if inputs else ""
    if targets:
        said += f", {targets} targets cut to {shape[1]} tokens"
    return said


def warn_of_cuts(batches: MixtureBatches) -> list[str]:
    """Say of tasks whose inputs are mostly cut what would take them whole."""
    lines = []
    for name, table, shape in zip(batches.names, batches.tables, batches.shapes, strict=True):
        longest, most = longest_of(table, shape)[0], shape[0]
        longer = None if table.is_packed else table.count_longer(*shape[:2])
        if longest > most and longer and longer[0] > len(table) / 2:
            lines.append(
                f"note: {name}: most inputs are cut to {most} tokens; --data.input_length "
                f"{longest} takes all as they are"
            )
    return lines
