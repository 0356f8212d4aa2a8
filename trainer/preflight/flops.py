"""The floating-point operations that a step needs by its definition: products and no more.

What a compiled program does beyond them is overhead, such as recomputation, or products in the
place of look-ups.

Shape letters: B rows, S input length, T target length.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class T5Shape:
    """The sizes of a T5 that its products have.

    Attributes:
        width: Of the residual stream.
        inner: Heads times their width.
        hidden: Of the feed-forward layers.
        encoder_layers: How many.
        decoder_layers: How many.
        vocabulary: Rows of the table that scores the tokens.
        is_gated: Whether feed-forward layers have a gate.
    """

    width: int
    inner: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    is_gated: bool = False


@dataclass(frozen=True)
class AdapterShape:
    """What of a task's adapters is multiplied with each position.

    Attributes:
        encoder: Numbers of one task's rows in the encoder.
        decoder: The same of the decoder.
    """

    encoder: int
    decoder: int


def forward_flops(shape: T5Shape, B: int, S: int, T: int, beams: int = 1) -> int:
    """Count what a T5 computes of a batch.

    Args:
        shape: Of the model.
        B: Rows.
        S: Input positions of a row.
        T: Target positions of a row.
        beams: Decoded side by side for each row, of the same encoder states.

    Returns:
        Floating-point operations, two for a multiplication with its addition.
    """
    projection = 2 * shape.width * shape.inner  # of a position: of queries, keys, values or out
    feed_forward = 2 * shape.width * shape.hidden * (3 if shape.is_gated else 2)
    encoder = S * (4 * projection + feed_forward + 4 * S * shape.inner)
    itself = T * (4 * projection + 4 * T * shape.inner)
    across = 2 * T * projection + 4 * T * S * shape.inner
    decoder = beams * (itself + across + T * feed_forward) + 2 * S * projection
    logits = 2 * beams * T * shape.width * shape.vocabulary
    return B * (shape.encoder_layers * encoder + shape.decoder_layers * decoder + logits)


def train_flops(
    shape: T5Shape, B: int, S: int, T: int, adapters: AdapterShape | None = None
) -> int:
    """Count what a train step computes.

    Args:
        shape: Of the model.
        B: Rows.
        S: Input positions of a row.
        T: Target positions of a row.
        adapters: What trains; None where the whole backbone does.

    Returns:
        Floating-point operations: forward once, backward by the inputs once, and once by whatever
        weights train.
    """
    forward = forward_flops(shape, B, S, T)
    if adapters is None:
        return 3 * forward
    return 2 * forward + 3 * 2 * B * (S * adapters.encoder + T * adapters.decoder)
