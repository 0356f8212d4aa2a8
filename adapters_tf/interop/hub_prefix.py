"""AdapterHub's prefix tuning: flat, or made by a network, which it saves; ours is the same.

One tensor there holds the prefixes of all blocks of one kind of attention, keys and values in turn.
The library names each of them again below every attention, as one module registered many times:
only the one below the model's own `prefix_tuning` is read and written. `eject_prefix_tuning` leaves
a flat one, though the configuration still speaks of a network: the tensors decide.

In T5's self-attentions keys are counted from the first prefix there and queries from the first
token: our positions `shifted`.

Shape letters: P prefix length, L blocks, D model width, N heads, H head width, M hidden width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tf_keras

from adapters_tf.backbone.sites import sublayer_sites
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.files.tensors import check_tensors
from adapters_tf.interop.exchange import MethodMapping, Reading, Tensors, check_fields
from adapters_tf.interop.hub_layers import HARMLESS, LayerNumbers, namer
from adapters_tf.methods import PrefixConfig
from adapters_tf.methods.prefix import PLACES
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.folder import task_tensors

_COPIES = ".prefix_tuning.pool."
_NAMES = {"encoder": "encoder_prefix", "decoder": "self_prefix", "cross": "cross_prefix"}
_POSITIONS = "shifted"
_ACTIVATION = "tanh"
_READ = {"architecture", "encoder_prefix", "cross_prefix", "leave_out", "flat", "prefix_length"}
_READ |= {"bottleneck_size", "non_linearity", "dropout"}
_UNUSED = {"shared_gating"}  # a setting of gates, which are refused
# Ours beside theirs, and whether one is the other's transpose.
_NETWORK = {
    "embeddings": ("wte.weight", False),
    "kernel": ("control_trans.0.weight", True),
    "bias": ("control_trans.0.bias", False),
}


def _describe(settings: PrefixConfig, model: TaskModel) -> dict[str, Any]:
    placement = settings.placement
    if "decoder" not in placement and placement != ("encoder",):
        raise ConfigurationError(
            "AdapterHub has prefixes in the decoder's self-attention wherever it has them in the"
            f" decoder, and the task has them at {', '.join(placement)} only"
        )
    if settings.positions != _POSITIONS:
        raise ConfigurationError(
            "AdapterHub's prefixes move T5's tokens by as many positions, and the task's have"
            f" positions: {settings.positions}; train with positions: {_POSITIONS}"
        )
    layers = LayerNumbers(model.backbone.config)
    return {
        "architecture": "prefix_tuning",
        "encoder_prefix": "encoder" in placement,
        "cross_prefix": "cross" in placement,
        "leave_out": layers.left_out(("encoder",), ()) if "decoder" not in placement else [],
        "flat": not settings.reparametrize,
        "prefix_length": settings.length,
        "bottleneck_size": settings.hidden_width,
        "non_linearity": _ACTIVATION,
        "dropout": 0.0,
        "use_gating": False,
        "shared_gating": True,
    }


def _collect(settings: PrefixConfig, model: TaskModel, task: str) -> dict[str, np.ndarray]:
    tensors = task_tensors(model, task)
    theirs: dict[str, np.ndarray] = {}
    for place in settings.placement:
        own = [f"{path}.prefix" for path in _attentions(model.backbone, place)]
        name = _name(place)
        if not settings.reparametrize:
            parts = [tensors[f"{path}.{part}"] for path in own for part in ("keys", "values")]
            theirs[f"{name}.control_trans"] = np.stack(parts, axis=1).reshape(-1)
            continue
        for ours, (their, is_transposed) in _NETWORK.items():
            array = tensors[f"prefix.{place}.prefix.{ours}"]
            theirs[f"{name}.{their}"] = array.T if is_transposed else array
        kernels = [tensors[f"{path}.kernel"].T for path in own]
        theirs[f"{name}.control_trans.2.weight"] = np.concatenate(kernels)
        biases = [tensors[f"{path}.bias"] for path in own]
        theirs[f"{name}.control_trans.2.bias"] = np.concatenate(biases)
    return theirs


def _read(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    fields = config["config"]
    check_fields("AdapterHub", fields, _READ, HARMLESS | _UNUSED)
    rename = namer(config, tensors)
    is_flat = any(name.endswith(".control_trans") for name in tensors)
    activation = fields.get("non_linearity", _ACTIVATION)
    if not is_flat and activation.lower() != _ACTIVATION:
        raise WeightsError(
            f"AdapterHub's prefix tuning with non_linearity {activation!r} has no counterpart: ours"
            f" has {_ACTIVATION}"
        )
    hidden_width = {} if is_flat else {"hidden_width": fields["bottleneck_size"]}
    settings = PrefixConfig(
        length=fields["prefix_length"],
        placement=_read_placement(fields, backbone),
        reparametrize=not is_flat,
        positions=_POSITIONS,
        **hidden_width,
    )
    single = {name: array for name, array in tensors.items() if _COPIES not in name}
    check_tensors(
        single, {rename(name): shape for name, shape in _shapes(settings, backbone).items()}
    )
    ours: dict[str, np.ndarray] = {}
    for place in settings.placement:
        stem = rename(_name(place)) + "."
        parts = {n.removeprefix(stem): array for n, array in single.items() if n.startswith(stem)}
        ours |= _take_apart(place, _attentions(backbone, place), parts, settings)
    dropout = fields.get("dropout")
    notes = (f"its dropout of {dropout} in training has no counterpart here",) if dropout else ()
    return Reading(settings, tensors=ours, notes=notes)


def _take_apart(
    place: str, paths: list[str], parts: Tensors, settings: PrefixConfig
) -> dict[str, np.ndarray]:
    """Take one kind of attention's tensors apart into ours, by path."""
    names = [f"{path}.prefix" for path in paths]
    if not settings.reparametrize:
        split = parts["control_trans"].reshape(settings.length, len(paths), 2, -1)
        return {
            f"{name}.{part}": split[:, block, kind]
            for block, name in enumerate(names)
            for kind, part in enumerate(("keys", "values"))
        }
    ours = {
        f"prefix.{place}.prefix.{own}": parts[their].T if is_transposed else parts[their]
        for own, (their, is_transposed) in _NETWORK.items()
    }
    kernels = np.split(parts["control_trans.2.weight"], len(paths))
    biases = np.split(parts["control_trans.2.bias"], len(paths))
    for name, kernel, bias in zip(names, kernels, biases, strict=True):
        ours |= {f"{name}.kernel": kernel.T, f"{name}.bias": bias}
    return ours


def _shapes(settings: PrefixConfig, backbone: tf_keras.Model) -> dict[str, tuple[int, ...]]:
    config = backbone.config
    P, M, D = settings.length, settings.hidden_width, config.d_model
    shapes: dict[str, tuple[int, ...]] = {}
    for place in settings.placement:
        width = 2 * len(_attentions(backbone, place)) * config.num_heads * config.d_kv
        made: dict[str, tuple[int, ...]] = {"control_trans": (P * width,)}
        if settings.reparametrize:
            made = {
                "wte.weight": (P, D),
                "control_trans.0.weight": (M, D),
                "control_trans.0.bias": (M,),
                "control_trans.2.weight": (width, M),
                "control_trans.2.bias": (width,),
            }
        shapes |= {f"{_name(place)}.{part}": shape for part, shape in made.items()}
    return shapes


def _read_placement(fields: Mapping[str, Any], backbone: tf_keras.Model) -> tuple[str, ...]:
    stacks, left_out = LayerNumbers(backbone.config).read_left_out(fields.get("leave_out") or [])
    if left_out:
        raise WeightsError(
            "AdapterHub's prefix tuning with leave_out has no counterpart but for a whole stack:"
            " T5's attentions without prefixes lose their position bias there"
        )
    has = {
        "encoder": "encoder" in stacks and fields.get("encoder_prefix", True),
        "decoder": "decoder" in stacks,
        "cross": "decoder" in stacks and fields.get("cross_prefix", True),
    }
    return tuple(place for place in PLACES if has[place])


def _attentions(backbone: tf_keras.Model, place: str) -> list[str]:
    stack, kind = PLACES[place]
    return [site.path for site in sublayer_sites(backbone, (kind,), (stack,))]


def _name(place: str) -> str:
    return f"prefix_tuning.prefix_tunings.{{adapter}}.{_NAMES[place]}"


METHODS: Mapping[str, MethodMapping] = {
    "prefix_tuning": MethodMapping(PrefixConfig, _describe, _read, collect=_collect)
}
