"""PCGrad, projections of gradients that conflict (Yu et al. 2020, arXiv 2001.06782).

Shape letters: M microbatches of a step.
"""

from __future__ import annotations

import tensorflow as tf

from trainer.balancing.method import Balancing

_LEAST = 1e-30  # of a squared length


class PCGrad(Balancing):
    """Take out of each gradient what goes against another one, and add up what is left.

    Each meets the others in an order of its own, drawn from the seed and the step (algorithm 1).
    Whatever is left of a gradient is a sum of the M that there were, so the products among these
    are all that has to be known of them.
    """

    looks_at = "gradients"

    def combine(self, weights_M: tf.Tensor, gram_MM: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Project, and add up."""
        M = gram_MM.shape[0]
        rank_MM = draw_orders(self.seed, step, M)
        left_MM = tf.eye(M)  # of gradient m, how much of each there is in what is left
        for place in range(M):
            met_MM = tf.cast(rank_MM == place, tf.float32) * (1.0 - tf.eye(M))
            product_M = tf.reduce_sum(tf.matmul(left_MM, gram_MM) * met_MM, 1)
            square_M = tf.linalg.matvec(met_MM, tf.linalg.diag_part(gram_MM))
            against_M = tf.minimum(product_M, 0.0) / tf.maximum(square_M, _LEAST)
            left_MM -= against_M[:, None] * met_MM
        return tf.reduce_sum(left_MM, 0)


def draw_orders(seed: int, step: tf.Tensor, M: int) -> tf.Tensor:
    """Draw the order in which each gradient meets the others.

    Args:
        seed: Of the run.
        step: int64 scalar, steps done.
        M: How many there are.

    Returns:
        int32 [M, M]: row m has the place of each gradient in m's order, from 0.
    """
    key = tf.stack([tf.constant(seed, tf.int64), step])
    draws_MM = tf.random.stateless_uniform([M, M], key)
    # Counted rather than sorted, which is slow on a TPU.
    is_before_MMM = draws_MM[:, None, :] < draws_MM[:, :, None]
    return tf.reduce_sum(tf.cast(is_before_MMM, tf.int32), 2)
