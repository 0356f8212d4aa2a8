"""What a task is about, as one vector: its inputs' encoder states, pooled.

Karimi Mahabadi et al. 2021 (arXiv 2106.04489) feed such vectors to hypernetworks in place of
learned ones, after Vu et al. 2020 (arXiv 2005.00770), who choose by them which task to start from.

Shape letters: N examples, B batch, S source length, D model width, K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.model.forward import encode

BATCH_SIZE = 16
# Lengths are padded to a multiple of it, so that few programs serve all tasks.
LENGTH_STEP = 64


def pool_mean(states_BSD: tf.Tensor, mask_BS: tf.Tensor) -> tf.Tensor:
    """Average over real tokens, [B, D]."""
    return tf.einsum("BSD,BS->BD", states_BSD, _share(mask_BS))


def pool_max(states_BSD: tf.Tensor, mask_BS: tf.Tensor) -> tf.Tensor:
    """Take each unit's largest value over real tokens, [B, D]."""
    return tf.reduce_max(tf.where(mask_BS[..., None] > 0, states_BSD, states_BSD.dtype.min), 1)


def pool_attentive(states_BSD: tf.Tensor, mask_BS: tf.Tensor) -> tf.Tensor:
    """Average over real tokens by how much each is like the average, [B, D].

    The weights are the softmax of m · h_s / sqrt(D), where m is the mean state: attention whose
    query is the mean, without learned weights.
    """
    mean_BD = pool_mean(states_BSD, mask_BS)
    scores_BS = tf.einsum("BSD,BD->BS", states_BSD, mean_BD) * states_BSD.shape[-1] ** -0.5
    weights_BS = tf.nn.softmax(tf.where(mask_BS > 0, scores_BS, scores_BS.dtype.min))
    return tf.einsum("BSD,BS->BD", states_BSD, weights_BS)


def _share(mask_BS: tf.Tensor) -> tf.Tensor:
    return mask_BS / tf.reduce_sum(mask_BS, -1, keepdims=True)


POOLINGS: Mapping[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "mean": pool_mean,
    "max": pool_max,
    "attentive": pool_attentive,
}


class TaskEmbedder:
    """Turns a task's examples into a vector.

    Args:
        backbone: A TFT5; adapters, if it has any, take part.
        pooling: A name in `POOLINGS`, over the tokens of an example.
    """

    def __init__(self, backbone: tf_keras.Model, pooling: str = "mean"):
        self.width = backbone.config.d_model
        pool = POOLINGS[pooling]

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def run(tokens_BS: tf.Tensor) -> tf.Tensor:
            states_BSD = encode(backbone, {"encoder_input_tokens": tokens_BS})
            mask_BS = tf.cast(tokens_BS != 0, tf.float32)
            return pool(tf.cast(states_BSD, tf.float32), mask_BS)

        self._run = run

    def embed(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Average the pooled encoder states of examples.

        Args:
            inputs: N token id arrays, [length] each.

        Returns:
            float32 [D].
        """
        by_length = sorted(inputs, key=len)  # so that a batch holds little padding
        total_D = np.zeros(self.width)
        for first in range(0, len(by_length), BATCH_SIZE):
            tokens_BS = _pad(by_length[first : first + BATCH_SIZE])
            total_D += self._run(tf.constant(tokens_BS)).numpy().sum(0, dtype=np.float64)
        return (total_D / len(by_length)).astype(np.float32)


def _pad(inputs: Sequence[np.ndarray]) -> np.ndarray:
    length = -(-max(map(len, inputs)) // LENGTH_STEP) * LENGTH_STEP
    return np.stack([np.pad(tokens, (0, length - len(tokens))) for tokens in inputs]).astype("i4")


def common_start(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Find the tokens that all examples begin with, which is the task's prefix if it has one.

    Args:
        inputs: N token id arrays.

    Returns:
        Token ids, [length]; it leaves every example at least its end of sequence and a token. One
        example has nothing in common with others.
    """
    if len(inputs) < 2:
        return inputs[0][:0] if inputs else np.zeros(0, np.int64)
    most = max(0, min(map(len, inputs)) - 2)
    heads = np.stack([tokens[:most] for tokens in inputs])
    differing = np.flatnonzero((heads != heads[0]).any(0))
    return heads[0][: differing[0] if len(differing) else most]


def cosine_matrix(vectors_KD: np.ndarray) -> np.ndarray:
    """Compare every task with every other.

    Args:
        vectors_KD: [K, D].

    Returns:
        float [K, K], the cosines of the angles between them.
    """
    units_KD = vectors_KD / np.linalg.norm(vectors_KD, axis=-1, keepdims=True)
    return units_KD @ units_KD.T


def nearest_tasks(names: Sequence[str], cosines_KK: np.ndarray) -> dict[str, list[str]]:
    """List each task's others, the nearest first.

    Args:
        names: K names.
        cosines_KK: From `cosine_matrix`.

    Returns:
        K - 1 names per task.
    """
    return {
        name: [
            names[other] for other in np.argsort(-cosines_KK[row], kind="stable") if other != row
        ]
        for row, name in enumerate(names)
    }
