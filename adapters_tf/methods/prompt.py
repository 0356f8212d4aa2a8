"""Prompt tuning: soft tokens in front of the encoder's input (Lester et al. 2021).

arXiv 2104.08691. Each task has P vectors of the model's width; the encoder reads them before the
embedded tokens, at the first P positions, and the decoder attends to their states as to any other.

Shape letters: B batch, S source length, P prompt length, D model width, V vocabulary, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import Site, check_choices
from adapters_tf.banks.injection import AdaptedLayer, inject
from adapters_tf.banks.routing import is_routed_by_example, select_row
from adapters_tf.banks.task_bank import Draw, TaskBank, uniform
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.method import AdapterMethod, training_only

INITIALIZATIONS = ("vocabulary", "uniform")
# A vocabulary is sorted by frequency; the paper samples its most common tokens (section 3.2).
COMMON_TOKENS = 5000
UNIFORM_BOUND = 0.5
PACKED_ROWS = (
    "prompt tuning cannot read packed rows, whose examples would share one prompt; build the "
    "dataset without --pack"
)


@dataclass(frozen=True)
class PromptConfig(AdapterMethod):
    """Settings of prompt tuning; the defaults are the published ones.

    Attributes:
        length: P, in positions.
        initialization: `vocabulary` starts from embeddings of common tokens, drawn for each task;
            `uniform` from numbers of -0.5 to 0.5.
    """

    length: int = 100
    initialization: str = training_only("vocabulary")

    def __post_init__(self) -> None:
        check_choices("prompt", "initialization", (self.initialization,), INITIALIZATIONS)
        if self.length < 1:
            raise ConfigurationError(f"prompt length must be 1 or more, got {self.length}")

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Put a bank of prompts in front of the encoder; see `AdapterMethod`."""
        draw = uniform(UNIFORM_BOUND)
        if self.initialization == "vocabulary":
            draw = common_rows(backbone.shared.embeddings.numpy())

        def make(site: Site) -> PromptBank:
            return PromptBank(task_names, site.path, seed, self.length, draw, name="prompt")

        sites = [Site("encoder", backbone, "encoder", "encoder", 0)]
        return inject(sites, make, PromptedEncoder, lambda site: backbone.config.d_model)

    def packed_rows_problem(self) -> str:
        """Say why prompts cannot read packed rows; see `AdapterMethod`."""
        return PACKED_ROWS


class PromptBank(TaskBank):
    """The prompts of all tasks.

    Args:
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the encoder.
        seed: Of the initial prompts.
        length: P.
        draw: A task's initial prompt.
    """

    def __init__(
        self,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        length: int,
        draw: Draw,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.length, self.draw = length, draw

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the bank for embedded tokens [B, S, D]."""
        self.add_bank("embeddings", (self.length, int(input_shape[-1])), self.draw)
        super().build(input_shape)

    def call(self, embedded_BSD: tf.Tensor) -> tf.Tensor:
        """Put the routed task's prompt in front.

        Args:
            embedded_BSD: [B, S, D].

        Returns:
            [B, P + S, D].
        """
        prompt = tf.cast(select_row(self.embeddings), embedded_BSD.dtype)
        if not is_routed_by_example():
            shape = [tf.shape(embedded_BSD)[0], *prompt.shape]
            prompt = tf.broadcast_to(prompt, shape)
        return tf.concat([prompt, embedded_BSD], axis=1)


class PromptedEncoder(AdaptedLayer):
    """TFT5's encoder with a prompt before its input.

    Args:
        base: The encoder.
        adapter: A `PromptBank`.
    """

    def call(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Encode the prompt and the tokens.

        Args:
            inputs: int32 [B, S], token ids.
            attention_mask: [B, S], 0 where padded; None for no padding.
            training: Whether dropout is on.

        Returns:
            What the encoder returns, its states [B, P + S, D] first.

        Raises:
            ConfigurationError: The mask is that of packed rows, [B, S, S].
        """
        if attention_mask is None:
            attention_mask = tf.ones_like(inputs)
        if attention_mask.shape.rank != 2:
            raise ConfigurationError(PACKED_ROWS)
        prompted = self.adapter(self.base.embed_tokens(inputs))
        mask = _put_ones_in_front(attention_mask, self.adapter.length)
        return self.base(None, inputs_embeds=prompted, attention_mask=mask, training=training)

    def states_mask(self, is_input_BS: tf.Tensor) -> tf.Tensor:
        """Let the prompts, which are never hidden, be attended to: [B, P + S]."""
        return _put_ones_in_front(is_input_BS, self.adapter.length)


def common_rows(embeddings_VD: np.ndarray) -> Draw:
    """Draw rows out of the first ones of an embedding table.

    Args:
        embeddings_VD: [V, D].

    Returns:
        Draws [P, D]: different rows, as long as there are enough.
    """
    table = embeddings_VD[:COMMON_TOKENS]

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return table[random.choice(len(table), shape[0], replace=shape[0] > len(table))]

    return draw


def _put_ones_in_front(mask_BS: tf.Tensor, length: int) -> tf.Tensor:
    ones = tf.ones([tf.shape(mask_BS)[0], length], mask_BS.dtype)
    return tf.concat([ones, mask_BS], axis=1)
