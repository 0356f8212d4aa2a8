"""Compacter's adapters written out as plain bottlenecks, to be composed with other trained ones.

    W = Σ_i A_i ⊗ (s_i t_i)

Training needs the factors; what is frozen is the same function with fewer operations.

Shape letters: I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adapters_tf.methods.bottleneck import BottleneckConfig
from adapters_tf.methods.compacter import SHARED_PATH, CompacterConfig

_OURS, _BOTTLENECKS = ".compacter.", ".adapter."  # in the names of the banks' tensors


def dense_settings(settings: CompacterConfig) -> BottleneckConfig:
    """Say which bottleneck a Compacter is.

    Args:
        settings: Of the Compacter.

    Returns:
        The settings of the bottleneck that computes the same.
    """
    return BottleneckConfig(
        reduction_factor=settings.reduction_factor,
        activation=settings.activation,
        post_norm=False,
        placement=settings.placement,
        stacks=settings.stacks,
    )


def dense_tensors(
    tensors: Mapping[str, np.ndarray], settings: CompacterConfig
) -> dict[str, np.ndarray]:
    """Write out one task's kernels.

    Args:
        tensors: As a task folder of a Compacter has them, by module path.
        settings: Of the Compacter.

    Returns:
        As that of the bottleneck would have them; what else is there stays as it is.
    """
    shared = f"{SHARED_PATH}{_OURS}phm_rule"
    dense = {}
    for name, tensor in tensors.items():
        path, mark, part = name.partition(_OURS)
        if not mark:
            dense[name] = tensor
        elif part.endswith("_bias"):
            dense[f"{path}{_BOTTLENECKS}{part}"] = tensor
        elif part.endswith("_left"):
            side = part.removesuffix("_left")
            rule = shared if settings.share_rule else f"{path}{_OURS}{side}_rule"
            right = tensors[f"{path}{_OURS}{side}_right"]
            kernel = write_out(tensors[rule], tensor, right)
            dense[f"{path}{_BOTTLENECKS}{side}_kernel"] = kernel
    return dense


def write_out(rule: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Add up Kronecker products.

    Args:
        rule: [n, n, n], A.
        left: [n, I/n, rank], s.
        right: [n, rank, O/n], t.

    Returns:
        float32 [I, O].
    """
    blocks = np.einsum("iab,ipr,irq->apbq", rule, left, right)
    a, p, b, q = blocks.shape
    return blocks.reshape(a * p, b * q).astype(np.float32)
