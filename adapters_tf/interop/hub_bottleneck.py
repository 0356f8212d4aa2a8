"""AdapterHub's bottlenecks, and Compacter, which to it is a bottleneck of other projections.

With x the residual stream before a sublayer, y the sublayer's output after dropout and f the
adapter, T5's blocks there go on with

    original_ln_before False    x + y + f(y)          double_seq_bn, Compacter; Houlsby et al. 2019
    original_ln_before True     x + y + f(x + y)      seq_bn, Compacter++; Pfeiffer et al. 2020
    is_parallel True            x + y + f(x)          par_bn; He et al. 2022

T5 has no layer norm after a sublayer, so the flags speak of the residual alone. Our adapters sit
before that dropout, and drop units at the bottleneck rather than after the up projection: one
function where dropout is off, and the same rate is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tf_keras

from adapters_tf.backbone.sites import STACKS
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.interop.exchange import MethodMapping, Reading, Tensors, check_fields
from adapters_tf.interop.hub_layers import HARMLESS, LayerNumbers, namer
from adapters_tf.interop.slots import SAME, TRANSPOSED, Place
from adapters_tf.methods import BottleneckConfig, CompacterConfig
from adapters_tf.methods.bottleneck import ACTIVATIONS, BottleneckBank
from adapters_tf.methods.compacter import SHARED_PATH
from adapters_tf.model.task_model import TaskModel

_PLACEMENTS = {
    "mh_adapter": "self_attention",
    "cross_adapter": "cross_attention",
    "output_adapter": "feed_forward",
}
_ACTIVATIONS = {name: name for name in ACTIVATIONS} | {
    "silu": "swish",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_new",
}
# Folders from before 2020, which name no version, mean other functions by these names.
_OLD_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
_READ = {*_PLACEMENTS, "reduction_factor", "non_linearity", "ln_before", "ln_after", "scaling"}
_READ |= {"leave_out", "dropout", "architecture", "is_parallel", "original_ln_before"}
_READ |= {"original_ln_after", "residual_before_ln", "adapter_residual_before_ln", "phm_layer"}
# Settings of parts that are refused where they are used.
_UNUSED = {"inv_adapter_reduction_factor", "factorized_phm_W", "shared_W_phm", "phm_rank"}
_UNUSED |= {"shared_phm_rule", "factorized_phm_rule", "learn_phm", "phm_bias", "phm_dim"}
_UNUSED |= {"phm_c_init", "phm_init_range", "hypercomplex_nonlinearity"}
# What its Compacter must say to be ours.
_COMPACTER_REQUIRES = {
    "factorized_phm_W": True,
    "shared_W_phm": False,
    "factorized_phm_rule": False,
    "phm_bias": True,
    "is_parallel": False,
    "ln_before": False,
    "ln_after": False,
    "scaling": 1.0,
}
# Where the bottleneck's layer norm before it is registered once more.
_DOWN = "adapter_down.0"
_DOWN_AFTER_NORM = "adapter_down.1"


def _bottleneck_places(path: str, bank: TaskBank) -> Iterator[Place]:
    assert isinstance(bank, BottleneckBank)
    block = _adapter_path(path)
    down = _DOWN if bank.pre_norm is None else _DOWN_AFTER_NORM
    if bank.pre_norm is not None:
        for norm in ("adapter_norm_before", _DOWN):
            yield "pre_norm.gamma", f"{block}.{norm}.weight", SAME
            yield "pre_norm.beta", f"{block}.{norm}.bias", SAME
    yield "down_kernel", f"{block}.{down}.weight", TRANSPOSED
    yield "down_bias", f"{block}.{down}.bias", SAME
    yield "up_kernel", f"{block}.adapter_up.weight", TRANSPOSED
    yield "up_bias", f"{block}.adapter_up.bias", SAME
    if bank.post_norm is not None:
        yield "post_norm.gamma", f"{block}.adapter_norm_after.weight", SAME
        yield "post_norm.beta", f"{block}.adapter_norm_after.bias", SAME
    if bank.config.is_scaling_learned:
        yield "scale", f"{block}.scaling", SAME


def _compacter_places(path: str, bank: TaskBank) -> Iterator[Place]:
    if path == SHARED_PATH:
        yield "phm_rule", f"{SHARED_PATH}.{{adapter}}.phm_rule", SAME
        return
    block = _adapter_path(path)
    for ours, theirs in (("down", _DOWN), ("up", "adapter_up")):
        if f"{ours}_rule" in bank.banks:
            yield f"{ours}_rule", f"{block}.{theirs}.phm_rule", SAME
        yield f"{ours}_left", f"{block}.{theirs}.W_left", SAME
        yield f"{ours}_right", f"{block}.{theirs}.W_right", SAME
        yield f"{ours}_bias", f"{block}.{theirs}.b", SAME


def _adapter_path(path: str) -> str:
    return f"{path.rpartition('.')[0]}.adapters.{{adapter}}"


def _describe_bottleneck(settings: BottleneckConfig, model: TaskModel) -> dict[str, Any]:
    if settings.parallel and not settings.reads_residual_stream:
        raise ConfigurationError(
            "AdapterHub's is_parallel reads the residual stream before T5's layer norm, and the"
            " task's adapter after it; train with reads_residual_stream: true"
        )
    if not settings.residual:
        raise ConfigurationError("AdapterHub's bottleneck always adds the sublayer's output")
    if settings.post_norm and settings.scaling != 1.0:
        raise ConfigurationError(
            f"AdapterHub scales before its layer norm and ours after it: scaling {settings.scaling}"
            " with post_norm has no counterpart"
        )
    layers = LayerNumbers(model.backbone.config)
    factors: Any = settings.reduction_factor
    if settings.reduction_factors:
        factors = {"default": factors} | {
            str(layers.number(stack, block)): factor
            for block, factor in settings.reduction_factors.items()
            for stack in STACKS
            if block < layers.depths[stack]
        }
    return {
        **_describe_place(settings, settings.reads_residual_stream and not settings.parallel),
        "is_parallel": settings.parallel,
        "reduction_factor": factors,
        "ln_before": settings.pre_norm,
        "ln_after": settings.post_norm,
        "scaling": settings.scaling if settings.is_scaling_learned else float(settings.scaling),
        "leave_out": layers.left_out(settings.stacks, settings.leave_out),
        "dropout": settings.dropout,
    }


def _describe_compacter(settings: CompacterConfig, model: TaskModel) -> dict[str, Any]:
    return {
        **_describe_place(settings, settings.reads_residual_stream),
        **_COMPACTER_REQUIRES,
        "reduction_factor": settings.reduction_factor,
        "leave_out": LayerNumbers(model.backbone.config).left_out(settings.stacks, ()),
        "dropout": 0.0,
        "phm_layer": True,
        "phm_dim": settings.dimension,
        "phm_rank": settings.rank,
        "shared_phm_rule": settings.share_rule,
    }


def _describe_place(
    settings: BottleneckConfig | CompacterConfig, reads_sum: bool
) -> dict[str, Any]:
    return {
        **{theirs: ours in settings.placement for theirs, ours in _PLACEMENTS.items()},
        "non_linearity": settings.activation,
        "original_ln_before": reads_sum,
        "original_ln_after": True,
        "residual_before_ln": True,
        "adapter_residual_before_ln": False,
    }


def _read_bottleneck(
    config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors
) -> Reading:
    fields = config["config"]
    check_fields("AdapterHub", fields, _READ, HARMLESS | _UNUSED)
    scaling, post_norm = fields.get("scaling", 1.0), bool(fields.get("ln_after"))
    if scaling == "channel" or (post_norm and scaling != 1.0):
        with_norm = " with ln_after" if post_norm else ""
        raise WeightsError(f"AdapterHub's scaling {scaling!r}{with_norm} has no counterpart")
    parallel = bool(fields.get("is_parallel"))
    layers = LayerNumbers(backbone.config)
    stacks, leave_out = layers.read_left_out(fields.get("leave_out") or [])
    factor, factors = layers.read_factors(fields["reduction_factor"], stacks, leave_out)
    settings = BottleneckConfig(
        reduction_factor=factor,
        reduction_factors=factors,
        activation=_read_activation(fields["non_linearity"], "version" in config),
        pre_norm=bool(fields.get("ln_before")),
        post_norm=post_norm,
        placement=_read_placement(fields),
        stacks=stacks,
        leave_out=leave_out,
        parallel=parallel,
        scaling=scaling,
        dropout=fields.get("dropout", 0.0),
        reads_residual_stream=_reads_residual_stream(fields),
    )
    return Reading(settings)


def _read_compacter(
    config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors
) -> Reading:
    fields = config["config"]
    check_fields("AdapterHub", fields, _READ, HARMLESS | _UNUSED)
    for name, value in _COMPACTER_REQUIRES.items():
        if fields.get(name, value) != value:
            raise WeightsError(
                f"AdapterHub's Compacter with {name} = {fields[name]!r} has no counterpart here"
            )
    layers = LayerNumbers(backbone.config)
    stacks, leave_out = layers.read_left_out(fields.get("leave_out") or [])
    factor, factors = layers.read_factors(fields["reduction_factor"], stacks, leave_out)
    if leave_out or factors:
        raise WeightsError("AdapterHub's Compacter that differs by layer has no counterpart here")
    settings = CompacterConfig(
        reduction_factor=factor,
        dimension=fields.get("phm_dim", 4),
        rank=fields.get("phm_rank", 1),
        activation=_read_activation(fields["non_linearity"], "version" in config),
        placement=_read_placement(fields),
        stacks=stacks,
        share_rule=bool(fields.get("shared_phm_rule", True)),
        reads_residual_stream=_reads_residual_stream(fields),
    )
    _check_rule(settings, namer(config, tensors)(f"{SHARED_PATH}.{{adapter}}.phm_rule"), tensors)
    dropout = fields.get("dropout")
    notes = (f"its dropout of {dropout} in training has no counterpart here",) if dropout else ()
    return Reading(settings, notes=notes)


def _check_rule(settings: CompacterConfig, name: str, tensors: Tensors) -> None:
    if settings.share_rule and name not in tensors:
        raise WeightsError(
            f"the weights lack {name}: AdapterHub's save_adapter leaves it out where the model has"
            " none of the library's own heads; save it from a T5AdapterModel, or add"
            " model.shared_parameters to the file"
        )


def _read_placement(fields: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(ours for theirs, ours in _PLACEMENTS.items() if fields.get(theirs))


def _reads_residual_stream(fields: Mapping[str, Any]) -> bool:
    """Tell whether the adapter reads x or x + y; refuse what adds x twice or never, or y never."""
    is_before = bool(fields.get("original_ln_before", False))
    is_after = bool(fields.get("original_ln_after", True))
    residual = fields.get("residual_before_ln", True)
    if fields.get("is_parallel"):
        _check_stream(is_after, is_after)
        return True
    if residual == "post_add":
        raise WeightsError("AdapterHub's residual_before_ln = 'post_add' has no counterpart here")
    if fields.get("ln_after") and fields.get("adapter_residual_before_ln"):
        raise WeightsError(
            "AdapterHub's adapter_residual_before_ln = True has no counterpart: its layer norm"
            " comes after the residual is added"
        )
    if not is_before:
        _check_stream(is_after, is_after)
        return False
    # The adapter's own residual is y, or with residual_before_ln off already x + y.
    _check_stream(is_after == bool(residual), is_after)
    return True


def _check_stream(is_added_once: bool, is_after: bool) -> None:
    if not is_added_once:
        problem = "adds the residual stream twice" if is_after else "leaves the residual stream out"
        raise WeightsError(
            f"AdapterHub's original_ln_after = {is_after} has no counterpart: it {problem}"
        )


def _read_activation(name: str, has_version: bool) -> str:
    known = name.lower() if has_version else _OLD_ACTIVATIONS.get(name.lower(), name.lower())
    if known not in _ACTIVATIONS:
        raise WeightsError(f"non_linearity {name!r} is unknown; {suggest(known, _ACTIVATIONS)}")
    return _ACTIVATIONS[known]


METHODS: Mapping[str, MethodMapping] = {
    "bottleneck": MethodMapping(
        BottleneckConfig, _describe_bottleneck, _read_bottleneck, _bottleneck_places
    ),
    "compacter": MethodMapping(
        CompacterConfig, _describe_compacter, _read_compacter, _compacter_places
    ),
}
