"""Put adapters into a TFT5 without touching its code.

A sublayer is replaced by a thin wrapper that holds the original as `.base` and an adapter bank as
`.adapter`: after self-attention and after the feed-forward, before dropout and the residual add.
"""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf
import tf_keras

from adapters_tf.bottleneck import BottleneckBank, BottleneckConfig
from adapters_tf.errors import ConfigurationError

# TFT5 keeps a block's sublayers in `block.layer`: self-attention first, feed-forward last, and
# in the decoder cross-attention between them.
SUBLAYERS = {"self_attention": (0, "SelfAttention"), "feed_forward": (-1, "DenseReluDense")}


class AdaptedSublayer(tf_keras.layers.Layer):
    """A T5 sublayer followed by an adapter on its output.

    Args:
        base: The sublayer as it was.
        adapter: What is applied to its output, or to the first of its outputs.
    """

    def __init__(self, base: tf_keras.layers.Layer, adapter: BottleneckBank, **kwargs):
        super().__init__(name=base.name, **kwargs)
        self.base, self.adapter = base, adapter
        # Sublayer and bank are built before they are wrapped.
        self.built = True

    def call(self, *args, **kwargs):
        """Run the sublayer and adapt its (first) output, [B, S, D]."""
        outputs = self.base(*args, **kwargs)
        if isinstance(outputs, tuple):
            return (self.adapter(outputs[0]), *outputs[1:])
        return self.adapter(outputs)


def inject_adapters(
    backbone: tf_keras.Model, config: BottleneckConfig, task_names: tuple[str, ...], seed: int
) -> dict[str, BottleneckBank]:
    """Wrap the sublayers that the configuration names.

    Args:
        backbone: A built TFT5ForConditionalGeneration without adapters.
        config: The method's settings.
        task_names: One per bank row, in row order.
        seed: Of the adapters' initial weights.

    Returns:
        The banks by module path, such as `encoder.block.0.layer.0.SelfAttention`.

    Raises:
        ConfigurationError: The configuration matches no sublayer, there is no task, or the
            backbone has adapters already.
    """
    if not task_names:
        raise ConfigurationError("adapters need at least one task; the list of tasks is empty")
    banks: dict[str, BottleneckBank] = {}
    for path, sublayer, attribute in _find_sublayers(backbone, config):
        base = getattr(sublayer, attribute)
        if isinstance(base, AdaptedSublayer):
            raise ConfigurationError(f"{path} has an adapter already; load the backbone anew")
        adapter = BottleneckBank(config, task_names, path, seed, name="adapter")
        with tf.name_scope(path.replace(".", "/")):
            adapter.build(tf.TensorShape([None, None, backbone.config.d_model]))
        setattr(sublayer, attribute, AdaptedSublayer(base, adapter))
        banks[path] = adapter
    if not banks:
        raise ConfigurationError(
            f"no sublayer matches placement={list(config.placement)} in "
            f"stacks={list(config.stacks)}; name at least one of each"
        )
    return banks


def _find_sublayers(
    backbone: tf_keras.Model, config: BottleneckConfig
) -> Iterator[tuple[str, tf_keras.layers.Layer, str]]:
    for stack in config.stacks:
        for block_index, block in enumerate(getattr(backbone, stack).block):
            for placement in config.placement:
                index, attribute = SUBLAYERS[placement]
                position = index % len(block.layer)
                path = f"{stack}.block.{block_index}.layer.{position}.{attribute}"
                yield path, block.layer[index], attribute
