"""Rows of a token table → one batch of static shape, with numpy alone.

This runs once per training step on the host, so nothing loops over rows or tokens in Python.

Shape letters: B batch, S source length, T target length, C choices.
"""

from dataclasses import dataclass

import numpy as np

from prep.dataset.reading import TokenTable
from prep.errors import DataError

PAD_ID = 0
EOS_ID = 1  # ends every text, as `Vocabulary` makes sure
DECODER_START_ID = 0  # T5 starts decoding from the padding token


@dataclass(frozen=True)
class BatchKey:
    """One array of a batch.

    Attributes:
        name: Its key.
        dtype: Of its numbers.
        length: The axes beside B: `S`, `T`, `CS`, or empty for none.
    """

    name: str
    dtype: type
    length: str


BATCH_KEYS = (
    BatchKey("encoder_input_tokens", np.int32, "S"),
    BatchKey("decoder_input_tokens", np.int32, "T"),
    BatchKey("decoder_target_tokens", np.int32, "T"),
    BatchKey("decoder_loss_weights", np.float32, "T"),
    BatchKey("task", np.int32, ""),
)
# Of tasks that a head on the encoder answers; with choices, their texts have an axis of their own.
HEAD_KEYS = (
    BatchKey("encoder_input_tokens", np.int32, "S"),
    BatchKey("labels", np.float32, ""),
    BatchKey("label_weights", np.float32, ""),
    BatchKey("task", np.int32, ""),
)
CHOICE_KEYS = (BatchKey("encoder_input_tokens", np.int32, "CS"), *HEAD_KEYS[1:])
# What packed rows have besides.
PACKED_KEYS = (
    BatchKey("encoder_segment_ids", np.int32, "S"),
    BatchKey("decoder_segment_ids", np.int32, "T"),
)


def make_batch(
    table: TokenTable, rows: np.ndarray, *, input_length: int, target_length: int, task: int
) -> dict[str, np.ndarray]:
    """Gather examples into padded arrays, shifting the targets right for the decoder.

    The examples of a packed split come one by one, too; `make_packed_batch` keeps them together.

    Args:
        table: The examples of a split.
        rows: int64 [B], positions in the table; −1 is a padding row: all zeros, zero weight.
        input_length: S in tokens; longer inputs are cut, their last token kept (it is EOS).
        target_length: T in tokens; longer targets are cut in the same way.
        task: Index of the task, the same for the whole batch.

    Returns:
        `encoder_input_tokens` int32 [B, S], `decoder_input_tokens` int32 [B, T],
        `decoder_target_tokens` int32 [B, T], `decoder_loss_weights` float32 [B, T],
        `task` int32 [B].
    """
    rows = np.asarray(rows, np.int64)
    starts, ends = _find_rows(table.input_offsets, rows)
    inputs, _ = _gather(table.inputs, starts, ends, input_length)
    starts, ends = _find_rows(table.target_offsets, rows)
    targets, is_target = _gather(table.targets, starts, ends, target_length)
    return _as_batch(inputs, targets, is_target, _shift_right(targets), task)


def make_inputs(
    table: TokenTable, rows: np.ndarray, *, input_length: int, task: int, choices: int = 0
) -> dict[str, np.ndarray]:
    """Gather what the encoder reads, without targets.

    Args:
        table: The examples of a split.
        rows: int64 [B], positions in the table; −1 is a padding row.
        input_length: S in tokens; longer texts are cut, their last token kept (it is EOS).
        task: Index of the task, the same for the whole batch.
        choices: C, the texts in the inputs of each example; 0 where they are one text.

    Returns:
        `encoder_input_tokens` int32 [B, S], or [B, C, S], and `task` int32 [B].

    Raises:
        DataError: If the inputs of an example are not those of so many choices.
    """
    rows = np.asarray(rows, np.int64)
    starts, ends = _find_rows(table.input_offsets, rows)
    if choices:
        starts, ends = _find_choices(table.inputs, starts, ends, rows, choices)
    tokens, _ = _gather(table.inputs, starts, ends, input_length)
    if choices:
        tokens = tokens.reshape(len(rows), choices, input_length)
    return {"encoder_input_tokens": tokens, "task": np.full(len(rows), task, np.int32)}


def _find_choices(
    values: np.ndarray, starts: np.ndarray, ends: np.ndarray, rows: np.ndarray, choices: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find where the texts of all choices of some rows start and end, row by row."""
    lengths = ends - starts
    within = np.arange(lengths.max(initial=0))
    positions = np.minimum(starts[:, None] + within, max(len(values) - 1, 0))
    is_end = (within < lengths[:, None]) & (
        values[positions] == EOS_ID if len(values) else np.zeros(positions.shape, bool)
    )
    if (is_end.sum(1) != np.where(rows >= 0, choices, 0)).any():
        raise DataError(f"inputs of some record are not the texts of {choices} choices")
    found = np.zeros((len(rows), choices), np.int64)
    found[rows >= 0] = np.nonzero(is_end)[1].reshape(-1, choices) + 1
    found += starts[:, None]
    firsts = np.concatenate([starts[:, None], found[:, :-1]], 1)
    return firsts.ravel(), found.ravel()


def make_packed_batch(
    table: TokenTable, rows: np.ndarray, *, input_length: int, target_length: int, task: int
) -> dict[str, np.ndarray]:
    """Gather packed rows of several examples each into padded arrays.

    Within a row, the decoder's inputs begin anew with the start token at every example.

    Args:
        table: The examples of a packed split.
        rows: int64 [B], from 0 to `table.rows` - 1; −1 is a padding row.
        input_length: S in tokens; no row may be longer.
        target_length: T in tokens; no row may be longer.
        task: Index of the task, the same for the whole batch.

    Returns:
        What `make_batch` returns, and `encoder_segment_ids` int32 [B, S] and
        `decoder_segment_ids` int32 [B, T]: the number of each token's example in its row, from 1,
        and 0 where padded.

    Raises:
        ValueError: If the table is not packed, or a row is longer than its place.
    """
    if table.pack_offsets is None:
        raise ValueError("this split is not packed: every example is a row, for make_batch")
    rows = np.asarray(rows, np.int64)
    first_examples, ends = _find_rows(table.pack_offsets, rows)
    inputs, _, input_segments = _gather_packed(
        "inputs", table.inputs, table.input_offsets, first_examples, ends, input_length
    )
    targets, is_target, target_segments = _gather_packed(
        "targets", table.targets, table.target_offsets, first_examples, ends, target_length
    )
    shifted = _shift_right(targets)
    shifted[:, 1:][target_segments[:, 1:] != target_segments[:, :-1]] = DECODER_START_ID
    return {
        **_as_batch(inputs, targets, is_target, shifted, task),
        "encoder_segment_ids": input_segments,
        "decoder_segment_ids": target_segments,
    }


def _as_batch(
    inputs: np.ndarray, targets: np.ndarray, is_target: np.ndarray, shifted: np.ndarray, task: int
) -> dict[str, np.ndarray]:
    return {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": shifted,
        "decoder_target_tokens": targets,
        "decoder_loss_weights": is_target.astype(np.float32),
        "task": np.full(len(inputs), task, np.int32),
    }


def _shift_right(targets: np.ndarray) -> np.ndarray:
    shifted = np.full_like(targets, DECODER_START_ID)
    shifted[:, 1:] = targets[:, :-1]
    return shifted


def _find_rows(offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Look up where rows of a ragged column start and end; a padding row is empty."""
    is_real = rows >= 0
    starts = np.where(is_real, offsets[rows], 0)
    return starts, np.where(is_real, offsets[rows + is_real], 0)


def _gather(
    values: np.ndarray, starts: np.ndarray, ends: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Take rows of a ragged column as int32 [B, length], with a mask of the real tokens."""
    within = np.arange(length)
    mask = within < (ends - starts)[:, None]
    positions = starts[:, None] + within
    positions[:, -1] = np.where(ends - starts > length, ends - 1, positions[:, -1])
    positions[~mask] = 0
    if not len(values):
        return np.full(positions.shape, PAD_ID, np.int32), mask
    return np.where(mask, values[positions], PAD_ID).astype(np.int32), mask


def _gather_packed(
    name: str,
    values: np.ndarray,
    offsets: np.ndarray,
    first_examples: np.ndarray,
    end_examples: np.ndarray,
    length: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the tokens of consecutive examples as one row, and number the examples in it."""
    starts, ends = offsets[first_examples], offsets[end_examples]
    longest = (ends - starts).max(initial=0)
    if longest > length:
        raise ValueError(f"{name} of a packed row have {longest} tokens, the batch holds {length}")
    tokens, mask = _gather(values, starts, ends, length)
    examples = np.searchsorted(offsets, starts[:, None] + np.arange(length), side="right") - 1
    segments = np.where(mask, examples - first_examples[:, None] + 1, 0).astype(np.int32)
    return tokens, mask, segments
