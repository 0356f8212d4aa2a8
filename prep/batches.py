"""Rows of a token table → one batch of static shape, with numpy alone.

This runs once per training step on the host, so nothing loops over rows or tokens in Python.

Shapes: B batch, S source length, T target length.
"""

import numpy as np

from prep.reading import TokenTable

PAD_ID = 0
DECODER_START_ID = 0  # T5 starts decoding from the padding token


def make_batch(
    table: TokenTable, rows: np.ndarray, *, input_length: int, target_length: int, task: int
) -> dict[str, np.ndarray]:
    """Gathers examples into padded arrays, shifting the targets right for the decoder.

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
    inputs, _ = _gather(table.inputs, table.input_offsets, rows, input_length)
    targets, is_target = _gather(table.targets, table.target_offsets, rows, target_length)
    shifted = np.full_like(targets, DECODER_START_ID)
    shifted[:, 1:] = targets[:, :-1]
    return {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": shifted,
        "decoder_target_tokens": targets,
        "decoder_loss_weights": is_target.astype(np.float32),
        "task": np.full(len(rows), task, np.int32),
    }


def _gather(
    values: np.ndarray, offsets: np.ndarray, rows: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Takes rows of a ragged column as int32 [B, length], with a mask of the real tokens."""
    is_real = rows >= 0
    starts = np.where(is_real, offsets[rows], 0)
    ends = np.where(is_real, offsets[rows + is_real], 0)
    within = np.arange(length)
    mask = within < (ends - starts)[:, None]
    positions = starts[:, None] + within
    positions[:, -1] = np.where(ends - starts > length, ends - 1, positions[:, -1])
    positions[~mask] = 0
    if not len(values):
        return np.full(positions.shape, PAD_ID, np.int32), mask
    return np.where(mask, values[positions], PAD_ID).astype(np.int32), mask
