"""What PEFT changes inside modules that it finds by name: LoRA's kinds, (IA)³ and layer norms.

Its tensors are named by module path, as ours are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import tf_keras

from adapters_tf.backbone.sites import PROJECTIONS, STACKS, Site, norm_sites, projection_sites
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import WeightsError
from adapters_tf.interop.exchange import MethodMapping, Reading, Tensors, check_fields
from adapters_tf.interop.slots import COLUMN, ROW, SAME, TRANSPOSED, Place
from adapters_tf.methods import Ia3Config, LayerNormConfig, LoraConfig
from adapters_tf.methods.ia3 import SCALED_AT_THE_INPUT
from adapters_tf.model.task_model import TaskModel

# Of every method: where the adapter comes from; the outputs do not depend on it.
HARMLESS = {"peft_type", "auto_mapping", "base_model_name_or_path", "inference_mode", "revision"}
HARMLESS |= {"peft_version", "runtime_config", "task_type"}
_LORA_READ = {"r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules"}
_LORA_HARMLESS = {"init_lora_weights", "megatron_core", "ensure_weight_tying", "qalora_group_size"}
_IA3_READ = {"target_modules", "feedforward_modules"}
# The other ways to start LoRA change the backbone's weights too.
_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


def _lora_places(path: str, bank: TaskBank) -> Iterator[Place]:
    yield "a", f"{path}.lora_A.weight", TRANSPOSED
    yield "b", f"{path}.lora_B.weight", TRANSPOSED
    if "magnitude" in bank.banks:
        yield "magnitude", f"{path}.lora_magnitude_vector", SAME


def _describe_lora(settings: LoraConfig, model: TaskModel) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "r": settings.rank,
        "lora_alpha": _plain(settings.alpha),
        "lora_dropout": settings.dropout,
        "use_rslora": settings.rank_stabilised,
        "use_dora": settings.dora,
        "target_modules": _target_modules(model, settings.stacks),
        "bias": "none",
    }


def _read_lora(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    check_fields("PEFT", config, _LORA_READ, HARMLESS | _LORA_HARMLESS)
    start = config.get("init_lora_weights")
    if start not in _STARTS:
        raise WeightsError(f"PEFT's init_lora_weights {start!r} changes the backbone's weights too")
    paths, targets, stacks = _matched_projections(config, backbone)
    settings = LoraConfig(
        rank=config["r"],
        alpha=config["lora_alpha"],
        targets=targets,
        stacks=stacks,
        dropout=config.get("lora_dropout", 0.0),
        rank_stabilised=bool(config.get("use_rslora")),
        dora=bool(config.get("use_dora")),
    )
    return Reading(settings, paths)


def _ia3_places(path: str, bank: TaskBank) -> Iterator[Place]:
    layout = ROW if path.split(".")[-1] in SCALED_AT_THE_INPUT else COLUMN
    yield "scale", f"{path}.ia3_l", layout


def _describe_ia3(settings: Ia3Config, model: TaskModel) -> dict[str, Any]:
    at_input = [name for name in SCALED_AT_THE_INPUT if name in settings.targets]
    return {
        "peft_type": "IA3",
        "target_modules": _target_modules(model, settings.stacks),
        "feedforward_modules": at_input,
    }


def _read_ia3(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    check_fields("PEFT", config, _IA3_READ, HARMLESS | {"init_ia3_weights"})
    paths, targets, stacks = _matched_projections(config, backbone)
    for path in paths:
        at_input = _names(path, config.get("feedforward_modules") or [])
        if at_input != (path.split(".")[-1] in SCALED_AT_THE_INPUT):
            end = "input" if at_input else "output"
            raise WeightsError(
                f"PEFT's feedforward_modules scale {path} at its {end}; here only "
                f"{', '.join(SCALED_AT_THE_INPUT)} is scaled at its input, the rest at their output"
            )
    return Reading(Ia3Config(targets, stacks), paths)


def _norm_places(path: str, bank: TaskBank) -> Iterator[Place]:
    yield "weight", f"{path}.ln_tuning_layers.weight", SAME


def _describe_norms(settings: LayerNormConfig, model: TaskModel) -> dict[str, Any]:
    return {"peft_type": "LN_TUNING", "target_modules": _target_modules(model, settings.stacks)}


def _read_norms(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    check_fields("PEFT", config, {"target_modules"}, HARMLESS)
    sites = _matched(config, norm_sites(backbone))
    return Reading(LayerNormConfig(_stacks_of(sites)), frozenset(site.path for site in sites))


METHODS: Mapping[str, MethodMapping] = {
    "LORA": MethodMapping(LoraConfig, _describe_lora, _read_lora, _lora_places),
    "IA3": MethodMapping(Ia3Config, _describe_ia3, _read_ia3, _ia3_places),
    "LN_TUNING": MethodMapping(LayerNormConfig, _describe_norms, _read_norms, _norm_places),
}


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _target_modules(model: TaskModel, stacks: Sequence[str]) -> list[str] | str:
    names = list(dict.fromkeys(path.split(".")[-1] for path in model.banks))
    if set(stacks) == set(STACKS):
        return names
    return rf"({'|'.join(stacks)})\.(.*\.)?({'|'.join(names)})"


def _names(path: str, wanted: str | Iterable[str]) -> bool:
    """Tell whether PEFT would choose a module: by a pattern, or a list of last parts."""
    if wanted == "all-linear":
        return True
    if isinstance(wanted, str):
        try:
            return re.fullmatch(wanted, path) is not None
        except re.error as error:
            raise WeightsError(
                f"PEFT's pattern {wanted!r} is no regular expression: {error}"
            ) from None
    return any(path == name or path.endswith(f".{name}") for name in wanted)


def _matched(config: Mapping[str, Any], sites: Iterable[Site]) -> list[Site]:
    wanted = config.get("target_modules") or ()
    chosen = [site for site in sites if _names(site.path, wanted)]
    if not chosen:
        raise WeightsError(f"PEFT's target_modules {wanted!r} name no layer of T5 to adapt")
    return chosen


def _matched_projections(
    config: Mapping[str, Any], backbone: tf_keras.Model
) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """Find the module paths, and the targets and stacks that cover them."""
    sites = _matched(config, projection_sites(backbone, tuple(PROJECTIONS)))
    found = {PROJECTIONS[site.attribute] for site in sites}
    targets = tuple(name for name in dict.fromkeys(PROJECTIONS.values()) if name in found)
    return frozenset(site.path for site in sites), targets, _stacks_of(sites)


def _stacks_of(sites: Iterable[Site]) -> tuple[str, ...]:
    found = {site.stack for site in sites}
    return tuple(stack for stack in STACKS if stack in found)
