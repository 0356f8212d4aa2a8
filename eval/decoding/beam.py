"""Beam search inside one compiled program: shapes are static, ids and scores alone leave it.

It follows `generate` of transformers 4.57 in all that decides which answers win: candidates are
(1 + the number of end tokens)·K per example, at least 2·K; only the K best of them may end; a
score is the sum of log-probabilities divided by length ** length_penalty; what is left at the last
step has ended there. Nothing is reordered but ids and small tables: keys and values stay in the
slots they were written to (`adapters_tf.model.decoder_step`).

Shape letters: B batch, K beams, C candidates, S source length, T target length, D model width,
V vocabulary.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, encode, project_logits
from adapters_tf.backbone.generation import end_ids
from adapters_tf.model.decoder_step import (
    DecoderContext,
    decode_step,
    empty_caches,
    prepare_decoder,
)
from adapters_tf.runtime.dropout import axis_sizes
from adapters_tf.runtime.step_cache import KeyValue
from eval.decoding.limits import forbid
from eval.decoding.options import Beams, Limits
from eval.decoding.top_k import top_few, top_of_many
from prep.dataset.batches import PAD_ID

NEVER = -1e9  # the score of what cannot win


class BeamAnswers(NamedTuple):
    """Answers, the best first.

    Attributes:
        tokens: int32 [B, n, T], EOS included, the pad id after it.
        scores: float32 [B, n], log-probabilities divided by length ** length_penalty.
    """

    tokens: tf.Tensor
    scores: tf.Tensor


class _State(NamedTuple):
    """What goes from step to step.

    Attributes:
        step: int32 scalar.
        is_going: Whether an answer may still become better, a bool scalar.
        token: int32 [B, K], the last of each running beam.
        tokens: int32 [B, K, T], all of them.
        scores: float32 [B, K], sums of log-probabilities.
        owner: int32 [B, K, T], which beam decoded each of a beam's positions.
        done: int32 [B, K, T], the best finished answers.
        done_scores: float32 [B, K].
        is_done: bool [B, K], whether there is such an answer yet.
        can_improve: bool [B].
        caches: Of self-attention.
    """

    step: tf.Tensor
    is_going: tf.Tensor
    token: tf.Tensor
    tokens: tf.Tensor
    scores: tf.Tensor
    owner: tf.Tensor
    done: tf.Tensor
    done_scores: tf.Tensor
    is_done: tf.Tensor
    can_improve: tf.Tensor
    caches: list[KeyValue]


class _Candidates(NamedTuple):
    """The best continuations of all beams, the best first.

    Attributes:
        scores: float32 [B, C], sums of log-probabilities.
        parent: int32 [B, C], the beam that each continues.
        token: int32 [B, C], by which.
        tokens: int32 [B, C, T], all tokens.
        is_end: bool [B, C], whether the answer ends with it.
    """

    scores: tf.Tensor
    parent: tf.Tensor
    token: tf.Tensor
    tokens: tf.Tensor
    is_end: tf.Tensor


class BeamModel(tf_keras.Model):
    """The sequences that beam search finds.

    Args:
        model: The model to ask.
        length: T, the most tokens to decode, EOS included.
        beams: K.
        length_penalty: As `Beams` has it, and so are the others.
        n_best: How many answers to return.
        early_stopping: When to stop.
        limits: What tokens may not be; scores are the model's without them.

    Raises:
        UsageError: A setting is out of its range, or there are too many beams for the vocabulary.
    """

    def __init__(
        self,
        model: TaskModel,
        *,
        length: int,
        beams: int,
        length_penalty: float = 1.0,
        n_best: int = 1,
        early_stopping: bool | str = False,
        limits: Limits | None = None,
    ):
        super().__init__(name=f"beam_model_{length}_{beams}")
        if length < 1:
            raise ValueError(f"the decoding length must be 1 token or more, not {length}")
        self.model = model
        self.length = length
        self.options = Beams(beams, length_penalty, n_best, early_stopping)
        self.limits = limits or Limits()
        self.built = True

    def call(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> BeamAnswers:
        """Decode every row until no beam can win any more, or T tokens.

        Args:
            batch: `encoder_input_tokens` int32 [B, S] and `task` int32 [B], all equal unless the
                model routes by example.
            training: Ignored; there is no dropout in evaluation.

        Returns:
            Answers; of rows of padding, padding.
        """
        with self.model.route(batch):
            states_BSD = encode(self.model.backbone, batch)
            is_input_BS = batch["encoder_input_tokens"] != 0
            return _Search(self, states_BSD, is_input_BS).run()


class _Search:
    """One search, while its program is traced."""

    def __init__(self, asked: BeamModel, states_BSD: tf.Tensor, is_input_BS: tf.Tensor):
        self.backbone: Any = asked.model.backbone
        self.length, self.options, self.limits = asked.length, asked.options, asked.limits
        backbone, length, options = self.backbone, self.length, self.options
        self.ends = end_ids(backbone.config)
        self.candidates = max(2, 1 + len(self.ends)) * options.beams
        self.context: DecoderContext = prepare_decoder(
            backbone, states_BSD, is_input_BS, length, options.beams
        )
        self.B = axis_sizes(is_input_BS)[0]
        # A row of padding has no answer, and must not keep the loop going.
        self.has_input_B = tf.reduce_any(is_input_BS, axis=1)
        lengths = np.arange(1, length + 1, dtype=np.float64)
        self.divisors_T = tf.constant(lengths**options.length_penalty, tf.float32)

    def run(self) -> BeamAnswers:
        """Search."""
        last: _State = tf.while_loop(
            lambda *state: _State(*state).is_going & (_State(*state).step < self.length),
            lambda *state: self._advance(_State(*state)),
            self._start(),
        )
        n = self.options.n_best
        tokens = tf.where(self.has_input_B[:, None, None], last.done[:, :n], PAD_ID)
        return BeamAnswers(tokens, last.done_scores[:, :n])

    def _start(self) -> _State:
        B, K, T = self.B, self.options.beams, self.length
        # All beams begin alike: the first alone goes on.
        first_K = tf.constant([0.0] + [NEVER] * (K - 1))
        nothing = tf.fill([B, K, T], PAD_ID)
        is_empty_BK = tf.repeat(tf.logical_not(self.has_input_B)[:, None], K, axis=1)
        return _State(
            step=tf.constant(0),
            is_going=tf.reduce_any(self.has_input_B),
            token=tf.fill([B, K], self.backbone.config.decoder_start_token_id),
            tokens=nothing,
            scores=tf.tile(first_K[None], [B, 1]),
            owner=tf.tile(tf.range(K)[None, :, None], [B, 1, T]),
            done=nothing,
            done_scores=tf.fill([B, K], NEVER),
            is_done=is_empty_BK,
            can_improve=self.has_input_B,
            caches=empty_caches(self.backbone, B, T, K),
        )

    def _advance(self, state: _State) -> _State:
        hidden_BKD, caches = decode_step(
            self.backbone, self.context, state.step, state.token, state.caches, state.owner
        )
        found = self._continue(state, project_logits(self.backbone, hidden_BKD))
        done, done_scores, is_done = self._finish(state, found)
        # What has ended does not go on.
        open_scores = found.scores + tf.cast(found.is_end, tf.float32) * NEVER
        scores, chosen = top_few(open_scores, self.options.beams)
        parent = _take(found.parent, chosen)
        was_decoded_T = tf.range(self.length) <= state.step
        own = tf.range(self.options.beams)[:, None]
        can_improve = state.can_improve & self._can_improve(state, scores, done_scores, is_done)
        is_going = tf.reduce_any(can_improve)
        if self.options.stops_when_full:
            is_going &= tf.logical_not(tf.reduce_all(is_done))
        return _State(
            step=state.step + 1,
            is_going=is_going,
            token=_take(found.token, chosen),
            tokens=_take(found.tokens, chosen),
            scores=scores,
            owner=tf.where(was_decoded_T, _take(state.owner, parent), own),
            done=done,
            done_scores=done_scores,
            is_done=is_done,
            can_improve=can_improve,
            caches=caches,
        )

    def _continue(self, state: _State, logits_BKV: tf.Tensor) -> _Candidates:
        """Find the best continuations: the best of each beam, then the best of those."""
        K, V = self.options.beams, logits_BKV.shape[-1]
        each = min(self.candidates, V)
        total_BK1 = tf.reduce_logsumexp(logits_BKV, axis=-1, keepdims=True)
        start = self.backbone.config.decoder_start_token_id
        ends = tf.constant(self.ends, tf.int32)
        logits_BKV = forbid(logits_BKV, state.tokens, state.step, self.limits, ends, start)
        best_BKJ, tokens_BKJ = top_of_many(logits_BKV, each)
        scores_BKJ = best_BKJ - total_BK1 + state.scores[..., None]
        flat = [-1, K * each]
        scores, place = top_few(tf.reshape(scores_BKJ, flat), min(self.candidates, K * each))
        token, parent = _take(tf.reshape(tokens_BKJ, flat), place), place // each
        tokens = tf.where(
            tf.range(self.length) == state.step, token[..., None], _take(state.tokens, parent)
        )
        is_last = state.step + 1 == self.length
        is_end = tf.reduce_any(token[..., None] == tf.constant(self.ends, tf.int32), -1) | is_last
        return _Candidates(scores, parent, token, tokens, is_end)

    def _finish(self, state: _State, found: _Candidates) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Keep the K best of the finished answers and of those that end here."""
        K = self.options.beams
        is_new = found.is_end & (tf.range(found.scores.shape[-1]) < K)
        may_win_B = state.can_improve
        if self.options.stops_when_full:
            may_win_B &= tf.logical_not(tf.reduce_all(state.is_done, axis=1))
        scores = found.scores / self.divisors_T[state.step]
        scores = tf.where(is_new & may_win_B[:, None], scores, scores + NEVER)
        merged = tf.concat([state.done_scores, scores], axis=1)
        done_scores, place = top_few(merged, K)
        done = _take(tf.concat([state.done, found.tokens], axis=1), place)
        return done, done_scores, _take(tf.concat([state.is_done, is_new], axis=1), place)

    def _can_improve(
        self, state: _State, scores: tf.Tensor, done_scores: tf.Tensor, is_done: tf.Tensor
    ) -> tf.Tensor:
        """Tell for each row whether a running beam may still become better than a finished one."""
        is_long = self.options.early_stopping == "never" and self.options.length_penalty > 0
        divisor = self.divisors_T[-1 if is_long else state.step]
        worst_B1 = tf.reduce_min(done_scores, axis=1, keepdims=True)
        worst_BK = tf.where(is_done, worst_B1, NEVER)
        return tf.reduce_any(scores[:, :1] / divisor > worst_BK, axis=1)


def _take(values: tf.Tensor, place_BJ: tf.Tensor) -> tf.Tensor:
    """Take entries of the second axis by row."""
    return tf.gather(values, place_BJ, batch_dims=1)
