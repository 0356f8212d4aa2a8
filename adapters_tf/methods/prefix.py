"""Prefix tuning: trained keys and values before an attention's own (Li and Liang 2021).

arXiv 2101.00190. At every chosen attention each task has P keys and P values, which all queries
see: they are never masked, and have no position unless a setting gives them one.

    attention(q, [prefix_k; k], [prefix_v; v])

Reparametrised (section 4.3), the prefixes of all attentions of one kind are made by one network of
the task's own, out of P embeddings, and the network is trained:

    prefixes = tanh(embeddings W + b) W' + b',    for every block its keys and values

A block's columns of W' and b' are kept at its attention. With t5-base, P = 30 and M = 512, one task
adds 29,617,152 parameters, or 1,658,880 where the prefixes themselves are trained: as many as
AdapterHub's `prefix_tuning`, and `prefix_tuning` flat.

Shape letters: B batch, P prefix length, D model width, N heads, H head width, M hidden width of the
network, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.keras_internals import head_shape
from adapters_tf.backbone.sites import SUBLAYERS, Site, check_choices, sublayer_sites, unwrap
from adapters_tf.banks.injection import inject
from adapters_tf.banks.routing import is_routed_by_example, select_row
from adapters_tf.banks.task_bank import TaskBank, normal, uniform
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.method import AdapterMethod
from adapters_tf.methods.prefixed_attention import (
    PACKED_ROWS,
    POSITIONS,
    KeyValue,
    PrefixedAttention,
)

# Where prefixes may go: the stack and the kind of attention.
PLACES = {
    "encoder": ("encoder", "self_attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}


@dataclass(frozen=True)
class PrefixConfig(AdapterMethod):
    """Settings of prefix tuning; the defaults are AdapterHub's.

    Attributes:
        length: P, in positions.
        placement: The attentions that get prefixes: encoder and decoder for their
            self-attention, cross for the decoder's attention to the encoder.
        reparametrize: Whether a two-layer network makes the prefixes, rather than that they are
            trained themselves.
        hidden_width: M of that network, in units.
        positions: What self-attentions take the prefixes' positions for, out of `POSITIONS`; `none`
            is the published definition.
    """

    length: int = 30
    placement: tuple[str, ...] = ("encoder", "decoder", "cross")
    reparametrize: bool = True
    hidden_width: int = 512
    positions: str = "none"

    def __post_init__(self) -> None:
        check_choices("prefix", "positions", (self.positions,), POSITIONS)
        check_choices("prefix", "placement", self.placement, tuple(PLACES))
        for name in ("length", "hidden_width"):
            if getattr(self, name) < 1:
                raise ConfigurationError(
                    f"prefix {name} must be 1 or more, got {getattr(self, name)}"
                )

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every chosen attention a bank of prefixes; see `AdapterMethod`."""
        banks: dict[str, TaskBank] = {}
        for place in self.placement:
            stack, kind = PLACES[place]
            sites = list(sublayer_sites(backbone, (kind,), (stack,)))
            network = None
            if self.reparametrize:
                path = f"prefix.{place}"
                network = PrefixNetwork(self, task_names, path, seed, name="prefix")
                with tf.name_scope(path.replace(".", "/")):
                    network.build(tf.TensorShape([self.length, backbone.config.d_model]))
                banks[path] = network

            def make(site: Site, network: PrefixNetwork | None = network) -> PrefixBank:
                return PrefixBank(self, task_names, site, seed, network, name="prefix")

            banks |= inject(sites, make, PrefixedAttention, lambda site: backbone.config.d_model)
        return banks

    def packed_rows_problem(self) -> str:
        """Say why prefixes that have positions cannot read packed rows; see `AdapterMethod`."""
        has_positions = self.positions != "none" and set(self.placement) != {"cross"}
        return PACKED_ROWS if has_positions else ""

    def several_targets_problem(self) -> str:
        """Say why prefixes that have positions cannot precede them; see `AdapterMethod`."""
        has_positions = self.positions != "none" and "decoder" in self.placement
        return PACKED_ROWS if has_positions else ""


class PrefixNetwork(TaskBank):
    """The first layers of the networks of all tasks, for one kind of attention.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Which kind; with the seed it decides the initial weights.
        seed: Of the initial weights.
    """

    def __init__(
        self, config: PrefixConfig, task_names: tuple[str, ...], path: str, seed: int, **kwargs: Any
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.config = config

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the banks for embeddings [P, D]."""
        P, D = (int(size) for size in input_shape)
        M = self.config.hidden_width
        self.add_bank("embeddings", (P, D), normal(1.0))
        # PyTorch's default for a linear layer, as the published code has it.
        self.add_bank("kernel", (D, M), uniform(D**-0.5))
        self.add_bank("bias", (M,), uniform(D**-0.5))
        super().build(input_shape)

    def hidden(self, dtype: tf.DType) -> tf.Tensor:
        """Compute what the blocks' prefixes are made of.

        Args:
            dtype: To compute in.

        Returns:
            [P, M]; routed by example, [B, P, M].
        """
        embeddings, kernel, bias = (
            tf.cast(select_row(bank), dtype) for bank in (self.embeddings, self.kernel, self.bias)
        )
        return tf.tanh(tf.matmul(embeddings, kernel) + bias[..., None, :])


class PrefixBank(TaskBank):
    """The prefixes of all tasks at one attention.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so is `seed`.
        site: The attention.
        seed: Of the initial weights.
        network: What makes them; None where they are trained themselves.
    """

    def __init__(
        self,
        config: PrefixConfig,
        task_names: tuple[str, ...],
        site: Site,
        seed: int,
        network: PrefixNetwork | None,
        **kwargs: Any,
    ):
        super().__init__(task_names, site.path, seed, **kwargs)
        self.config, self.network = config, network
        attention = unwrap(site.layer)
        self.heads, self.head_width = head_shape(attention)
        is_cross = site.attribute == SUBLAYERS["cross_attention"]
        self.has_positions = config.positions != "none" and not is_cross

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the banks: the prefixes, or the network's last layer."""
        P, M, width = self.config.length, self.config.hidden_width, self.heads * self.head_width
        if self.network is None:
            for name in ("keys", "values"):
                self.add_bank(name, (P, width), normal(1.0))
        else:
            self.add_bank("kernel", (M, 2 * width), uniform(M**-0.5))
            self.add_bank("bias", (2 * width,), uniform(M**-0.5))
        super().build(input_shape)

    def prefix(self, examples: tf.Tensor, dtype: tf.DType) -> KeyValue:
        """Read, or make, the routed prefixes.

        Args:
            examples: int32 scalar, B.
            dtype: Of the result.

        Returns:
            Keys and values, [B, N, P, H].
        """
        if self.network is None:
            parts = [tf.cast(select_row(bank), dtype) for bank in (self.keys, self.values)]
        else:
            kernel, bias = (tf.cast(select_row(bank), dtype) for bank in (self.kernel, self.bias))
            made = tf.matmul(self.network.hidden(dtype), kernel) + bias[..., None, :]
            parts = tf.split(made, 2, axis=-1)
        shape = [self.config.length, self.heads, self.head_width]
        keys, values = (self._spread(part, examples, shape) for part in parts)
        return keys, values

    @staticmethod
    def _spread(part: tf.Tensor, examples: tf.Tensor, shape: list[int]) -> tf.Tensor:
        if is_routed_by_example():
            return tf.transpose(tf.reshape(part, [-1, *shape]), [0, 2, 1, 3])
        heads_first = tf.transpose(tf.reshape(part, shape), [1, 0, 2])
        return tf.broadcast_to(heads_first, tf.concat([[examples], tf.shape(heads_first)], 0))
