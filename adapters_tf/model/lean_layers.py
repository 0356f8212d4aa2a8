"""TFT5's layers with arithmetic that compiles to fewer passes and copies on a TPU.

`use_lean_layers` gives the layers of a built TFT5 these classes; their weights, the weights' names
and the layers' places stay, and so does what they compute. On other devices they do as before
(`adapters_tf.runtime.target`).

Shape letters: B batch, Q queries, S keys, D model width, N heads, H head width.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from transformers.models.t5.modeling_tf_t5 import TFT5Attention, TFT5DenseActDense

from adapters_tf.backbone.keras_internals import all_layers, head_shape, position_buckets
from adapters_tf.model.attention import attend, attend_without_scores, relu
from adapters_tf.runtime.dropout import axis_sizes, dropout_mask
from adapters_tf.runtime.products import look_up, look_up_few, project, read_rows
from adapters_tf.runtime.step_cache import (
    KeyValue,
    StepCache,
    attend_step,
    merge_heads,
    write_step,
)
from adapters_tf.runtime.target import is_for_tpu

_FEW = 4  # queries by so many are no more than a head's width, which would cost as much as keys


class LeanDense(tf_keras.layers.Dense):
    """A Dense that is a product and nothing else."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Multiply [..., I] by [I, O]."""
        dtype = self.compute_dtype
        return project(tf.cast(inputs, dtype), tf.cast(self.kernel, dtype))


class LeanEmbedding(tf_keras.layers.Embedding):
    """An Embedding whose gradient is a product on a TPU.

    Elsewhere it is `read_rows`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Read the rows of tokens [B, S]; [B, S, D]."""
        if not is_for_tpu():
            return tf.cast(read_rows(self.embeddings, inputs), self.compute_dtype)
        return look_up(tf.convert_to_tensor(self.embeddings), inputs, self.compute_dtype)


class LeanFeedForward(TFT5DenseActDense):
    """A feed-forward layer with ReLU that keeps one tensor for its gradient on a TPU, not two."""

    def call(self, hidden_states: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Transform every position, [B, S, D] to [B, S, D]."""
        if not is_for_tpu():
            return super().call(hidden_states, training=training)
        inner = self.wi(hidden_states)
        mask = dropout_mask(self.dropout, axis_sizes(inner)) if training else None
        return self.wo(relu(inner, mask, 1 - self.dropout.rate if training else 1.0))


class LeanAttention(TFT5Attention):
    """An attention with fewer passes over its scores."""

    def compute_bias(self, query_length: int | tf.Tensor, key_length: int | tf.Tensor) -> tf.Tensor:
        """Look up the biases by distance.

        Args:
            query_length: Q.
            key_length: S.

        Returns:
            [1, N, Q, S].
        """
        bucket_QS = position_buckets(self, query_length, key_length)
        return look_up_few(tf.convert_to_tensor(self.relative_attention_bias), bucket_QS)[None]

    def call(
        self,
        hidden_states: tf.Tensor,
        mask: tf.Tensor | None = None,
        key_value_states: tf.Tensor | None = None,
        position_bias: tf.Tensor | None = None,
        past_key_value: KeyValue | StepCache | None = None,
        layer_head_mask: tf.Tensor | None = None,
        query_length: int | None = None,
        use_cache: bool = False,
        training: bool = False,
        output_attentions: bool = False,
    ) -> tuple[Any, ...]:
        """Attend, as TFT5Attention does and with its arguments.

        Given a `StepCache`, every query is a position of its own, to decode one token after the
        other. Whatever needs the attention's weights, or fills a cache of TFT5's, is left to
        TFT5's own code; so is a CPU, whose softmax is one kernel.

        Returns:
            Output [B, Q, D], the step's cache or None, and the position bias, mask included, of a
            shape that broadcasts to [B, N, Q, S].
        """
        if isinstance(past_key_value, StepCache):
            return self._decode(hidden_states, position_bias, past_key_value)
        needs_weights = layer_head_mask is not None or output_attentions
        is_bare = past_key_value is None and not (training or use_cache or needs_weights)
        if is_bare and key_value_states is None and hidden_states.shape[1] == 1:
            return self._attend_to_itself(hidden_states, position_bias, mask)
        if is_bare and key_value_states is not None and self._asks_little(hidden_states):
            return self._attend_to_sources(hidden_states, key_value_states, position_bias, mask)
        # Without a bias that is given, TFT5 looks into the past for how long it is.
        has_cache = use_cache or (past_key_value is not None and position_bias is None)
        if not is_for_tpu() or needs_weights or has_cache:
            return super().call(
                hidden_states,
                mask=mask,
                key_value_states=key_value_states,
                position_bias=position_bias,
                past_key_value=past_key_value,
                layer_head_mask=layer_head_mask,
                query_length=query_length,
                use_cache=use_cache,
                training=training,
                output_attentions=output_attentions,
            )
        sources = hidden_states if key_value_states is None else key_value_states
        query = self.q(hidden_states)
        key, value = self._keys_and_values(sources, past_key_value, key_value_states is not None)
        B, Q, _ = axis_sizes(query)
        S = axis_sizes(key)[1]
        N, _ = head_shape(self)
        if position_bias is None:
            position_bias = self._own_bias(Q, S, mask, query.dtype)
        if Q == 1 and not training:
            merged = attend_step(query, StepCache(key, value), position_bias, N)
            return self.o(merged), None, position_bias
        heads = (self._split_heads(query), self._split_heads(key), self._split_heads(value))
        if training:
            kept = dropout_mask(self.dropout, (B, N, Q, S))
            context_BQNH = attend(*heads, position_bias, kept, 1 - self.dropout.rate)
        else:
            context_BQNH = attend_without_scores(*heads, position_bias)
        return self.o(tf.reshape(context_BQNH, tf.shape(query))), None, position_bias

    def _attend_to_itself(
        self, hidden_B1D: tf.Tensor, bias: tf.Tensor | None, mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, None, tf.Tensor]:
        """Attend from a single position to itself, whose weight is 1; what `call` returns."""
        if bias is None:
            bias = self._own_bias(1, 1, mask, hidden_B1D.dtype)
        return self.o(self.v(hidden_B1D)), None, bias

    def _asks_little(self, hidden_BQD: tf.Tensor) -> bool:
        """Tell whether queries are so few that keys and values of the sources cost more."""
        Q, (_, width) = hidden_BQD.shape[1], head_shape(self)
        are_plain = all(type(layer) is LeanDense for layer in (self.k, self.v))
        return are_plain and Q is not None and width >= _FEW * Q

    def _attend_to_sources(
        self,
        hidden_BQD: tf.Tensor,
        sources_BSD: tf.Tensor,
        bias: tf.Tensor | None,
        mask: tf.Tensor | None,
    ) -> tuple[tf.Tensor, None, tf.Tensor]:
        """Attend without keys and values; what `call` returns.

        A score q · (x K) is (q Kᵀ) · x, and a mean of values, Σ a (x V), is (Σ a x) V: each head
        has queries and means of the sources' own width, and there are few of them.
        """
        if bias is None:
            bias = self._own_bias(
                axis_sizes(hidden_BQD)[1], axis_sizes(sources_BSD)[1], mask, sources_BSD.dtype
            )
        N, H = head_shape(self)
        dtype, D = hidden_BQD.dtype, sources_BSD.shape[-1]
        B, Q, _ = axis_sizes(hidden_BQD)
        key_DNH, value_DNH = (
            tf.reshape(tf.cast(layer.kernel, dtype), [D, N, H]) for layer in (self.k, self.v)
        )
        query_BQNH = tf.reshape(self.q(hidden_BQD), tf.stack([B, Q, N, H]))
        asked = tf.einsum("bqnh,dnh->bnqd", query_BQNH, key_DNH)
        asked = tf.reshape(asked, tf.stack([B, N * Q, D]))
        scores = tf.matmul(asked, sources_BSD, transpose_b=True)
        scores = tf.cast(tf.reshape(scores, tf.stack([B, N, Q, -1])) + bias, tf.float32)
        weights = tf.reshape(tf.cast(tf.nn.softmax(scores), dtype), tf.stack([B, N * Q, -1]))
        means_BNQD = tf.reshape(tf.matmul(weights, sources_BSD), tf.stack([B, N, Q, D]))
        context_BQNH = tf.einsum("bnqd,dnh->bqnh", means_BNQD, value_DNH)
        return self.o(tf.reshape(context_BQNH, tf.stack([B, Q, N * H]))), None, bias

    def _keys_and_values(
        self, sources: tf.Tensor, past: KeyValue | None, is_cross: bool
    ) -> KeyValue:
        """Project the sources; prefixes of a self-attention come before them."""
        if past is None:
            return self.k(sources), self.v(sources)
        key, value = (merge_heads(part) for part in past)
        if is_cross:
            return key, value
        return tf.concat([key, self.k(sources)], 1), tf.concat([value, self.v(sources)], 1)

    def _decode(
        self, hidden_BKD: tf.Tensor, bias: tf.Tensor, cache: StepCache
    ) -> tuple[tf.Tensor, StepCache, tf.Tensor]:
        heads, _ = head_shape(self)
        if cache.slot is not None:
            cache = write_step(cache, self.k(hidden_BKD), self.v(hidden_BKD), heads)
        context_BKE = attend_step(self.q(hidden_BKD), cache, bias, heads)
        return self.o(context_BKE), cache, bias

    def _split_heads(self, states: tf.Tensor) -> tf.Tensor:
        B, S, _ = axis_sizes(states)
        return tf.reshape(states, tf.stack([B, S, *head_shape(self)]))

    def _own_bias(
        self, Q: int | tf.Tensor, S: int | tf.Tensor, mask: tf.Tensor | None, dtype: tf.DType
    ) -> tf.Tensor:
        bias = tf.zeros((1, 1, 1, 1), dtype)
        if self.has_relative_attention_bias:
            bias = tf.cast(self.compute_bias(Q, S), dtype)
        return bias if mask is None else bias + tf.cast(mask, dtype)


def use_lean_layers(backbone: tf_keras.Model) -> None:
    """Let a TFT5 compute the same in fewer passes on a TPU.

    Args:
        backbone: A built TFT5; layers that are of other classes than TFT5's own are left alone.
    """
    for layer in all_layers(backbone):
        kind = type(layer)
        if kind is TFT5Attention:
            layer.__class__ = LeanAttention
        elif kind is TFT5DenseActDense and layer.config.dense_act_fn == "relu":
            layer.__class__ = LeanFeedForward
        elif kind is tf_keras.layers.Embedding:
            layer.__class__ = LeanEmbedding
        elif kind is tf_keras.layers.Dense and not layer.use_bias:
            layer.__class__ = LeanDense
