"""One number per task that learns by Adam, in the steps of that task alone.

Shape letters: M microbatches of a step, K tasks.
"""

from __future__ import annotations

import tensorflow as tf

from trainer.balancing.method import find_present, of_replicas
from trainer.optimizers.adamw import TaskwiseAdamW


class LearnedByTask(tf.Module):
    """A value per task, with Adam's moments and count of steps.

    Args:
        tasks: K, how many.
        initial: Of every value.
        rate: Adam's learning rate.
    """

    def __init__(self, tasks: int, initial: float, rate: float):
        super().__init__(name="learned_by_task")
        self.tasks, self.rate = tasks, rate
        self.value = of_replicas(tf.fill([tasks], initial), "value")
        self.slots = {
            name: of_replicas(tf.zeros([tasks]), name) for name in ("mean", "square", "steps")
        }
        self._adam = TaskwiseAdamW(rate, lambda variable: True)

    def descend(self, gradient_M: tf.Tensor, tasks_M: tf.Tensor, is_taken: tf.Tensor) -> None:
        """Take a step of Adam (Kingma and Ba 2015, arXiv 1412.6980) for the tasks of a step.

        Args:
            gradient_M: float32; those of one task are added up.
            tasks_M: int32.
            is_taken: Bool scalar; without it nothing changes.
        """
        gradient_K = tf.math.unsorted_segment_sum(gradient_M, tasks_M, self.tasks)
        is_there_K = find_present(tasks_M, self.tasks)
        is_moved_K = is_there_K & is_taken
        read = {name: tf.convert_to_tensor(slot) for name, slot in self.slots.items()}
        counted = {**read, "steps": read["steps"] + 1.0}
        value = tf.convert_to_tensor(self.value)
        change, slots = self._adam.update(gradient_K, value, counted, tf.constant(self.rate))
        self.value.assign(tf.where(is_moved_K, value + change, value))
        for name, slot in self.slots.items():
            slot.assign(tf.where(is_moved_K, {**counted, **slots}[name], read[name]))
