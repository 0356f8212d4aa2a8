"""The losses of heads: cross-entropy of classes and choices, squared error of numbers.

Shape letters: B batch, C classes or choices.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from adapters_tf.model.heads import TaskHeads
from trainer.losses.tokens import PLAIN, TokenLoss

_LEAST = 1e-30  # of 1 - p, below which its power has no slope


def sum_head_losses(
    heads: TaskHeads, scores_BC: tf.Tensor, batch: Mapping[str, tf.Tensor], kind: TokenLoss = PLAIN
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum the weighted losses of a batch that heads answer.

    Args:
        heads: Of the model.
        scores_BC: float32 [B, C], from `TaskModel.answer`.
        batch: `labels` float32 [B], the index of the right class or choice, or the number;
            `label_weights` float32 [B], 0 for padding; `task` int32 [B].
        kind: What is minimised; of z-loss and chunks there are none here.

    Returns:
        The sum, float32, in nats or squared units, and the weighted loss of each example, float32
        [B], which has no gradient.
    """
    task_B, labels_B = batch["task"], batch["labels"]
    is_number_B = heads.is_number(task_B)
    index_B = tf.where(is_number_B, 0, tf.cast(labels_B, tf.int32))
    count_B = tf.maximum(heads.count_answers(task_B), 1)
    losses_B = cross_entropy_of_classes(scores_BC, index_B, count_B, kind)
    squares_B = tf.square(scores_BC[:, 0] - labels_B)
    losses_B = tf.where(is_number_B, squares_B, losses_B) * batch["label_weights"]
    return tf.reduce_sum(losses_B), tf.stop_gradient(losses_B)


def cross_entropy_of_classes(
    scores_BC: tf.Tensor, index_B: tf.Tensor, count_B: tf.Tensor, kind: TokenLoss
) -> tf.Tensor:
    """Compute the cross-entropy, smoothed over the task's own classes, and focal if asked for.

    With p the probability of the right class, the focal loss is the cross-entropy times (1 - p)^γ
    (Lin et al. 2017, arXiv 1708.02002).

    Args:
        scores_BC: float32 [B, C], very low for classes that a task has not.
        index_B: int32 [B], of the right class.
        count_B: int32 [B], how many classes a task has.
        kind: With `label_smoothing` and `focal_gamma`.

    Returns:
        float32 [B], in nats.
    """
    logs_BC = tf.nn.log_softmax(scores_BC)
    classes_C = tf.range(tf.shape(scores_BC)[1])
    is_right_BC = classes_C == index_B[:, None]
    right_B = tf.reduce_sum(tf.where(is_right_BC, logs_BC, 0.0), 1)
    losses_B = -right_B
    if s := kind.label_smoothing:
        is_class_BC = classes_C < count_B[:, None]
        all_B = tf.reduce_sum(tf.where(is_class_BC, logs_BC, 0.0), 1)
        losses_B = (1 - s) * losses_B - s * all_B / tf.cast(count_B, tf.float32)
    if gamma := kind.focal_gamma:
        losses_B *= tf.maximum(-tf.math.expm1(right_B), _LEAST) ** gamma
    return losses_B
