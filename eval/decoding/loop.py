"""Decoding token by token inside one compiled program, with a key-value cache of static size.

Each step runs one position through the decoder's own sublayers, adapters included, and the loop
ends as soon as every row has ended. What a step's token is, its caller says: the most probable one
(`greedy`), or one drawn (`sampling`). An example's samples share its encoder states and its task,
as beams do. Where shapes need not be static, examples that have ended leave the batch whenever half
of those in it have.

Shape letters: B batch, b examples still in it, K samples of each, S source length, T target
length, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, encode, project_logits
from adapters_tf.backbone.generation import end_ids
from adapters_tf.model.decoder_step import (
    decode_step,
    empty_caches,
    prepare_decoder,
)
from adapters_tf.runtime.dropout import axis_sizes
from adapters_tf.runtime.step_cache import KeyValue
from eval.decoding.limits import forbid
from eval.decoding.options import Limits
from prep.dataset.batches import PAD_ID

# Takes float32 logits [b, K, V] of the model, the same within the limits, the step, and what was
# given for each example; returns int32 tokens [b, K], and float32 [b, K] to add to their scores.
Choose = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, Any], tuple[tf.Tensor, tf.Tensor]]


class Decoded(NamedTuple):
    """What was decoded.

    Attributes:
        tokens: int32 [B, K, T], EOS included, the pad id after it.
        scores: float32 [B, K], the sums of what was said of each token.
    """

    tokens: tf.Tensor
    scores: tf.Tensor


class _Fixed(NamedTuple):
    """What examples have for all steps.

    Attributes:
        states: Of the decoder's context, and so are the next two.
        cross_bias: The same.
        cross_caches: The same.
        own: What `choose` is given for each example.
    """

    states: tf.Tensor
    cross_bias: tf.Tensor
    cross_caches: list[KeyValue]
    own: Any


class _Live(NamedTuple):
    """The examples in the batch; whatever it holds has them for its first axis.

    Attributes:
        example: int32 [b], which of the B each is.
        token: int32 [b, K], the last of each sample.
        tokens: int32 [b, K, T], all of them.
        scores: float32 [b, K].
        has_ended: bool [b, K].
        caches: Of self-attention.
        fixed: What is the same at every step, where examples leave; else it stays outside of the
            loop, and this is empty.
    """

    example: tf.Tensor
    token: tf.Tensor
    tokens: tf.Tensor
    scores: tf.Tensor
    has_ended: tf.Tensor
    caches: list[KeyValue]
    fixed: _Fixed | tuple[()]


class LoopModel(tf_keras.Model):
    """Decodes token by token; how a token is chosen, a subclass says.

    Args:
        name: Of the Keras model.
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
        limits: What tokens may not be.
        examples_leave: Whether those that have ended are no longer computed; only where programs
            take batches of any size. Not where examples are routed one by one.
    """

    def __init__(
        self,
        name: str,
        model: TaskModel,
        *,
        length: int,
        limits: Limits | None = None,
        examples_leave: bool = False,
    ):
        super().__init__(name=name)
        if length < 1:
            raise ValueError(f"the decoding length must be 1 token or more, not {length}")
        self.model = model
        self.length = length
        self.limits = limits or Limits()
        self.examples_leave = examples_leave and not model.is_routed_by_example
        self.built = True

    def decode(
        self, batch: Mapping[str, tf.Tensor], choose: Choose, *, samples: int = 1, own: Any = ()
    ) -> Decoded:
        """Decode every row until it has ended or has T tokens.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B], all equal unless the
                model routes by example.
            choose: Says what the tokens of a step are.
            samples: K.
            own: Tensors [B, …] for `choose`.

        Returns:
            The answers; of rows of padding, padding.
        """
        with self.model.route(batch):
            return _Loop(self, batch, choose, samples, own).run()


class _Loop:
    """One decoding, while its program is traced."""

    def __init__(
        self,
        asked: LoopModel,
        batch: Mapping[str, tf.Tensor],
        choose: Choose,
        samples: int,
        own: Any,
    ):
        self.backbone: Any = asked.model.backbone
        self.asked, self.choose = asked, choose
        self.ends = tf.constant(end_ids(self.backbone.config), tf.int32)
        self.is_input_BS = batch["encoder_input_tokens"] != 0
        states_BSD = encode(self.backbone, batch)
        context = prepare_decoder(
            self.backbone, states_BSD, self.is_input_BS, asked.length, samples
        )
        self.context = context
        self.fixed = _Fixed(context.states, context.cross_bias, context.cross_caches, own)

    def run(self) -> Decoded:
        """Decode."""
        live = self._start()
        state = (tf.constant(0), live, Decoded(live.tokens, live.scores))
        shapes = tf.nest.map_structure(lambda part: part.shape, state)
        if self.asked.examples_leave:
            any_size = tf.nest.map_structure(
                lambda part: tf.TensorShape([None, *part.shape[1:]]), live
            )
            shapes = (shapes[0], any_size, shapes[2])
        _, live, done = tf.while_loop(self._is_going, self._advance, state, shape_invariants=shapes)
        if self.asked.examples_leave:
            return _put_back(live, done)
        return Decoded(live.tokens, live.scores)

    def _start(self) -> _Live:
        B, K, T = axis_sizes(self.is_input_BS)[0], self.context.beams, self.asked.length
        # A row of padding has no answer, and must not keep the loop going.
        is_empty_B = tf.logical_not(tf.reduce_any(self.is_input_BS, axis=1))
        return _Live(
            example=tf.range(B),
            token=tf.fill([B, K], self.backbone.config.decoder_start_token_id),
            tokens=tf.fill([B, K, T], PAD_ID),
            scores=tf.zeros([B, K]),
            has_ended=tf.tile(is_empty_B[:, None], [1, K]),
            caches=empty_caches(self.backbone, B, T, K),
            fixed=self.fixed if self.asked.examples_leave else (),
        )

    def _is_going(self, step: tf.Tensor, live: _Live, done: Decoded) -> tf.Tensor:
        return (step < self.asked.length) & tf.logical_not(tf.reduce_all(live.has_ended))

    def _advance(
        self, step: tf.Tensor, live: _Live, done: Decoded
    ) -> tuple[tf.Tensor, _Live, Decoded]:
        states, cross_bias, cross_caches, own = live.fixed or self.fixed
        hidden_bKD, caches = decode_step(
            self.backbone,
            self.context._replace(states=states, cross_bias=cross_bias, cross_caches=cross_caches),
            step,
            live.token,
            live.caches,
            _owners(live.tokens) if self.context.beams > 1 else None,
        )
        logits_bKV = tf.cast(project_logits(self.backbone, hidden_bKD), tf.float32)
        start = self.backbone.config.decoder_start_token_id
        allowed_bKV = forbid(logits_bKV, live.tokens, step, self.asked.limits, self.ends, start)
        chosen, gain = self.choose(logits_bKV, allowed_bKV, step, own)
        token = tf.where(live.has_ended, PAD_ID, chosen)
        is_now_T = tf.range(self.asked.length) == step
        live = live._replace(
            token=token,
            tokens=tf.where(is_now_T, token[..., None], live.tokens),
            scores=live.scores + tf.where(live.has_ended, 0.0, gain),
            has_ended=live.has_ended | tf.reduce_any(token[..., None] == self.ends, axis=-1),
            caches=caches,
        )
        if self.asked.examples_leave:
            live, done = _leave(live, done)
        return step + 1, live, done


def _owners(tokens_bKT: tf.Tensor) -> tf.Tensor:
    """Each sample goes on from itself alone."""
    own_K1 = tf.range(tf.shape(tokens_bKT)[1])[:, None]
    return tf.zeros_like(tokens_bKT) + own_K1


def _leave(live: _Live, done: Decoded) -> tuple[_Live, Decoded]:
    """Take the examples that have ended out of the batch, if they are half of it."""
    is_going_b = tf.logical_not(tf.reduce_all(live.has_ended, axis=1))
    number = tf.reduce_sum(tf.cast(is_going_b, tf.int32))
    # The last ones end with the loop.
    is_time = (number > 0) & (2 * number <= tf.shape(is_going_b)[0])

    def take_out() -> tuple[_Live, Decoded]:
        stay = tf.where(is_going_b)[:, 0]
        kept = tf.nest.map_structure(lambda part: tf.gather(part, stay), live)
        return kept, _put_back(live, done)

    return tf.cond(is_time, take_out, lambda: (live, done))


def _put_back(live: _Live, done: Decoded) -> Decoded:
    place = live.example[:, None]
    return Decoded(
        tf.tensor_scatter_nd_update(done.tokens, place, live.tokens),
        tf.tensor_scatter_nd_update(done.scores, place, live.scores),
    )
