"""Compacter: bottleneck adapters whose kernels are sums of Kronecker products.

Karimi Mahabadi et al. 2021 (arXiv 2106.04647). Each kernel is a parameterised hypercomplex
multiplication (PHM, Zhang et al. 2021, arXiv 2102.08597) of low rank (equation 6):

    W = Σ_i A_i ⊗ (s_i t_i),    i = 1 … n;    result = y + up(activation(down(y)))

The rule A is one for all layers, s and t belong to each layer. Compacter++ keeps the feed-forward's
adapter only. The layout of the variables is that of AdapterHub's `PHMLayer`. With t5-base one task
adds 114,112 parameters, and 57,088 as Compacter++: with T5's layer norms the paper's 0.073 % and
0.047 %.

Shape letters: B batch, S sequence length, D model width, R bottleneck, I inputs, O outputs,
K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import STACKS, SUBLAYERS, Site, check_choices, sublayer_sites
from adapters_tf.banks.injection import AdaptedSublayer, inject, tap_residual_stream
from adapters_tf.banks.routing import is_routed_by_example, select_row, task_vector
from adapters_tf.banks.task_bank import TaskBank, constant, normal, uniform
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.bottleneck import ACTIVATIONS
from adapters_tf.methods.method import AdapterMethod

SHARED_PATH = "shared_parameters"  # AdapterHub's name for what all layers read
# Standard deviations of A at the start, in the published code: of the one rule, of a layer's own.
SHARED_RULE_DEVIATION = 1e-4
OWN_RULE_DEVIATION = 1e-2


@dataclass(frozen=True)
class CompacterConfig(AdapterMethod):
    """Settings of Compacter; the defaults are the published ones.

    Attributes:
        reduction_factor: The bottleneck is model width // reduction_factor units wide.
        dimension: n, the number of Kronecker products; it divides the model width and the
            bottleneck.
        rank: Of s_i t_i.
        activation: One of the bottleneck adapter's.
        placement: The sublayers that get an adapter, out of self_attention, cross_attention and
            feed_forward.
        stacks: The stacks that get adapters, out of encoder and decoder.
        share_rule: Whether all layers read one rule A, rather than one for every kernel.
        reads_residual_stream: Whether the adapter reads the sum of the sublayer's output and the
            residual stream, as AdapterHub's Compacter++ does, rather than the output alone.
    """

    reduction_factor: int = 32
    dimension: int = 4
    rank: int = 1
    activation: str = "gelu"
    placement: tuple[str, ...] = ("self_attention", "feed_forward")
    stacks: tuple[str, ...] = STACKS
    share_rule: bool = True
    reads_residual_stream: bool = False

    def __post_init__(self) -> None:
        check_choices("compacter", "activation", (self.activation,), tuple(ACTIVATIONS))
        check_choices("compacter", "placement", self.placement, tuple(SUBLAYERS))
        check_choices("compacter", "stacks", self.stacks, STACKS)
        for name in ("reduction_factor", "dimension", "rank"):
            if getattr(self, name) < 1:
                raise ConfigurationError(
                    f"compacter {name} must be 1 or more, got {getattr(self, name)}"
                )

    def width(self, model_width: int) -> int:
        """Compute the bottleneck's width in units.

        Args:
            model_width: D, in units.

        Returns:
            R, a multiple of the dimension.

        Raises:
            ConfigurationError: The dimension does not divide both widths.
        """
        width = model_width // self.reduction_factor
        if width == 0 or width % self.dimension or model_width % self.dimension:
            raise ConfigurationError(
                f"compacter dimension {self.dimension} must divide the model width {model_width} "
                f"and the bottleneck of {width} units that reduction_factor "
                f"{self.reduction_factor} leaves"
            )
        return width

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Give every chosen sublayer adapters, and the model rules; see `AdapterMethod`."""
        width = self.width(backbone.config.d_model)
        rules = None
        if self.share_rule:
            rules = CompacterRules(self, task_names, SHARED_PATH, seed, name="compacter")
            rules.build(None)

        def make(site: Site) -> CompacterBank:
            return CompacterBank(self, task_names, site.path, seed, width, rules, name="compacter")

        sites = list(sublayer_sites(backbone, self.placement, self.stacks))
        banks = inject(sites, make, AdaptedSublayer, lambda site: backbone.config.d_model)
        if self.reads_residual_stream:
            tap_residual_stream(sites)
        return {SHARED_PATH: rules, **banks} if banks and rules is not None else banks


class CompacterRules(TaskBank):
    """The rule A of all tasks, which every layer reads.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path.
        seed: Of the initial weights.
    """

    def __init__(
        self,
        config: CompacterConfig,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.config = config

    def build(self, input_shape: tf.TensorShape | None) -> None:
        """Create the bank; it takes no input."""
        self.add_bank("phm_rule", (self.config.dimension,) * 3, normal(SHARED_RULE_DEVIATION))
        super().build(input_shape)


class CompacterBank(TaskBank):
    """The adapters of all tasks at one sublayer.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so are `path` and `seed`.
        path: Module path of the sublayer.
        seed: Of the initial weights.
        width: R, in units.
        rules: The one bank of rules; None where every kernel has its own.
    """

    def __init__(
        self,
        config: CompacterConfig,
        task_names: tuple[str, ...],
        path: str,
        seed: int,
        width: int,
        rules: CompacterRules | None,
        **kwargs: Any,
    ):
        super().__init__(task_names, path, seed, **kwargs)
        self.config, self.width, self.rules = config, width, rules
        self.activation = ACTIVATIONS[config.activation]

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the banks for inputs [B, S, D]."""
        D, R = int(input_shape[-1]), self.width
        self._add_kernel("down", D, R)
        self._add_kernel("up", R, D)
        super().build(input_shape)

    def _add_kernel(self, name: str, inputs: int, outputs: int) -> None:
        n, rank = self.config.dimension, self.config.rank
        if self.rules is None:
            self.add_bank(f"{name}_rule", (n, n, n), normal(OWN_RULE_DEVIATION))
        for side, shape in (("left", (inputs // n, rank)), ("right", (rank, outputs // n))):
            # Glorot and Bengio 2010, uniform, for every s_i and t_i by itself.
            bound = (6.0 / sum(shape)) ** 0.5
            self.add_bank(f"{name}_{side}", (n, *shape), uniform(bound))
        self.add_bank(f"{name}_bias", (outputs,), constant(0.0))

    def call(self, outputs: tf.Tensor, inputs: tf.Tensor | None = None) -> tf.Tensor:
        """Adapt a sublayer's output for the routed task.

        Args:
            outputs: [B, S, D], the sublayer's output before dropout and the residual add.
            inputs: [B, S, D], the residual stream before the sublayer; read where the settings
                say so.

        Returns:
            [B, S, D], in the outputs' dtype.
        """
        read = outputs + inputs if self.config.reads_residual_stream else outputs
        hidden = self.activation(self._project("down", read))
        return outputs + self._project("up", hidden)

    def _project(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        rule = getattr(self, f"{name}_rule") if self.rules is None else self.rules.phm_rule
        left, right = (getattr(self, f"{name}_{side}") for side in ("left", "right"))
        bias = task_vector(getattr(self, f"{name}_bias"), inputs.dtype)
        return task_phm(inputs, rule, left, right) + bias


def task_phm(
    inputs_BSI: tf.Tensor, rule: tf.Variable, left: tf.Variable, right: tf.Variable
) -> tf.Tensor:
    """Multiply by the routed Σ_i A_i ⊗ (s_i t_i), without making it.

    Args:
        inputs_BSI: [B, S, I].
        rule: [K, n, n, n], A.
        left: [K, n, I/n, rank], s.
        right: [K, n, rank, O/n], t.

    Returns:
        [B, S, O], in the inputs' dtype.
    """
    A, s, t = (tf.cast(select_row(bank), inputs_BSI.dtype) for bank in (rule, left, right))
    task = "z" if is_routed_by_example() else ""
    dimension, rows = left.shape[1], left.shape[2]
    outputs = right.shape[1] * right.shape[3]
    leading = tf.shape(inputs_BSI)[:2]
    # An input unit is a·(I/n) + p, an output unit b·(O/n) + q, as the Kronecker product has it.
    parts = tf.reshape(inputs_BSI, tf.concat([leading, [dimension, rows]], 0))
    hidden = tf.einsum(f"zsap,{task}ipr->zsair", parts, s)
    hidden = tf.einsum(f"zsair,{task}iab->zsbir", hidden, A)
    hidden = tf.einsum(f"zsbir,{task}irq->zsbq", hidden, t)
    return tf.reshape(hidden, tf.concat([leading, [outputs]], 0))
