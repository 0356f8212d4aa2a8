"""The adapter methods by name; adding one takes a file beside this and a line here.

A method is a frozen dataclass of settings with `inject(backbone, task_names, seed)`, which puts
its task banks into the backbone and returns them by module path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol

import tf_keras

from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.methods.bottleneck import BottleneckBank, BottleneckConfig
from adapters_tf.methods.compacter import CompacterConfig
from adapters_tf.methods.fusion import FusionConfig
from adapters_tf.methods.hypernetwork import HypernetworkConfig
from adapters_tf.methods.ia3 import Ia3Config
from adapters_tf.methods.layer_norm import LayerNormConfig
from adapters_tf.methods.lora import LoraConfig
from adapters_tf.methods.prefix import PrefixConfig
from adapters_tf.methods.prompt import PromptConfig

__all__ = [
    "METHODS",
    "TRAINING_ONLY",
    "VARIANTS",
    "AdapterMethod",
    "BottleneckBank",
    "BottleneckConfig",
    "CompacterConfig",
    "FusionConfig",
    "HypernetworkConfig",
    "Ia3Config",
    "LayerNormConfig",
    "LoraConfig",
    "PrefixConfig",
    "PromptConfig",
    "method_name",
    "read_methods",
]


class AdapterMethod(Protocol):
    """The settings of an adapter method, which know how to put it into a backbone."""

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Put a bank of the method's weights at every place it changes.

        Args:
            backbone: A built TFT5ForConditionalGeneration.
            task_names: One per bank row, in row order.
            seed: Of the initial weights.

        Returns:
            The banks by module path, such as `encoder.block.0.layer.0.SelfAttention`; none if the
            settings match no layer.

        Raises:
            ConfigurationError: The settings do not fit the backbone, or a layer has an adapter
                already.
        """


METHODS: Mapping[str, type] = {
    "bottleneck": BottleneckConfig,
    "lora": LoraConfig,
    "ia3": Ia3Config,
    "layer_norm": LayerNormConfig,
    "compacter": CompacterConfig,
    "hypernetwork": HypernetworkConfig,
    "prompt": PromptConfig,
    "prefix": PrefixConfig,
    "fusion": FusionConfig,
}

# Settings that say how an adapter starts or trains, and not what it computes. Which adapters a
# fusion is `of` says a digest better than the folder they were read from.
TRAINING_ONLY = (
    "dropout",
    "initialization",
    "task_embeddings",
    "regularization",
    "of",
    "tasks",
)

# Published settings of a method under a name of their own.
VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "houlsby": (
        "bottleneck",
        {"reduction_factor": 16, "post_norm": False},
    ),
    "pfeiffer": (
        "bottleneck",
        {
            "reduction_factor": 16,
            "post_norm": False,
            "activation": "relu",
            "placement": ("feed_forward",),
        },
    ),
    "parallel": (
        "bottleneck",
        {
            "reduction_factor": 2,
            "post_norm": False,
            "activation": "relu",
            "placement": ("feed_forward",),
            "parallel": True,
            "scaling": 4.0,
        },
    ),
    "dora": ("lora", {"dora": True}),
    "hyperformer": ("hypernetwork", {"generators": "per_kind"}),
    "hyperformer++": ("hypernetwork", {"generators": "per_stack"}),
    "meta_adapter": ("hypernetwork", {"generators": "per_layer"}),
    "prefix_flat": ("prefix", {"reparametrize": False}),
    "compacter++": ("compacter", {"placement": ("feed_forward",)}),
}


def read_methods(names: str, settings: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """Read adapter methods and their settings out of a configuration.

    Args:
        names: A method or variant, several joined by commas, or `none`.
        settings: By method or variant, the fields that differ from its defaults. Those of methods
            that are not named are checked too, though nothing uses them.

    Returns:
        The methods' settings, in the order of `names`.

    Raises:
        ConfigurationError: An unknown method or setting, or one method twice.
    """
    known = {name: _read_one(name, given) for name, given in settings.items()}
    chosen = [] if names == "none" else [name.strip() for name in names.split(",")]
    methods = tuple(known[name] if name in known else _read_one(name, {}) for name in chosen)
    if len({type(method) for method in methods}) < len(methods):
        raise ConfigurationError(f"adapter methods {names!r} name one method twice")
    return methods


def method_name(method: AdapterMethod) -> str:
    """The name a method's settings are registered under."""
    return next(name for name, config in METHODS.items() if type(method) is config)


def _read_one(name: str, given: Mapping[str, Any]) -> Any:
    if name not in METHODS and name not in VARIANTS:
        valid = (*METHODS, *VARIANTS, "none")
        raise ConfigurationError(f"adapter method {name!r} is unknown; {suggest(name, valid)}")
    method, defaults = VARIANTS.get(name, (name, {}))
    config = METHODS[method]
    valid = tuple(field.name for field in fields(config))
    for field in given:
        if field not in valid:
            raise ConfigurationError(f"{name} has no setting {field!r}; {suggest(field, valid)}")
    merged = {**defaults, **given}
    try:
        return config(**{key: _as_tuple(value) for key, value in merged.items()})
    except TypeError as error:  # a text where a number should be, say
        raise ConfigurationError(f"{name}: {error}") from None


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
