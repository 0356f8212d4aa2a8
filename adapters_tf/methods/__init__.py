"""The adapter methods by name; adding one takes a file beside this and a line here.

A method is a frozen dataclass of settings, an `AdapterMethod`; what else must be known of it is
said in its own file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, cast, get_type_hints

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.files.value_types import is_of, words_for
from adapters_tf.methods.bottleneck import BottleneckBank, BottleneckConfig
from adapters_tf.methods.compacter import CompacterConfig
from adapters_tf.methods.conditional_layer_norm import ConditionalLayerNormConfig
from adapters_tf.methods.fusion import FusionConfig
from adapters_tf.methods.hypernetwork import HypernetworkConfig
from adapters_tf.methods.ia3 import Ia3Config
from adapters_tf.methods.layer_norm import LayerNormConfig
from adapters_tf.methods.lora import LoraConfig
from adapters_tf.methods.method import AdapterMethod, training_only_fields
from adapters_tf.methods.prefix import PrefixConfig
from adapters_tf.methods.prompt import PromptConfig

__all__ = [
    "METHODS",
    "VARIANTS",
    "AdapterMethod",
    "BottleneckBank",
    "BottleneckConfig",
    "CompacterConfig",
    "ConditionalLayerNormConfig",
    "FusionConfig",
    "HypernetworkConfig",
    "Ia3Config",
    "LayerNormConfig",
    "LoraConfig",
    "PrefixConfig",
    "PromptConfig",
    "method_class",
    "method_name",
    "read_methods",
    "split_methods",
    "training_only_fields",
]


METHODS: Mapping[str, type[AdapterMethod]] = {
    "bottleneck": BottleneckConfig,
    "lora": LoraConfig,
    "ia3": Ia3Config,
    "layer_norm": LayerNormConfig,
    "conditional_layer_norm": ConditionalLayerNormConfig,
    "compacter": CompacterConfig,
    "hypernetwork": HypernetworkConfig,
    "prompt": PromptConfig,
    "prefix": PrefixConfig,
    "fusion": FusionConfig,
}

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


def split_methods(names: str) -> list[str]:
    """Read the names of methods with commas between them; `none` is no method."""
    return [] if names == "none" else [name.strip() for name in names.split(",")]


def method_class(name: str) -> type[AdapterMethod]:
    """Look up the class of a method or variant.

    Args:
        name: Of `METHODS` or `VARIANTS`.

    Returns:
        The class of its settings.

    Raises:
        ConfigurationError: There is no such method; it names the nearest.
    """
    if name not in METHODS and name not in VARIANTS:
        valid = (*METHODS, *VARIANTS, "none")
        raise ConfigurationError(f"adapter method {name!r} is unknown; {suggest(name, valid)}")
    return METHODS[VARIANTS[name][0] if name in VARIANTS else name]


def read_methods(
    names: str, settings: Mapping[str, Mapping[str, Any]]
) -> tuple[AdapterMethod, ...]:
    """Read adapter methods and their settings out of a configuration.

    Args:
        names: A method or variant, several joined by commas, or `none`.
        settings: By method or variant, the fields that differ from its defaults. Those of methods
            that are not named are checked too, though nothing uses them.

    Returns:
        The methods' settings, in the order of `names`.

    Raises:
        ConfigurationError: An unknown method or setting, a value of another type, or one method
            twice.
    """
    known = {name: _read_one(name, given) for name, given in settings.items()}
    methods = tuple(
        known[name] if name in known else _read_one(name, {}) for name in split_methods(names)
    )
    if len({type(method) for method in methods}) < len(methods):
        raise ConfigurationError(f"adapter methods {names!r} name one method twice")
    return methods


def method_name(method: AdapterMethod) -> str:
    """Look up the name a method's settings are registered under."""
    return next(name for name, config in METHODS.items() if type(method) is config)


def _read_one(name: str, given: Mapping[str, Any]) -> AdapterMethod:
    config = method_class(name)
    _, defaults = VARIANTS.get(name, (name, {}))
    valid = tuple(field.name for field in fields(cast("Any", config)))
    for field in given:
        if field not in valid:
            raise ConfigurationError(f"{name} has no setting {field!r}; {suggest(field, valid)}")
    hints = get_type_hints(config)
    merged = {key: _as_tuple(value) for key, value in {**defaults, **given}.items()}
    for key, value in merged.items():
        if not is_of(value, hints[key]):
            raise ConfigurationError(
                f"{name} {key} is {given[key]!r}, expected {words_for(hints[key])}"
            )
    return config(**merged)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
