"""All rows of a split through a model of answers, on any number of replicas, in their order.

The longest rows come first. Global batches have one size and few lengths; the last one is filled
with padding rows whose output is dropped here, so no example is. Only a single device whose
programs are not compiled for their shapes, a CPU, gets each batch as long as its longest row, and
of short rows more at a time: weights are read once for all of them.

Shape letters: B global batch, T decoded length.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.runtime.strategy import check_xla
from eval.decoding.batching import StaticBatches, like_rows
from eval.decoding.replicas import (
    check_batch_size,
    is_xla_faster,
    share_out,
    takes_any_shape,
)
from prep import TokenTable, make_inputs

# Called with the number of examples done after each batch.
Progress = Callable[[int], None]
# Called with the numbers of a batch's examples, -1 where there is none; returns arrays [B, …].
OfEach = Callable[[np.ndarray], Mapping[str, np.ndarray]]
INPUTS = "encoder_input_tokens"
_NOTHING: Mapping[str, np.ndarray] = MappingProxyType({})


class TokenPredictor:
    """Runs a Keras model of answers, as one compiled program per batch shape.

    Args:
        model: Out of `eval.decoding`.
        strategy: What the model's variables live under.
        batch_size: Examples per global batch.
        input_length: The largest length of inputs in tokens.
        jit_compile: Whether to compile with XLA; by default where that is faster.

    Raises:
        UsageError: The batch can't be divided among the replicas, or XLA can't be had.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        strategy: tf.distribute.Strategy,
        *,
        batch_size: int,
        input_length: int,
        jit_compile: bool | None = None,
    ):
        check_batch_size(batch_size, strategy)
        if jit_compile is None:
            jit_compile = is_xla_faster(strategy)
        elif jit_compile:
            check_xla(strategy, sums_over_replicas=False)
        self.strategy, self.batch_size, self.input_length = strategy, batch_size, input_length

        @tf.function(jit_compile=jit_compile, autograph=False)
        def answer(batch: Mapping[str, tf.Tensor]) -> Any:
            return model(batch, training=False)

        # TPUStrategy names a scope after this function; a lambda's name is none.
        @tf.function(autograph=False)
        def answer_all(batch: Mapping[str, tf.Tensor]) -> Any:
            return strategy.run(answer, args=(batch,))

        self._run = answer_all
        self._takes_any_shape = takes_any_shape(strategy, jit_compile)
        self._static = StaticBatches(batch_size, input_length)
        self._programs: dict[Hashable, Callable[..., Any]] = {}

    def predict(
        self,
        table: TokenTable,
        task: int,
        report: Progress = lambda done: None,
        choices: int = 0,
        also: Mapping[str, np.ndarray] = _NOTHING,
        of_each: OfEach = lambda examples: {},
    ) -> Any:
        """Answer every example of a table.

        Args:
            table: The examples.
            task: The bank row of their task.
            report: Told how many examples are done, after each batch.
            choices: Texts in the inputs of each example; 0 where they are one text.
            also: What else the model takes, the same of every example.
            of_each: What else it takes, by the examples' numbers.

        Returns:
            What the model returns, as arrays whose first axis is the table's rows: int32
            [len(table), T] token ids, or `BeamAnswers`; of no rows, int32 [0, 0].
        """
        if not len(table):
            return np.zeros((0, 0), np.int32)
        longest = table.text_lengths(choices).reshape(len(table), -1).max(1)
        lengths = np.minimum(longest, self.input_length)
        # The longest first: whether memory is enough is known at once.
        order = np.argsort(-lengths, kind="stable")
        if self._takes_any_shape:
            batches = like_rows(lengths[order], self.batch_size, self.input_length)
        else:
            batches = self._static.rows(lengths[order])
        answers: list[Any] = []
        done = 0
        waiting: tuple[Any, ...] = ()
        for of_batch in batches:
            rows = np.where(of_batch.places >= 0, order[of_batch.places], -1)
            S = of_batch.length
            batch = make_inputs(table, rows, input_length=S, task=task, choices=choices)
            batch |= {key: np.tile(values, (len(rows), 1)) for key, values in also.items()}
            batch |= of_each(np.where(rows >= 0, table.examples[rows], -1))
            dispatched = (rows, self._dispatch(batch))
            # Fetching the batch before this one lets the host prepare while the device works.
            if waiting:
                answers.append(self._fetch(*waiting))
                done += len(waiting[0])
                report(done)
            waiting = dispatched
        answers.append(self._fetch(*waiting))
        report(len(table))
        back = np.argsort(order, kind="stable")
        return tf.nest.map_structure(lambda *parts: np.concatenate(parts)[back], *answers)

    def _dispatch(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        shares = share_out(self.strategy, batch)
        if not self._takes_any_shape:
            return self._local_results(self._run(shares))
        specs = {
            name: tf.TensorSpec([None, *one.shape[1:]], one.dtype) for name, one in shares.items()
        }
        inputs = specs[INPUTS]
        specs[INPUTS] = tf.TensorSpec([*inputs.shape[:-1], None], inputs.dtype)
        key = tuple(specs.items())
        if key not in self._programs:
            self._programs[key] = self._run.get_concrete_function(specs)
        return self._local_results(self._programs[key](shares))

    def _fetch(self, rows: np.ndarray, results: tuple[Any, ...]) -> Any:
        return tf.nest.map_structure(
            lambda *parts: np.concatenate([part.numpy() for part in parts])[rows >= 0], *results
        )

    def _local_results(self, answers: Any) -> tuple[Any, ...]:
        """List the answers of all replicas; those of other processes come over the network."""
        local = self.strategy.experimental_local_results(answers)
        if len(local) == self.strategy.num_replicas_in_sync:
            return local
        return (tf.nest.map_structure(lambda one: self.strategy.gather(one, axis=0), answers),)
