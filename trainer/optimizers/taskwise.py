"""Optimizers that know task banks: slots and step counts are kept per task row.

A step on one task leaves every other task's weights and slots bit-identical. (Momentum on zero
gradients silently moves idle tasks: the classic bug.) The arithmetic is in plain functions of
tensors; the classes read and write variables, one row of a bank or the whole of a shared variable.

Shape letters: K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import (
    KeepsGradients,
    set_learning_rate,
    slot_number,
)
from adapters_tf.banks.routing import hold_rows
from adapters_tf.runtime.target import is_for_tpu
from trainer.gradients.norms import global_norm
from trainer.gradients.task_rows import TaskRows
from trainer.optimizers.group_norms import GroupNorms
from trainer.optimizers.rows import slice_row, write_row
from trainer.optimizers.traced_step import Taken, Tensors, TracedStep

AVERAGE = "average"  # the slot
Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices | TaskRows


class CheckedGradient(NamedTuple):
    """What Keras hands from `take_step` to `update_step` for each variable, on any replica.

    Attributes:
        gradient: Clipped.
        is_finite: Whether the step is taken, the same for all variables; bool scalar.
    """

    gradient: Gradient
    is_finite: tf.Tensor


class TaskwiseOptimizer(KeepsGradients, tf_keras.optimizers.Optimizer):
    """The part all methods share: which rows a step reads and writes.

    A bank's gradient comes as `tf.IndexedSlices` of the one row that was routed to, or, where a
    batch mixed tasks, of all rows, with the index −1 for those that must stay as they are, or, of
    a step of several batches, as `TaskRows`. Any other variable's gradient comes dense. Gradients
    are already summed over replicas.

    Args:
        learning_rate: A number or a Keras schedule of the global step.
        is_bank: Tells which variables have one row per task.
        weight_decay: Decoupled, times the learning rate; matrices only.
        clip_norm: The largest global norm of the gradients; None for no clipping.
        rate_of: Tells what a variable's learning rate is multiplied with; None for 1.
        ema_decay: Of an exponential moving average of every variable, a bank's row averaged over
            the steps of its task; 0 for none.
        is_compiled: Whether steps are compiled with XLA; without it the result is the same, but a
            compiled step would copy every bank.
        group_of: Names the group of a variable whose norms are measured; None for no norms.

    Attributes:
        norms: What is measured of a step, once it is built.
    """

    def __init__(
        self,
        learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
        is_bank: Callable[[tf.Variable], bool],
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        rate_of: Callable[[tf.Variable], float] | None = None,
        ema_decay: float = 0.0,
        is_compiled: bool = False,
        group_of: Callable[[tf.Variable], str] | None = None,
    ):
        super().__init__(name=type(self).__name__, weight_decay=None, jit_compile=False)
        set_learning_rate(self, learning_rate)
        self._given_rate = learning_rate
        self.is_bank, self.is_compiled = is_bank, is_compiled
        self.weight_decay_rate, self.clip_norm = weight_decay, clip_norm
        self.ema_decay = ema_decay
        self.rate_of = rate_of or (lambda variable: 1.0)
        self.group_of = group_of
        self.norms: GroupNorms | None = None
        self._traced = TracedStep(self._step)

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Create the slots and step counts of the given variables."""
        if hasattr(self, "_slots"):  # Keras asks in every step, which may be of some of them alone
            return
        super().build(var_list)
        self._slots: list[dict[str, tf.Variable]] = []
        # Looked up here: a step is given a replica's copy of a variable.
        self._rates = [self.rate_of(variable) for variable in var_list]
        if self.group_of:
            self.norms = GroupNorms([self.group_of(variable) for variable in var_list])
        for variable in var_list:
            is_bank = self.is_bank(variable)
            shape = tuple(variable.shape)
            slots = {
                name: self._add_slot(variable, name, slot_shape)
                for name, slot_shape in self.slot_shapes(shape, is_bank).items()
            }
            if self.ema_decay:
                slots[AVERAGE] = self.add_variable_from_reference(
                    variable, AVERAGE, initial_value=tf.cast(variable, tf.float32)
                )
            # [K] for a bank; 1 row for a shared variable, so that both broadcast alike.
            slots["steps"] = self._add_slot(variable, "steps", shape[:1] if is_bank else ())
            self._slots.append(slots)
            if is_bank:
                self._last_bank = slots

    def _add_slot(self, variable: tf.Variable, name: str, shape: tuple[int, ...]) -> tf.Variable:
        return self.add_variable_from_reference(
            variable, name, shape=shape, initial_value=tf.zeros(shape, tf.float32)
        )

    def rate_at(self, step: int) -> float | tf.Tensor:
        """Compute the learning rate of a step, counted from 0."""
        return self._given_rate(step) if callable(self._given_rate) else self._given_rate

    def bytes_by_variable(self, variables: Sequence[tf.Variable]) -> dict[int, int]:
        """Count what the slots take.

        Args:
            variables: Those it was built for, in the same order.

        Returns:
            Bytes by the variable's `id`.
        """
        return {
            id(variable): sum(
                slot.shape.num_elements() * slot.dtype.size for slot in slots.values()
            )
            for variable, slots in zip(variables, self._slots, strict=True)
        }

    def numbered_slots(
        self, variables: Sequence[tf.Variable]
    ) -> Iterator[tuple[int, tf.Variable, bool]]:
        """List the slots in the order they were made.

        Args:
            variables: Those it was built for, in the same order.

        Yields:
            The number a checkpoint knows a slot by, the slot, and whether it has a row per task.
        """
        numbers = {id(variable): number for number, variable in enumerate(self.variables)}
        for variable, slots in zip(variables, self._slots, strict=True):
            for slot in slots.values():
                yield numbers[id(slot)], slot, self.is_bank(variable)

    def slot_shapes(self, shape: tuple[int, ...], is_bank: bool) -> dict[str, tuple[int, ...]]:
        """Name the slots of a variable and their shapes."""
        raise NotImplementedError

    def update(
        self, gradient: tf.Tensor, value: tf.Tensor, slots: Tensors, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Tensors]:
        """Compute one row's step.

        Args:
            gradient: Of the row, or of a whole shared variable, float32.
            value: Of the same shape.
            slots: As they were, by name; `steps` already counts this step.
            rate: float32 scalar, the learning rate.

        Returns:
            What to add to the value, and the new slots.
        """
        raise NotImplementedError

    def take_step(
        self,
        gradients: Iterable[tuple[Gradient, tf.Variable]],
        loss: float | tf.Tensor = 0.0,
    ) -> tf.Tensor:
        """Apply the gradients, unless they or the loss are not finite.

        Then every weight, slot and step count is written as it was, bit for bit: nothing branches,
        so a program for a TPU is the same but for a choice in each write. `iterations` counts the
        step either way, as the batches and the learning rate are functions of it.

        Args:
            gradients: Summed over replicas, each with its variable.
            loss: float32 scalar, the same on every replica.

        Returns:
            Whether the step was taken, bool scalar.
        """
        values, variables = zip(*gradients, strict=True)
        # Finite only if every element of every gradient is.
        norm = global_norm(values)
        is_finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
        checked = [CheckedGradient(value, is_finite) for value in self.clip(values, norm)]
        if self.norms:
            self.norms.begin((slot_number(self, variable) for variable in variables), values)
        self.apply_gradients(zip(checked, variables, strict=True), skip_gradients_aggregation=True)
        if self.norms:
            self.norms.end()
        return is_finite

    def clip(self, gradients: Sequence[Gradient], norm: tf.Tensor) -> Sequence[Gradient]:
        """Scale the gradients such that their global norm is at most `clip_norm`.

        Args:
            gradients: Summed over replicas.
            norm: Theirs, float32 scalar.

        Returns:
            In the same order.
        """
        if self.clip_norm is None:
            return gradients
        plain = [one.values if isinstance(one, TaskRows) else one for one in gradients]
        clipped = tf.clip_by_global_norm(plain, self.clip_norm, use_norm=norm)[0]
        return [
            old._replace(values=new) if isinstance(old, TaskRows) else new
            for old, new in zip(gradients, clipped, strict=True)
        ]

    def update_step(self, checked: CheckedGradient, variable: tf.Variable) -> None:
        """Apply one variable's gradient; Keras calls this."""
        gradient, is_finite = checked
        number = slot_number(self, variable)
        slots = self._slots[number]
        rate = tf.cast(self.learning_rate, tf.float32) * self._rates[number]
        if isinstance(gradient, TaskRows):
            change = self._update_task_rows(gradient, is_finite, variable, slots, rate)
        elif isinstance(gradient, tf.IndexedSlices) and gradient.indices.shape[0] != 1:
            change = self._update_present_rows(gradient, is_finite, variable, slots, rate)
        elif isinstance(gradient, tf.IndexedSlices):
            change = self._update_row(gradient, is_finite, variable, slots, rate)
        else:
            value = tf.convert_to_tensor(variable)
            read = {name: tf.convert_to_tensor(slot) for name, slot in slots.items()}
            stepped, change, new_slots = self._traced.whole(
                is_finite, (gradient, value, read), rate
            )
            variable.assign(stepped)
            for name, slot in slots.items():
                slot.assign(new_slots[name])
        if self.norms:
            self.norms.note(number, change)

    def _update_row(
        self,
        gradient: tf.IndexedSlices,
        is_finite: tf.Tensor,
        bank: tf.Variable,
        slots: dict[str, tf.Variable],
        rate: tf.Tensor,
    ) -> tf.Tensor:
        # Every bank has as many steps of a task as any other. The last one's are written after
        # all have been read, so a compiler may read them once.
        read_from = {**slots, "steps": self._last_bank["steps"]} if is_for_tpu() else slots
        value, *rest = self._read_rows([bank, *read_from.values()], gradient.indices)
        read = dict(zip(read_from, rest, strict=True))
        new = self._traced.row(is_finite, (gradient.values, value, read), rate)
        return _write_rows(gradient.indices, bank, slots, new)

    def _read_rows(self, variables: list[tf.Variable], index: tf.Tensor) -> list[tf.Tensor]:
        if is_for_tpu():
            return [slice_row(variable, index) for variable in variables]
        rows = [tf.gather(variable, index) for variable in variables]
        return hold_rows(rows, index[0]) if self.is_compiled else rows

    def _update_task_rows(
        self,
        gradient: TaskRows,
        is_finite: tf.Tensor,
        bank: tf.Variable,
        slots: dict[str, tf.Variable],
        rate: tf.Tensor,
    ) -> tf.Tensor:
        # All are read before any is written: a row that is there twice takes one step.
        batches = gradient.rows.shape[0]
        indices = tf.split(gradient.rows, batches)
        old = [self._read_rows([bank, *slots.values()], index) for index in indices]
        changes = []
        for (value, *rest), index, one in zip(
            old, indices, tf.split(gradient.values, batches), strict=True
        ):
            read = dict(zip(slots, rest, strict=True))
            new = self._traced.row(is_finite, (one, value, read), rate)
            changes.append(_write_rows(index, bank, slots, new))
        return gradient._replace(values=tf.concat(changes, 0)).distinct()

    def _update_present_rows(
        self,
        gradient: tf.IndexedSlices,
        is_finite: tf.Tensor,
        bank: tf.Variable,
        slots: dict[str, tf.Variable],
        rate: tf.Tensor,
    ) -> tf.Tensor:
        value = tf.convert_to_tensor(bank)
        read = {name: tf.convert_to_tensor(slot) for name, slot in slots.items()}
        new_value, new_slots = tf.vectorized_map(
            lambda row: self._step(row[0], row[1], row[2], rate), (gradient.values, value, read)
        )
        is_written_K = (gradient.indices >= 0) & is_finite

        def write(variable: tf.Variable, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
            shape = [-1] + [1] * (new.shape.rank - 1)
            written = tf.where(tf.reshape(is_written_K, shape), new, old)
            variable.assign(written)
            return written - old

        for name, slot in slots.items():
            write(slot, read[name], new_slots[name])
        return write(bank, value, new_value)

    def _step(
        self, gradient: tf.Tensor, value: tf.Tensor, slots: Tensors, rate: tf.Tensor
    ) -> tuple[tf.Tensor, Tensors]:
        slots = {**slots, "steps": slots["steps"] + 1.0}
        change, new_slots = self.update(gradient, value, slots, rate)
        if self.weight_decay_rate and value.shape.rank >= 2:
            change -= rate * self.weight_decay_rate * value
        if self.ema_decay:
            moved = value + change - slots[AVERAGE]
            new_slots[AVERAGE] = slots[AVERAGE] + (1.0 - self.ema_decay) * moved
        return value + change, {**slots, **new_slots}

    def begin_averages(self, variables: Sequence[tf.Variable]) -> None:
        """Let the averages begin at what the variables are now.

        Args:
            variables: Those it was built for, in the same order.
        """
        for variable, slots in zip(variables, self._slots, strict=True):
            if AVERAGE in slots:
                slots[AVERAGE].assign(tf.convert_to_tensor(variable))

    @contextmanager
    def averaged(self, variables: Sequence[tf.Variable]) -> Iterator[None]:
        """Give the variables their averages, while what is enclosed runs.

        Args:
            variables: Those it was built for, in the same order.
        """
        if not self.ema_decay:
            yield
            return
        held = [variable.numpy() for variable in variables]
        try:
            for variable, slots in zip(variables, self._slots, strict=True):
                variable.assign(tf.convert_to_tensor(slots[AVERAGE]))
            yield
        finally:
            for variable, value in zip(variables, held, strict=True):
                variable.assign(value)


def _write_rows(
    index: tf.Tensor,
    bank: tf.Variable,
    slots: dict[str, tf.Variable],
    new: Taken,
) -> tf.Tensor:
    """Write a row of a bank and of its slots; return what was added, [1, ...]."""
    value, change, new_slots = new
    write_row(bank, index, value)
    for name, slot in slots.items():
        write_row(slot, index, new_slots[name])
    return change
