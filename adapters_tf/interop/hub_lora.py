"""What AdapterHub's library adds to or scales inside projections: LoRA, DoRA and (IA)³.

To it both are LoRA, with a mode of composition of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tf_keras

from adapters_tf.backbone.sites import STACKS, projection_sites
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.interop.exchange import MethodMapping, Reading, Tensors, check_fields
from adapters_tf.interop.hub_layers import HARMLESS, LayerNumbers
from adapters_tf.interop.slots import COLUMN, TRANSPOSED, Place
from adapters_tf.methods import Ia3Config, LoraConfig
from adapters_tf.model.task_model import TaskModel

# Before 1.1 the library read LoRA's alpha in another way.
_FIRST_WITH_ALPHA = (1, 1)
_ATTENTION = ("q", "k", "v")
_READ = {"architecture", "composition_mode", "use_dora", "r", "alpha", "dropout", "leave_out"}
_READ |= {"selfattn_lora", "intermediate_lora", "output_lora", "attn_matrices"}


def _lora_places(path: str, bank: TaskBank) -> Iterator[Place]:
    yield "a", f"{path}.loras.{{adapter}}.lora_A", TRANSPOSED
    yield "b", f"{path}.loras.{{adapter}}.lora_B", TRANSPOSED
    if "magnitude" in bank.banks:
        yield "magnitude", f"{path}.loras.{{adapter}}.m.weight", COLUMN


def _describe_lora(settings: LoraConfig, model: TaskModel) -> dict[str, Any]:
    is_gated = model.backbone.config.is_gated_act
    for name in settings.targets:
        if name == "o" or (name == "wi" and is_gated):
            meant = "wi_0 of a gated feed-forward" if name == "wi" else "the attention's o"
            raise ConfigurationError(f"AdapterHub has no LoRA on {meant}; the task's has")
    if settings.dora:
        _check_dora_scaling(settings.scaling)
    return {
        "architecture": "lora",
        "composition_mode": "add",
        "r": settings.rank,
        # It has no rank-stabilised scaling, and needs none: this alpha gives the same factor.
        "alpha": settings.scaling * settings.rank,
        "dropout": settings.dropout,
        "use_dora": settings.dora,
        "init_weights": "lora",
        "intermediate_lora": "wi" in settings.targets,
        "output_lora": "wo" in settings.targets,
        **_describe_attention(settings.targets, settings.stacks, model),
    }


def _read_lora(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    fields, alpha = config["config"], config["config"]["alpha"]
    if _version(config) < _FIRST_WITH_ALPHA:
        alpha = fields["r"]  # what the library itself makes of these folders
    targets = _read_attention(fields)
    targets += ("wi",) if fields.get("intermediate_lora") else ()
    targets += ("wo",) if fields.get("output_lora") else ()
    stacks, paths = _read_sites(fields, targets, backbone, ("wi_0",))
    settings = LoraConfig(
        rank=fields["r"],
        alpha=alpha,
        targets=targets,
        stacks=stacks,
        dropout=fields.get("dropout", 0.0),
        dora=bool(fields.get("use_dora")),
    )
    if settings.dora:
        _check_dora_scaling(settings.scaling)
    return Reading(settings, paths)


def _check_dora_scaling(scaling: float) -> None:
    if scaling != 1.0:
        raise ConfigurationError(
            "AdapterHub's DoRA leaves the scaling out of the lengths it divides by: only alpha ="
            f" rank is the same function, not a scaling of {scaling:g}"
        )


def _ia3_places(path: str, bank: TaskBank) -> Iterator[Place]:
    # It scales what wi gives. Of a gated feed-forward it takes the factor that goes through no
    # activation: the product, wo's input, is scaled alike.
    theirs = path.removesuffix(".wo") + ".wi_1" if path.endswith(".wo") else path
    yield "scale", f"{theirs}.loras.{{adapter}}.lora_B", COLUMN


def _describe_ia3(settings: Ia3Config, model: TaskModel) -> dict[str, Any]:
    feed_forward = _ia3_feed_forward(model.backbone.config)
    for name in settings.targets:
        if name not in (*_ATTENTION, feed_forward):
            raise ConfigurationError(
                f"AdapterHub's (IA)³ has no place for {name!r} in this T5; it can scale q, k, v"
                f" and, in its feed-forward, {feed_forward}"
            )
    return {
        "architecture": "lora",
        "composition_mode": "scale",
        "r": 1,
        "alpha": 1,
        "dropout": 0.0,
        "init_weights": "ia3",
        "intermediate_lora": feed_forward in settings.targets,
        "output_lora": False,
        **_describe_attention(settings.targets, settings.stacks, model),
    }


def _read_ia3(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    fields = config["config"]
    if fields.get("output_lora"):
        raise WeightsError("AdapterHub's output_lora scales what wo gives, and ours what it gets")
    if fields.get("alpha", 1) != 1:
        raise WeightsError(f"AdapterHub's (IA)³ with alpha {fields['alpha']} has no counterpart")
    feed_forward = _ia3_feed_forward(backbone.config)
    targets = _read_attention(fields)
    targets += (feed_forward,) if fields.get("intermediate_lora") else ()
    stacks, paths = _read_sites(fields, targets, backbone)
    return Reading(Ia3Config(targets, stacks), paths)


def _ia3_feed_forward(config: Any) -> str:
    return "wo" if config.is_gated_act else "wi"


def _describe_attention(
    targets: Sequence[str], stacks: Sequence[str], model: TaskModel
) -> dict[str, Any]:
    matrices = [name for name in _ATTENTION if name in targets]
    return {
        "selfattn_lora": bool(matrices),
        "attn_matrices": matrices,
        "leave_out": LayerNumbers(model.backbone.config).left_out(stacks, ()),
    }


def _read_attention(fields: Mapping[str, Any]) -> tuple[str, ...]:
    check_fields("AdapterHub", fields, _READ, HARMLESS)
    if not fields.get("selfattn_lora", True):
        return ()
    return tuple(name for name in _ATTENTION if name in fields.get("attn_matrices", ("q", "v")))


def _read_sites(
    fields: Mapping[str, Any],
    targets: tuple[str, ...],
    backbone: tf_keras.Model,
    without: tuple[str, ...] = (),
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Find the stacks, and the module paths that are not left out."""
    layers, left_out = LayerNumbers(backbone.config), fields.get("leave_out") or []
    sites = [
        site
        for site in projection_sites(backbone, targets)
        if layers.number(site.stack, site.block) not in left_out and site.attribute not in without
    ]
    if not sites:
        raise WeightsError("AdapterHub's settings choose no projection of T5")
    stacks = tuple(stack for stack in STACKS if any(site.stack == stack for site in sites))
    return stacks, frozenset(site.path for site in sites)


def _version(config: Mapping[str, Any]) -> tuple[int, ...]:
    found = re.match(r"adapters\.(\d+)\.(\d+)", str(config.get("version", "")))
    return tuple(int(part) for part in found.groups()) if found else _FIRST_WITH_ALPHA


METHODS: Mapping[str, MethodMapping] = {
    "add": MethodMapping(LoraConfig, _describe_lora, _read_lora, _lora_places),
    "scale": MethodMapping(Ia3Config, _describe_ia3, _read_ia3, _ia3_places),
}
