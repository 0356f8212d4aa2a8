"""Sampling: tokens drawn from what the model finds probable, the same ones for the same seed.

Temperature, top-k and top-p are applied in the order of transformers' `generate`. What is drawn
depends on 32 random bits for each token of each sample, which come with the batch: an example's
answers are the same in whatever batch, on whatever number of replicas it is answered, unless two
tokens come out equal but for rounding. From its bits, each token of the vocabulary gets a number of
the Gumbel distribution; the largest sum of that and its log-probability is drawn (Gumbel-max).

Shape letters: B batch, K samples of each example, S source length, T target length, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np
import tensorflow as tf

from adapters_tf import TaskModel
from eval.decoding.beam import BeamAnswers
from eval.decoding.greedy import log_probability
from eval.decoding.limits import FORBIDDEN
from eval.decoding.loop import LoopModel
from eval.decoding.options import Sampling
from eval.decoding.top_k import top_few, top_of_many

DRAWS = "draws"
_GOLDEN = 0x9E3779B9  # 2³² divided by the golden ratio: consecutive multiples lie far apart
_ONE = 0x3F800000  # the bits of 1.0 as a float32


class SamplingModel(LoopModel):
    """Answers that are drawn.

    Args:
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
        sampling: How they are drawn.
        **settings: `limits` and `examples_leave`, as `LoopModel` has them.
    """

    def __init__(self, model: TaskModel, *, length: int, sampling: Sampling, **settings: Any):
        super().__init__(
            f"sampling_model_{length}_{sampling.samples}", model, length=length, **settings
        )
        self.sampling = sampling

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> BeamAnswers:
        """Draw K answers to every row.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], `task` int32 [B], all equal unless the model
                routes by example, and `draws` int32 [B, K, T], any bits.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            Answers, the most probable first; scores are sums of the model's log-probabilities, as
            they are without temperature, top-k and top-p. Of rows of padding, padding.
        """
        samples = self.sampling.samples
        found = self.decode(batch, self._draw, samples=samples, own=batch[DRAWS])
        scores, order = top_few(found.scores, samples)
        return BeamAnswers(tf.gather(found.tokens, order, batch_dims=1), scores)

    def _draw(
        self,
        logits_bKV: tf.Tensor,
        allowed_bKV: tf.Tensor,
        step: tf.Tensor,
        draws_bKT: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        shares_bKV = choose_shares(allowed_bKV, self.sampling)
        token_bK = draw(shares_bKV, tf.gather(draws_bKT, step, axis=-1))
        return token_bK, log_probability(logits_bKV, token_bK)


def choose_shares(logits_BKV: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """Turn logits into what tokens are drawn with.

    Args:
        logits_BKV: float32 [B, K, V].
        sampling: Temperature, top-k and top-p. Of top-p the fewest tokens are kept whose
            probabilities add up to it, with all that are as probable as the last of them.

    Returns:
        float32 [B, K, V], not negative; what a row adds up to is of no matter to `draw`.
    """
    logits_BKV = logits_BKV / sampling.temperature
    if sampling.top_k:
        best_BKk, _ = top_of_many(logits_BKV, min(sampling.top_k, logits_BKV.shape[-1]))
        logits_BKV = tf.where(logits_BKV < best_BKk[..., -1:], FORBIDDEN, logits_BKV)
    shares_BKV = tf.nn.softmax(logits_BKV)
    if sampling.top_p < 1:
        # Bits of floats that are not negative are in the order of the floats.
        bits_BKV = tf.bitcast(shares_BKV, tf.int32)
        least_BK1 = _find_least(shares_BKV, bits_BKV, sampling.top_p)
        shares_BKV = tf.where(bits_BKV >= least_BK1, shares_BKV, 0.0)
    return shares_BKV


def _find_least(shares_BKV: tf.Tensor, bits_BKV: tf.Tensor, top_p: float) -> tf.Tensor:
    """Find, bit by bit, the largest bound above which shares add up to `top_p`; int32 [B, K, 1]."""
    bound_BK1 = tf.zeros_like(bits_BKV[..., :1])
    for bit in range(_ONE.bit_length() - 1, -1, -1):
        higher_BK1 = bound_BK1 | (1 << bit)
        kept = tf.where(bits_BKV >= higher_BK1, shares_BKV, 0.0)
        is_enough = tf.reduce_sum(kept, axis=-1, keepdims=True) >= top_p
        bound_BK1 = tf.where(is_enough, higher_BK1, bound_BK1)
    return bound_BK1


def draw(shares_BKV: tf.Tensor, bits_BK: tf.Tensor) -> tf.Tensor:
    """Draw a token of each row.

    Args:
        shares_BKV: float32 [B, K, V], not negative, one of a row above 0.
        bits_BK: int32 [B, K], random.

    Returns:
        int32 [B, K], never one whose share is 0.
    """
    token_V = tf.cast(tf.range(tf.shape(shares_BKV)[-1]), tf.uint32)
    own_BK1 = tf.bitcast(bits_BK, tf.uint32)[..., None]
    mixed = _mix(tf.bitwise.bitwise_xor(own_BK1, token_V * _u(_GOLDEN)))
    # Of 2²⁴ numbers between 0 and 1, neither of which is one of them.
    uniform = (tf.cast(tf.bitwise.right_shift(mixed, _u(8)), tf.float32) + 0.5) * 2.0**-24
    score = tf.math.log(shares_BKV) - tf.math.log(-tf.math.log(uniform))
    return tf.argmax(score, axis=-1, output_type=tf.int32)


def _mix(bits: tf.Tensor) -> tf.Tensor:
    """Let every bit of a word change every other: the last steps of MurmurHash3 (Appleby 2011)."""
    bits = _fold(bits, 16) * _u(0x85EBCA6B)
    bits = _fold(bits, 13) * _u(0xC2B2AE35)
    return _fold(bits, 16)


def _fold(bits: tf.Tensor, by: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _u(by)))


def _u(number: int) -> tf.Tensor:
    return tf.constant(number, tf.uint32)


def draws_of(seed: int, task: str, examples: np.ndarray, samples: int, length: int) -> np.ndarray:
    """Take the bits that decide what is drawn.

    Args:
        seed: Of the sampling.
        task: The name of the task.
        examples: int [B], the number of each example in its split; below 0 where there is none.
        samples: K.
        length: T.

    Returns:
        int32 [B, K, T]: of an example the same, whatever the others are.
    """
    draws = np.zeros((len(examples), samples, length), np.int32)
    for place, example in enumerate(examples.tolist()):
        if example >= 0:
            key = np.array([seed << 32 | crc32(task.encode()), example], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            bits = generator.integers(0, 1 << 32, (samples, length), np.uint32)
            draws[place] = bits.view(np.int32)
    return draws
