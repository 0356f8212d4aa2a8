"""What PEFT keeps beside the model: prompt tuning and prefix tuning, one tensor to an adapter.

Of its prompts for an encoder-decoder only the first half is used, before the encoder's input.

Its prefixes reach the decoder's self-attention alone, as keys and values of positions before the
first token. It hands block i the pair of keys and values number 2 i, counted round: with an even
number of pairs two blocks share each, and every second pair is never read. An adapter of ours is
written with an odd number, where no two blocks meet. All this is its forward pass, which training
takes; its `generate` was seen to give T5 other tokens than that.

A prefix that a network makes is saved there as what the network made, and so it is here.

Shape letters: P prompt or prefix length, D model width, N heads, H head width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import sublayer_sites
from adapters_tf.banks.routing import route
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.files.tensors import check_tensors
from adapters_tf.interop.exchange import MethodMapping, Reading, Tensors, check_fields
from adapters_tf.interop.peft_modules import HARMLESS
from adapters_tf.methods import PrefixConfig, PromptConfig
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.folder import row_of, task_tensors

_TENSOR = "prompt_embeddings"
_PROMPT = "encoder.prompt.embeddings"  # as `task_tensors` names it
# What the encoder and the decoder are to PEFT; of prompts it then keeps one for each.
_SUBMODULES = 2
_READ = {"num_virtual_tokens", "token_dim", "num_transformer_submodules", "num_layers"}
_READ |= {"num_attention_heads"}
_PROMPT_STARTS = {"prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path"}
_PROMPT_STARTS |= {"tokenizer_kwargs"}
_PREFIX_STARTS = {"init_weights", "prefix_projection", "encoder_hidden_size"}


def _describe_prompt(settings: PromptConfig, model: TaskModel) -> dict[str, Any]:
    return {
        "peft_type": "PROMPT_TUNING",
        "num_virtual_tokens": settings.length,
        "prompt_tuning_init": "RANDOM",
        "token_dim": model.backbone.config.d_model,
        # One: the second half of the prompts that PEFT would make for two is never read.
        "num_transformer_submodules": 1,
        "num_attention_heads": model.backbone.config.num_heads,
        "num_layers": model.backbone.config.num_layers,
    }


def _collect_prompt(settings: PromptConfig, model: TaskModel, task: str) -> dict[str, np.ndarray]:
    return {_TENSOR: task_tensors(model, task)[_PROMPT]}


def _read_prompt(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    check_fields("PEFT", config, _READ, HARMLESS | _PROMPT_STARTS)
    length = config["num_virtual_tokens"]
    parts = config.get("num_transformer_submodules") or _SUBMODULES
    check_tensors(tensors, {_TENSOR: (parts * length, backbone.config.d_model)})
    return Reading(PromptConfig(length), tensors={_PROMPT: tensors[_TENSOR][:length]})


def _describe_prefix(settings: PrefixConfig, model: TaskModel) -> dict[str, Any]:
    if settings.placement != ("decoder",):
        raise ConfigurationError(
            "PEFT's prefixes reach the decoder's self-attention alone, and the task has them at"
            f" {', '.join(settings.placement)}; train with placement: [decoder]"
        )
    if settings.positions != "before":
        raise ConfigurationError(
            "PEFT's prefixes have the positions before the first token, and the task's have"
            f" positions: {settings.positions}; train with positions: before"
        )
    config = model.backbone.config
    return {
        "peft_type": "PREFIX_TUNING",
        "num_virtual_tokens": settings.length,
        "prefix_projection": False,
        "token_dim": config.num_heads * config.d_kv,
        "num_transformer_submodules": _SUBMODULES,
        "num_attention_heads": config.num_heads,
        "num_layers": _pairs_to_write(config.num_decoder_layers),
    }


def _collect_prefix(settings: PrefixConfig, model: TaskModel, task: str) -> dict[str, np.ndarray]:
    config = model.backbone.config
    paths = _decoder_attentions(model.backbone)
    pairs, width = _pairs_to_write(len(paths)), config.num_heads * config.d_kv
    joined = np.zeros((settings.length, pairs, 2, width), np.float32)
    with route(tf.constant([row_of(model, task)])):
        for block, path in enumerate(paths):
            prefix = model.banks[path].prefix(1, tf.float32)
            for kind, made_1NPH in enumerate(prefix):
                made_PNH = tf.transpose(made_1NPH[0], [1, 0, 2])
                joined[:, _pair_of(block, pairs), kind] = tf.reshape(made_PNH, [-1, width])
    return {_TENSOR: joined.reshape(len(joined), -1)}


def _read_prefix(config: Mapping[str, Any], backbone: tf_keras.Model, tensors: Tensors) -> Reading:
    check_fields("PEFT", config, _READ, HARMLESS | _PREFIX_STARTS)
    length, pairs, width = (
        config[name] for name in ("num_virtual_tokens", "num_layers", "token_dim")
    )
    _check_prefix(config, backbone.config)
    check_tensors(tensors, {_TENSOR: (length, pairs * 2 * width)})
    split = tensors[_TENSOR].reshape(length, pairs, 2, width)
    paths = _decoder_attentions(backbone)
    ours = {}
    for block, path in enumerate(paths):
        for kind, name in enumerate(("keys", "values")):
            ours[f"{path}.prefix.{name}"] = split[:, _pair_of(block, pairs), kind]
    notes: tuple[str, ...] = ()
    if len({_pair_of(block, pairs) for block in range(len(paths))}) < len(paths):
        notes = (
            f"PEFT gives block {pairs // 2} the prefixes of block 0, and so on; here every block"
            " has its own copy, and training moves them apart",
        )
    settings = PrefixConfig(length, ("decoder",), reparametrize=False, positions="before")
    return Reading(settings, tensors=ours, notes=notes)


def _check_prefix(config: Mapping[str, Any], ours: Any) -> None:
    if (config.get("num_transformer_submodules") or _SUBMODULES) != _SUBMODULES:
        raise WeightsError(
            "PEFT's prefixes with num_transformer_submodules"
            f" {config['num_transformer_submodules']} reach T5's cross-attention mixed with those"
            f" of the self-attention; there is a counterpart of {_SUBMODULES} only"
        )
    heads = (config["num_attention_heads"], config["token_dim"])
    if heads != (ours.num_heads, ours.num_heads * ours.d_kv):
        raise WeightsError(
            f"PEFT's prefixes of {heads[0]} heads and token_dim {heads[1]} do not fit a T5 of"
            f" {ours.num_heads} heads of {ours.d_kv}"
        )
    if config["num_layers"] < ours.num_decoder_layers:
        raise WeightsError(
            f"PEFT's prefixes for {config['num_layers']} layers do not fit a decoder of"
            f" {ours.num_decoder_layers} blocks"
        )


def _decoder_attentions(backbone: tf_keras.Model) -> list[str]:
    return [site.path for site in sublayer_sites(backbone, ("self_attention",), ("decoder",))]


def _pair_of(block: int, pairs: int) -> int:
    """Find the keys and values that PEFT hands a block: it lays two copies of all end to end."""
    return 2 * block % pairs


def _pairs_to_write(blocks: int) -> int:
    return blocks if blocks % 2 else blocks + 1


METHODS: Mapping[str, MethodMapping] = {
    "PROMPT_TUNING": MethodMapping(
        PromptConfig, _describe_prompt, _read_prompt, collect=_collect_prompt
    ),
    "PREFIX_TUNING": MethodMapping(
        PrefixConfig, _describe_prefix, _read_prefix, collect=_collect_prefix
    ),
}
