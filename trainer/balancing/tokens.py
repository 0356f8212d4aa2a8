"""Plain accumulation: a step is the mean over all its target tokens, whosever they are."""

from __future__ import annotations

import tensorflow as tf

from trainer.balancing.method import Balancing


class TokenMean(Balancing):
    """Weigh a microbatch by its share of the step's tokens, as one large batch would."""

    needs_shared = False

    def prior(self, tasks_M: tf.Tensor, tokens_M: tf.Tensor) -> tf.Tensor:
        """Compute the shares."""
        return tokens_M / tf.maximum(tf.reduce_sum(tokens_M), 1.0)
