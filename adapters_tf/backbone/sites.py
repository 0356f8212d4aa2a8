"""Where adapters go into a TFT5: its sublayers, projections and layer norms, by module path.

Paths are those of Hugging Face's tensors, such as `encoder.block.0.layer.0.SelfAttention.q`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.residual_stream import ResidualStream
from adapters_tf.errors import ConfigurationError, suggest

STACKS = ("encoder", "decoder")
# TFT5 keeps a block's sublayers in `block.layer`, each with one of these attributes.
SUBLAYERS = {
    "self_attention": "SelfAttention",
    "cross_attention": "EncDecAttention",
    "feed_forward": "DenseReluDense",
}
# A gated feed-forward has wi_0 and wi_1 where a plain one has wi; `wi` means either.
PROJECTIONS = {"q": "q", "k": "k", "v": "v", "o": "o", "wi": "wi", "wo": "wo"} | {
    "wi_0": "wi",
    "wi_1": "wi",
}


@dataclass(frozen=True)
class Site:
    """A layer that may be wrapped.

    Attributes:
        path: Its module path.
        owner: The layer that holds it.
        attribute: Under which name.
        stack: `encoder` or `decoder`.
        block: Number of its block in the stack.
    """

    path: str
    owner: Any
    attribute: str
    stack: str
    block: int

    @property
    def layer(self) -> Any:
        """The layer as it is now, wrapped or not."""
        return getattr(self.owner, self.attribute)

    def wrap(self, wrapper: tf_keras.layers.Layer) -> None:
        """Put a wrapper in the layer's place."""
        setattr(self.owner, self.attribute, wrapper)


def unwrap(layer: Any) -> Any:
    """Find the layer itself, or the innermost one that adapter wrappers hold as `base`."""
    while hasattr(layer, "base"):
        layer = layer.base
    return layer


def sublayer_sites(
    backbone: tf_keras.Model, kinds: Sequence[str], stacks: Sequence[str] = STACKS
) -> Iterator[Site]:
    """Find attention and feed-forward sublayers.

    Args:
        backbone: A built TFT5.
        kinds: Out of `SUBLAYERS`.
        stacks: Out of `STACKS`.

    Yields:
        Sites in the model's order.
    """
    attributes = [SUBLAYERS[kind] for kind in kinds]
    for stack in stacks:
        for number, block in enumerate(unwrap(getattr(backbone, stack)).block):
            for position, sublayer in enumerate(block.layer):
                for attribute in attributes:
                    if hasattr(sublayer, attribute):
                        path = f"{stack}.block.{number}.layer.{position}.{attribute}"
                        yield Site(path, sublayer, attribute, stack, number)


def leave_out_blocks(sites: Sequence[Site], numbers: Sequence[int], what: str) -> list[Site]:
    """Take out the sites of some blocks, by their numbers in either stack.

    Args:
        sites: That could have an adapter.
        numbers: Of the blocks.
        what: The name of the method, for messages.

    Returns:
        The others, in their order.

    Raises:
        ConfigurationError: There is no such block, or no other one.
    """
    blocks = sorted({site.block for site in sites})
    for number in numbers:
        if number not in blocks:
            raise ConfigurationError(
                f"{what} leave_out {number}: the blocks that could have an adapter are "
                f"{', '.join(map(str, blocks)) or 'none'}"
            )
    kept = [site for site in sites if site.block not in numbers]
    if numbers and not kept:
        raise ConfigurationError(f"{what} leave_out {list(numbers)} leaves no block an adapter")
    return kept


def projection_sites(
    backbone: tf_keras.Model, names: Sequence[str], stacks: Sequence[str] = STACKS
) -> Iterator[Site]:
    """Find dense projections.

    Args:
        backbone: A built TFT5.
        names: Out of q, k, v, o, wi, wo.
        stacks: Out of `STACKS`.

    Yields:
        Sites in the model's order.
    """
    for sublayer in sublayer_sites(backbone, tuple(SUBLAYERS), stacks):
        module = unwrap(sublayer.layer)
        for attribute, name in PROJECTIONS.items():
            if name in names and hasattr(module, attribute):
                path = f"{sublayer.path}.{attribute}"
                yield Site(path, module, attribute, sublayer.stack, sublayer.block)


def norm_sites(backbone: tf_keras.Model, stacks: Sequence[str] = STACKS) -> Iterator[Site]:
    """Find T5's own layer norms, the last one of each stack among them.

    Args:
        backbone: A built TFT5.
        stacks: Out of `STACKS`.

    Yields:
        Sites in the model's order.
    """
    for name in stacks:
        stack = unwrap(getattr(backbone, name))
        for number, block in enumerate(stack.block):
            for position, sublayer in enumerate(block.layer):
                path = f"{name}.block.{number}.layer.{position}.layer_norm"
                norm = sublayer.layer_norm
                is_tapped = isinstance(norm, ResidualStream)
                owner, attribute = (norm, "base") if is_tapped else (sublayer, "layer_norm")
                yield Site(path, owner, attribute, name, number)
        yield Site(
            f"{name}.final_layer_norm", stack, "final_layer_norm", name, len(stack.block) - 1
        )


def backbone_path(variable: tf.Variable) -> str:
    """Name one of the backbone's own variables by where TFT5's scopes put it.

    Args:
        variable: Of a built TFT5.

    Returns:
        Such as `encoder.final_layer_norm.weight`, the same in every process.
    """
    # `tft5_for_conditional_generation_1/encoder/…/kernel:0`: the first part counts the models
    # this process has built.
    parts = variable.name.removesuffix(":0").split("/")
    return ".".join(parts[1:] if parts[0].startswith("tft5") else parts)


def check_choices(method: str, field: str, chosen: Sequence[str], valid: Sequence[str]) -> None:
    """Refuse a setting that names something there is not.

    Args:
        method: The method's name, for the message.
        field: The setting's name.
        chosen: What was asked for.
        valid: What there is.

    Raises:
        ConfigurationError: One of them is unknown; it names the nearest.
    """
    for value in chosen:
        if value not in valid:
            raise ConfigurationError(
                f"{method} {field} {value!r} is unknown; {suggest(value, valid)}"
            )
