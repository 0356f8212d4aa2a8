"""Put adapters into a TFT5 without touching its code.

A layer is replaced by a thin wrapper that holds the original as `.base` and a task bank as
`.adapter`; what the bank does with the layer's inputs and outputs is the method's affair.

Shape letters: B batch, S sequence length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.residual_stream import ResidualStream
from adapters_tf.backbone.sites import Site
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError

Bank = TypeVar("Bank", bound=Any)


class AdaptedSublayer(tf_keras.layers.Layer):
    """A layer whose (first) output an adapter changes, knowing its input too.

    Args:
        base: The layer as it was.
        adapter: Called with the layer's output and input, both [B, S, …]; in place of the input
            with the residual stream, where `tap_residual_stream` was asked for it.
    """

    def __init__(self, base: tf_keras.layers.Layer, adapter: TaskBank, **kwargs: Any):
        super().__init__(name=base.name, **kwargs)
        self.base, self.adapter = base, adapter
        self.stream: ResidualStream | None = None
        # Layer and bank are built before they are wrapped.
        self.built = True

    def call(self, inputs: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor | tuple[Any, ...]:
        """Run the layer and adapt its (first) output."""
        outputs = self.base(inputs, *args, **kwargs)
        seen = inputs if self.stream is None else self.stream.take()
        if isinstance(outputs, tuple):
            return (self.adapter(outputs[0], seen), *outputs[1:])
        return self.adapter(outputs, seen)


class StackedSublayer(AdaptedSublayer):
    """A layer with a trained, frozen adapter: another may be stacked on it."""


class AdaptedLayer(tf_keras.layers.Layer):
    """A layer that is run by its adapter.

    Args:
        base: The layer as it was.
        adapter: Called with the input and the layer.
    """

    def __init__(self, base: tf_keras.layers.Layer, adapter: TaskBank, **kwargs: Any):
        super().__init__(name=base.name, **kwargs)
        self.base, self.adapter = base, adapter
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Let the adapter run the layer."""
        return self.adapter(inputs, self.base)

    def states_mask(self, is_input_BS: tf.Tensor) -> tf.Tensor:
        """Tell which states of a wrapped encoder may be attended to.

        Args:
            is_input_BS: [B, S], bool or 0 and 1: which positions of the input are tokens.

        Returns:
            The same here; a wrapper that adds states has a longer one.
        """
        return is_input_BS


def inject(
    sites: Iterable[Site],
    make_bank: Callable[[Site], Bank],
    wrapper: type[AdaptedSublayer] | type[AdaptedLayer],
    width: Callable[[Site], int],
) -> dict[str, Bank]:
    """Wrap every site with a task bank of its own.

    Args:
        sites: What to wrap.
        make_bank: Makes the bank of a site, not built yet.
        wrapper: How the bank and the layer work together.
        width: The last axis of what the bank is built for, in units.

    Returns:
        The banks by module path, such as `encoder.block.0.layer.0.SelfAttention`.

    Raises:
        ConfigurationError: A site is wrapped already.
    """
    banks: dict[str, Bank] = {}
    for site in sites:
        is_free = not isinstance(site.layer, (AdaptedSublayer, AdaptedLayer))
        if not is_free and not isinstance(site.layer, StackedSublayer):
            present = site.layer.adapter.name
            raise ConfigurationError(
                f"{site.path} has an adapter already ({present}): load the backbone anew, or"
                " choose methods that change different layers"
            )
        bank = make_bank(site)
        with tf.name_scope(site.path.replace(".", "/")):
            bank.build(tf.TensorShape([None, None, width(site)]))
        site.wrap(wrapper(site.layer, bank))
        banks[site.path] = bank
    return banks


def tap_residual_stream(sites: Iterable[Site]) -> None:
    """Give wrapped sublayers' adapters the residual stream instead of the sublayers' inputs.

    Args:
        sites: Of `AdaptedSublayer`s.
    """
    for site in sites:
        stream = ResidualStream(site.owner.layer_norm)
        site.owner.layer_norm = stream
        site.layer.stream = stream
