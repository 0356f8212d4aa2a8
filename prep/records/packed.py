"""The records of a training shard, each with as many examples as fit into a row."""

from collections.abc import Sequence
from typing import NamedTuple

from prep.errors import DataError
from prep.records.encoder import RecordEncoder
from prep.tokens.packing import pack_examples

PACKED_SPLITS = ("train",)  # what is scored stays one example per record


class Records(NamedTuple):
    """What goes into a shard.

    Attributes:
        content: The bytes of the TFRecord file.
        records: How many there are.
        fullest_targets: The most target tokens in one of them.
    """

    content: bytes
    records: int
    fullest_targets: int


def pack_records(
    encoder: RecordEncoder,
    numbers: Sequence[int],
    labels: Sequence[int],
    inputs: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    input_length: int,
    target_length: int,
) -> Records:
    """Share a shard's examples out among records.

    Args:
        encoder: Of the shard.
        numbers: Row numbers in the split.
        labels: Indices of the label word, −1 if none.
        inputs: Token ids with EOS.
        targets: Token ids with EOS.
        input_length: Input tokens that a record may have.
        target_length: Target tokens that a record may have; 0: as few as cost no record.

    Returns:
        The records.

    Raises:
        DataError: If the targets of an example are too long.
    """
    lengths = list(map(len, targets))
    if target_length and max(lengths, default=0) > target_length:
        longest = max(lengths)
        raise DataError(
            f"the targets of row {numbers[lengths.index(longest)]:,} have {longest} tokens, and a"
            f" packed row holds {target_length}: raise `pack_target_length`, or lower"
            " `max_target_length`"
        )
    rows = pack_examples(list(map(len, inputs)), lengths, input_length, target_length or None)
    content = encoder.frame_all(
        encoder.packed_message(
            [numbers[place] for place in row],
            [labels[place] for place in row],
            [inputs[place] for place in row],
            [targets[place] for place in row],
        )
        for row in rows
    )
    fullest = max((sum(lengths[place] for place in row) for row in rows), default=0)
    return Records(content, len(rows), fullest)
