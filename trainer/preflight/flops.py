"""What a step needs by its definition: floating-point operations of products, and memory at least.

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
        heads: Of an attention.
        prompt: Positions that a method puts before the input.
        prefixes: Keys that a method puts before those of the encoder, of the decoder and of the
            attention across.
    """

    width: int
    inner: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    is_gated: bool = False
    heads: int = 1
    prompt: int = 0
    prefixes: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class AdapterShape:
    """What of a task's adapters is multiplied with each position.

    Attributes:
        encoder: Numbers of one task's rows in the encoder.
        decoder: The same of the decoder.
        prefix: Multiplications that make one task's prefixes, once for a batch.
    """

    encoder: int
    decoder: int
    prefix: int = 0


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
    own_S = S + shape.prompt
    encoder = own_S * (4 * projection + feed_forward)
    decoder = beams * T * (6 * projection + feed_forward) + 2 * own_S * projection
    logits = 2 * beams * T * shape.width * shape.vocabulary
    by_weights = shape.encoder_layers * encoder + shape.decoder_layers * decoder + logits
    return B * by_weights + attention_flops(shape, B, S, T, beams)


def attention_flops(shape: T5Shape, B: int, S: int, T: int, beams: int = 1) -> int:
    """Count the part of `forward_flops` without weights: queries by keys, and weights by values.

    Args:
        shape: Of the model.
        B: Rows.
        S: Input positions of a row.
        T: Target positions of a row.
        beams: Decoder rows for each row.

    Returns:
        Floating-point operations.
    """
    S += shape.prompt
    before_S, before_T, before_across = shape.prefixes
    encoder = shape.encoder_layers * S * (S + before_S)
    decoder = beams * shape.decoder_layers * T * (T + before_T + S + before_across)
    return B * 2 * 2 * shape.inner * (encoder + decoder)


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
        weights train. Both factors of an attention's products are inputs.
    """
    forward = forward_flops(shape, B, S, T)
    if adapters is None:
        return 3 * forward
    of_attention = attention_flops(shape, B, S, T)
    S += shape.prompt
    each = S * adapters.encoder + T * adapters.decoder
    return 2 * forward + of_attention + 3 * 2 * (B * each + adapters.prefix)


def least_memory(shape: T5Shape, B: int, S: int) -> int:
    """Count what no compiler gets around: one encoder layer's scores, of two bytes each.

    Args:
        shape: Of the model.
        B: Rows.
        S: Input positions of a row.

    Returns:
        Bytes.
    """
    S += shape.prompt
    return 2 * B * max(shape.heads * S * S, shape.width * S)
