"""Sampling: tokens drawn from what the model finds probable, the same ones for the same seed.

Temperature, top-k and top-p are applied in the order of transformers' `generate`. What is drawn
depends on a number between 0 and 1 for each token of each sample, which comes with the batch: an
example's answers are the same in whatever batch, on whatever number of replicas it is answered.

Shape letters: B batch, K samples of each example, S source length, T target length, V vocabulary,
C blocks of the vocabulary.
"""

from collections.abc import Mapping
from zlib import crc32

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, encode
from eval.decoding.beam import BeamAnswers
from eval.decoding.limits import FORBIDDEN
from eval.decoding.loop import decode_tokens
from eval.decoding.options import Limits, Sampling
from eval.decoding.top_k import top_few, top_of_many

CHANCES = "chances"
_BLOCK = 256
_BELOW_ONE = 1 - 2**-22  # by more than a float32 rounds
_ONE = 0x3F800000  # the bits of 1.0 as a float32


class SamplingModel(tf_keras.Model):
    """Answers that are drawn.

    Args:
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
        sampling: How they are drawn.
        limits: What tokens may not be.
        examples_leave: As `decode_tokens` has it.
    """

    def __init__(
        self,
        model: TaskModel,
        *,
        length: int,
        sampling: Sampling,
        limits: Limits | None = None,
        examples_leave: bool = False,
    ):
        super().__init__(name=f"sampling_model_{length}_{sampling.samples}")
        if length < 1:
            raise ValueError(f"the decoding length must be 1 token or more, not {length}")
        self.model = model
        self.length = length
        self.sampling, self.limits = sampling, limits or Limits()
        self.examples_leave = examples_leave and not model.is_routed_by_example
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> BeamAnswers:
        """Draw K answers to every row.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], `task` int32 [B], all equal unless the model
                routes by example, and `chances` float32 [B, K, T], at least 0 and below 1.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            Answers, the most probable first; scores are sums of the model's log-probabilities, as
            they are without temperature, top-k and top-p. Of rows of padding, padding.
        """
        with self.model.route(batch):
            found = decode_tokens(
                self.model.backbone,
                encode(self.model.backbone, batch),
                batch["encoder_input_tokens"] != 0,
                self.length,
                self._draw,
                limits=self.limits,
                samples=self.sampling.samples,
                own=batch[CHANCES],
                examples_leave=self.examples_leave,
            )
        scores, order = top_few(found.scores, self.sampling.samples)
        return BeamAnswers(tf.gather(found.tokens, order, batch_dims=1), scores)

    def _draw(
        self,
        logits_bKV: tf.Tensor,
        allowed_bKV: tf.Tensor,
        step: tf.Tensor,
        chances_bKT: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        shares_bKV = choose_shares(allowed_bKV, self.sampling)
        token_bK = draw(shares_bKV, tf.gather(chances_bKT, step, axis=-1))
        logit_bK = tf.gather(logits_bKV, token_bK, batch_dims=2)
        return token_bK, logit_bK - tf.reduce_logsumexp(logits_bKV, axis=-1)


def choose_shares(logits_BKV: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """Turn logits into what tokens are drawn with.

    Args:
        logits_BKV: float32 [B, K, V].
        sampling: Temperature, top-k and top-p. Of top-p the fewest tokens are kept whose
            probabilities add up to it, with all that are as probable as the last of them.

    Returns:
        float32 [B, K, V], not negative; what each row adds up to is for `draw` to see.
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


def draw(shares_BKV: tf.Tensor, chance_BK: tf.Tensor) -> tf.Tensor:
    """Draw a token of each row: a block of the vocabulary first, then one of it.

    Args:
        shares_BKV: float32 [B, K, V], not negative, their sum above 0.
        chance_BK: float32 [B, K], at least 0 and below 1.

    Returns:
        int32 [B, K], never one whose share is 0.
    """
    V = shares_BKV.shape[-1]
    blocks = -(-V // _BLOCK)
    padded = tf.pad(shares_BKV, [[0, 0], [0, 0], [0, blocks * _BLOCK - V]])
    B, K, _ = tf.unstack(tf.shape(padded))
    by_block = tf.reshape(padded, tf.stack([B, K, blocks, _BLOCK]))
    ends_BKC = tf.cumsum(tf.reduce_sum(by_block, -1), axis=-1)
    aim_BK = chance_BK * ends_BKC[..., -1]
    block_BK = _first_above(ends_BKC, aim_BK)
    starts_BKC = tf.pad(ends_BKC[..., :-1], [[0, 0], [0, 0], [1, 0]])
    left_BK = aim_BK - tf.gather(starts_BKC, block_BK, batch_dims=2)
    within_BKW = tf.cumsum(tf.gather(by_block, block_BK, batch_dims=2), axis=-1)
    return block_BK * _BLOCK + _first_above(within_BKW, left_BK)


def _first_above(sums_BKC: tf.Tensor, aim_BK: tf.Tensor) -> tf.Tensor:
    """Find the first sum above an aim, which rounding must not raise to the last sum."""
    most_BK = sums_BKC[..., -1] * _BELOW_ONE
    is_above = sums_BKC > tf.minimum(aim_BK, most_BK)[..., None]
    return tf.argmax(is_above, axis=-1, output_type=tf.int32)


def chances_of(seed: int, task: str, examples: np.ndarray, samples: int, length: int) -> np.ndarray:
    """Take the numbers that decide what is drawn.

    Args:
        seed: Of the sampling.
        task: The name of the task.
        examples: int [B], the number of each example in its split; below 0 where there is none.
        samples: K.
        length: T.

    Returns:
        float32 [B, K, T], at least 0 and below 1: of an example the same, whatever the others are.
    """
    chances = np.zeros((len(examples), samples, length), np.float32)
    for place, example in enumerate(examples.tolist()):
        if example >= 0:
            key = np.array([seed << 32 | crc32(task.encode()), example], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            chances[place] = generator.random((samples, length), np.float32)
    return chances
