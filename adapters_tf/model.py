"""A TFT5 that knows its tasks: the model that trainer trains and eval scores.

Shape letters: B batch, S source length, T target length, D model width, V vocabulary, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.freezing import freeze_backbone
from adapters_tf.methods import AdapterMethod, method_name
from adapters_tf.methods.prefixed_attention import refuse_packed_rows
from adapters_tf.methods.prompt import states_mask
from adapters_tf.routing import route
from adapters_tf.sites import backbone_path
from adapters_tf.task_bank import TaskBank

Batch = Mapping[str, tf.Tensor]
ROUTINGS = ("batch", "example")


def encode(backbone: tf_keras.Model, batch: Batch, training: bool = False) -> tf.Tensor:
    """Run the encoder.

    Args:
        backbone: The TFT5.
        batch: `encoder_input_tokens` int32 [B, S], 0 where padded; of packed rows also
            `encoder_segment_ids` int32 [B, S].
        training: Whether dropout is on.

    Returns:
        [B, S, D] encoder states; with prompts, theirs come first.
    """
    tokens_BS = batch["encoder_input_tokens"]
    if is_packed(batch):
        segments_BS = batch["encoder_segment_ids"]
        mask = same_segment(segments_BS, segments_BS)
        refuse_packed_rows(backbone)
    else:
        mask = tf.cast(tokens_BS != 0, tf.int32)
    return backbone.encoder(tokens_BS, attention_mask=mask, training=training)[0]


def decode(
    backbone: tf_keras.Model, batch: Batch, states_BSD: tf.Tensor, training: bool = False
) -> tf.Tensor:
    """Run the decoder over given targets.

    Args:
        backbone: The TFT5.
        batch: What `TaskModel` takes.
        states_BSD: [B, S, D] encoder states.
        training: Whether dropout is on.

    Returns:
        [B, T, D] decoder states.
    """
    self_mask_BTT = None
    cross_mask = tf.cast(states_mask(backbone, batch["encoder_input_tokens"] != 0), tf.int32)
    if is_packed(batch):
        segments_BT = batch["decoder_segment_ids"]
        # Given a mask of three dimensions, TFT5 leaves out its own, which hides the future.
        position_T = tf.range(tf.shape(segments_BT)[1])
        is_past_TT = tf.cast(position_T[:, None] >= position_T, tf.int32)
        self_mask_BTT = same_segment(segments_BT, segments_BT) * is_past_TT
        cross_mask = same_segment(segments_BT, batch["encoder_segment_ids"])
    return backbone.decoder(
        batch["decoder_input_tokens"],
        attention_mask=self_mask_BTT,
        encoder_hidden_states=states_BSD,
        encoder_attention_mask=cross_mask,
        use_cache=False,
        training=training,
    )[0]


def is_packed(batch: Batch) -> bool:
    """Tell whether the rows of a batch hold several examples each."""
    return "encoder_segment_ids" in batch


def same_segment(queries_BT: tf.Tensor, keys_BS: tf.Tensor) -> tf.Tensor:
    """Let each position attend to the positions of its own example alone.

    T5's position biases depend on differences of positions, so within an example they are those
    of the example by itself. Padding, segment 0, attends to padding.

    Args:
        queries_BT: int32 [B, T], segment ids of the positions that attend.
        keys_BS: int32 [B, S], segment ids of those attended to.

    Returns:
        int32 [B, T, S], 1 where attention is allowed.
    """
    return tf.cast(queries_BT[:, :, None] == keys_BS[:, None, :], tf.int32)


def project_logits(backbone: tf_keras.Model, hidden_BTD: tf.Tensor) -> tf.Tensor:
    """Turn decoder states into scores over the vocabulary.

    A head tied to the embedding scales by D^-0.5 first (Raffel et al. 2020, arXiv 1910.10683).

    Args:
        backbone: The TFT5.
        hidden_BTD: [B, T, D] decoder states.

    Returns:
        float32 [B, T, V] logits.
    """
    if not backbone.config.tie_word_embeddings:
        return tf.cast(backbone.lm_head(hidden_BTD), tf.float32)
    embedding_VD = tf.cast(backbone.shared.embeddings, hidden_BTD.dtype)
    scaled_BTD = hidden_BTD * (backbone.config.d_model**-0.5)
    return tf.cast(tf.tensordot(scaled_BTD, embedding_VD, [[2], [1]]), tf.float32)


class TaskModel(tf_keras.Model):
    """A TFT5 with one adapter per task, or with none.

    Args:
        backbone: A built TFT5ForConditionalGeneration; adapters are injected into it.
        task_names: The tasks; a batch's `task` is an index into them.
        adapters: An adapter method's settings, or several methods'; None, or no method, trains the
            whole backbone.
        train_layer_norms: Whether T5's own layer norms train beside the adapters.
        seed: Of the adapters' initial weights.
        routing: `batch`: all examples of a batch are of one task, the cheaper way; `example`: a
            batch may mix tasks.

    Raises:
        ConfigurationError: There is no task, a method changes nothing, two methods change the same
            layer, or the routing is unknown.
    """

    def __init__(
        self,
        backbone: tf_keras.Model,
        task_names: tuple[str, ...],
        adapters: AdapterMethod | Sequence[AdapterMethod] | None = None,
        *,
        train_layer_norms: bool = False,
        seed: int = 0,
        routing: str = "batch",
    ):
        super().__init__(name="task_model")
        if routing not in ROUTINGS:
            raise ConfigurationError(
                f"routing {routing!r} is unknown; {suggest(routing, ROUTINGS)}"
            )
        self.backbone, self.task_names = backbone, tuple(task_names)
        self.is_routed_by_example = routing == "example"
        given = adapters if isinstance(adapters, Sequence) else [adapters]
        self.methods = tuple(method for method in given if method is not None)
        self.banks: dict[str, TaskBank] = {}
        for method in self.methods:
            self.banks.update(inject_method(backbone, method, self.task_names, seed))
        if self.methods:
            freeze_backbone(backbone, self.banks.values(), train_layer_norms=train_layer_norms)
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> tf.Tensor:
        """Score every target position, given the targets before it.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], `decoder_input_tokens` int32 [B, T],
                `task` int32 [B], all equal; where rows are packed also `encoder_segment_ids`
                int32 [B, S] and `decoder_segment_ids` int32 [B, T], the number of each
                position's example in its row, from 1, and 0 where padded. The decoder's inputs
                then begin with the start token at every example.
            training: Whether dropout is on.

        Returns:
            float32 [B, T, V] logits.
        """
        with route(batch["task"], self.is_routed_by_example):
            states_BSD = encode(self.backbone, batch, training)
            hidden_BTD = decode(self.backbone, batch, states_BSD, training)
        return project_logits(self.backbone, hidden_BTD)

    def is_bank(self, variable: tf.Variable) -> bool:
        """Tell whether a variable has one row per task."""
        return any(
            variable is bank for layer in self.banks.values() for bank in layer.banks.values()
        )

    def trainable_by_path(self) -> dict[str, tf.Variable]:
        """Name every trainable variable by where it sits in the model.

        Adapters are named by module path and the backbone's variables as TFT5 scopes them, so
        that the names are the same in every process.

        Returns:
            Variables by path, in a fixed order.
        """
        adapters = {
            id(variable): f"{path}.{layer.name}.{name}"
            for path, layer in self.banks.items()
            for name, variable in {**layer.banks, **layer.shared}.items()
        }
        return {
            adapters.get(id(variable)) or backbone_path(variable): variable
            for variable in self.trainable_variables
        }

    def count_trainable(self) -> int:
        """Count the trainable parameters, all tasks together."""
        return sum(int(variable.shape.num_elements()) for variable in self.trainable_variables)


def inject_method(
    backbone: tf_keras.Model, method: AdapterMethod, task_names: tuple[str, ...], seed: int
) -> dict[str, TaskBank]:
    """Put one adapter method into a backbone.

    Args:
        backbone: A built TFT5ForConditionalGeneration.
        method: Its settings.
        task_names: One per bank row, in row order.
        seed: Of the initial weights.

    Returns:
        The banks by module path, such as `encoder.block.0.layer.0.SelfAttention`.

    Raises:
        ConfigurationError: There is no task, no layer matches the settings, or a layer has an
            adapter already.
    """
    name = method_name(method)
    if not task_names:
        raise ConfigurationError("adapters need at least one task; the list of tasks is empty")
    banks = method.inject(backbone, task_names, seed)
    if not banks:
        raise ConfigurationError(f"{name}: no layer of the model matches {method}")
    return banks
