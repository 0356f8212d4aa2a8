"""HyperFormer: hypernetworks that make every task's adapters (Karimi Mahabadi et al. 2021).

arXiv 2106.04489. A task has an embedding only; shared generators turn it into the weights of the
bottleneck adapters, and into the scale and bias of the layer norm after them. What one generator
makes is the setting `generators`; each stack has its own:

    per_layer  one for every sublayer, out of the task's embedding
    per_kind   one for all self-attentions and one for all feed-forwards, out of a network's
               projection of the task's and the layer's embedding (HyperFormer)
    per_stack  one for all, out of the projection of task, layer and kind (HyperFormer++)

Parameters of t5-base, with embeddings of E = 64 numbers, D = 768, R = 24, and 8 tasks. A generator
has (E + 1) (2 D R + R + D) for the adapter and 2 (E + 1) D for its norm, 2,547,480 together.

    per_layer  48 generators and 8 E of the tasks: 122,279,552
    per_stack  2 generators; in each stack 12 E for the layers, 2 E for the kinds, a network
               3 E → 128 → E (32,960) and a norm (2 E); 8 E of the tasks: 5,163,440
    per_kind   4 generators; in each stack 12 E, a network 2 E → 128 → E (24,768) and a norm;
               8 E of the tasks: 10,241,760

Shape letters: B batch, S sequence length, D model width, R bottleneck, E embedding, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import (
    STACKS,
    SUBLAYERS,
    Site,
    check_choices,
    leave_out_blocks,
    sublayer_sites,
    unwrap,
)
from adapters_tf.banks.injection import AdaptedSublayer, inject
from adapters_tf.banks.routing import align_vector, multiply_routed
from adapters_tf.banks.task_bank import TaskBank, constant
from adapters_tf.errors import ConfigurationError
from adapters_tf.methods.bottleneck import ACTIVATIONS, NORM_EPSILON
from adapters_tf.methods.generators import (
    FORMS,
    SharedNetwork,
    SiteEmbeddings,
    TaskEmbeddings,
    WeightGenerator,
    without_embeddings_file,
)
from adapters_tf.methods.method import AdapterMethod, training_only
from adapters_tf.methods.normalization import normalize

SHARINGS = ("per_layer", "per_kind", "per_stack")
KINDS = {attribute: kind for kind, attribute in SUBLAYERS.items()}
TASKS_PATH = "task_embeddings"


@dataclass(frozen=True)
class HypernetworkConfig(AdapterMethod):
    """Settings of the hypernetworks; the defaults are those of HyperFormer++.

    Attributes:
        generators: What one generator makes: per_layer, per_kind or per_stack.
        reduction_factor: The bottleneck is model width // reduction_factor units wide.
        activation: One of the bottleneck adapter's.
        pre_norm: Whether a LayerNorm comes before the down projection.
        post_norm: Whether a LayerNorm comes after the up projection.
        generate_norms: Whether the norms' scales and biases are generated too, rather than shared
            by all tasks.
        form: How per_layer generators are built: linear, two_layer or bilinear.
        hidden_width: Of a two_layer generator, in units.
        task_embeddings: `learned`; `fixed`, as drawn; or the path of an .npz file with `names` [K']
            and `vectors` [K', E], which stay as they are.
        task_embedding_width: E of the tasks, layers and kinds.
        projected_width: E of what the network makes of them.
        task_hidden_width: Of the network, in units.
        project_tasks: Whether per_layer generators read the task's embedding through a network too;
            the others always do.
        placement: The sublayers that get an adapter, out of self_attention, cross_attention and
            feed_forward.
        stacks: The stacks that get adapters, out of encoder and decoder.
        leave_out: Numbers of the blocks that get none, in either stack. Embeddings that other
            blocks are told apart by stay as many, so that other blocks start as without it.
    """

    generators: str = "per_stack"
    reduction_factor: int = 32
    activation: str = "gelu_new"
    pre_norm: bool = False
    post_norm: bool = True
    generate_norms: bool = True
    form: str = "linear"
    hidden_width: int = 128
    task_embeddings: str = training_only("learned")
    task_embedding_width: int = 64
    projected_width: int = 64
    task_hidden_width: int = 128
    project_tasks: bool = False
    placement: tuple[str, ...] = ("self_attention", "feed_forward")
    stacks: tuple[str, ...] = STACKS
    leave_out: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_choices("hypernetwork", "generators", (self.generators,), SHARINGS)
        check_choices("hypernetwork", "activation", (self.activation,), tuple(ACTIVATIONS))
        check_choices("hypernetwork", "form", (self.form,), FORMS)
        check_choices("hypernetwork", "placement", self.placement, tuple(SUBLAYERS))
        check_choices("hypernetwork", "stacks", self.stacks, STACKS)
        if self.generators != "per_layer" and (self.form != "linear" or self.project_tasks):
            raise ConfigurationError(
                "hypernetwork form and project_tasks are for generators 'per_layer', not "
                f"{self.generators!r}"
            )
        widths = ("hidden_width", "task_embedding_width", "projected_width", "task_hidden_width")
        for name in ("reduction_factor", *widths):
            if getattr(self, name) < 1:
                raise ConfigurationError(
                    f"hypernetwork {name} must be 1 or more, got {getattr(self, name)}"
                )

    @classmethod
    def without_files(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take embeddings out of a file for fixed ones, which a checkpoint brings."""
        return without_embeddings_file(settings)

    @property
    def norms(self) -> tuple[str, ...]:
        """The names of the adapter's norms."""
        present = {"pre_norm": self.pre_norm, "post_norm": self.post_norm}
        return tuple(name for name, is_there in present.items() if is_there)

    @property
    def projection(self) -> tuple[int, int]:
        """Hidden and projected width of the network that reads embeddings."""
        return self.task_hidden_width, self.projected_width

    def weight_shapes(self, model_width: int) -> dict[str, tuple[int, ...]]:
        """List what a generator makes.

        Args:
            model_width: D, in units.

        Returns:
            Shapes by name.

        Raises:
            ConfigurationError: The reduction factor leaves no unit.
        """
        width = model_width // self.reduction_factor
        if width < 1:
            raise ConfigurationError(
                f"reduction_factor {self.reduction_factor} leaves no unit of a model width of "
                f"{model_width}; choose {model_width} or less"
            )
        shapes: dict[str, tuple[int, ...]] = {
            "down_kernel": (model_width, width),
            "down_bias": (width,),
            "up_kernel": (width, model_width),
            "up_bias": (model_width,),
        }
        for norm in self.norms if self.generate_norms else ():
            shapes |= {f"{norm}_gamma": (model_width,), f"{norm}_beta": (model_width,)}
        return shapes

    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Make generators, and at every chosen sublayer who asks them; see `AdapterMethod`."""
        sites = self._sites(backbone)
        if not sites:
            return {}
        networks = _Networks(self, backbone, task_names, seed)

        def make(site: Site) -> GeneratedAdapter:
            return GeneratedAdapter(
                self, task_names, site, seed, networks.of(site), name="hypernetwork"
            )

        adapters = inject(sites, make, AdaptedSublayer, lambda site: backbone.config.d_model)
        return {**networks.banks, **adapters}

    def _sites(self, backbone: tf_keras.Model) -> list[Site]:
        sites = list(sublayer_sites(backbone, self.placement, self.stacks))
        return leave_out_blocks(sites, self.leave_out, "hypernetwork")


class _SiteNetworks(NamedTuple):
    """What generates one site's adapter.

    Attributes:
        tasks: The tasks' embeddings.
        sites: Those of blocks and kinds; None where a generator serves one site.
        generator: Turns an embedding into the adapter's weights.
    """

    tasks: TaskEmbeddings
    sites: SiteEmbeddings | None
    generator: WeightGenerator


class _Networks:
    """The shared networks of one injection, made as sites ask for them.

    Args:
        config: The method's settings.
        backbone: A built TFT5.
        task_names: As `TaskBank`; so is `seed`.
        seed: Of the initial weights.
    """

    def __init__(
        self,
        config: HypernetworkConfig,
        backbone: tf_keras.Model,
        task_names: tuple[str, ...],
        seed: int,
    ):
        self.config, self.backbone = config, backbone
        self.task_names, self.seed = task_names, seed
        self.banks: dict[str, TaskBank] = {}
        self.tasks: TaskEmbeddings = self._make(
            TASKS_PATH,
            TaskEmbeddings,
            source=config.task_embeddings,
            width=config.task_embedding_width,
            projection=config.projection if config.project_tasks else None,
        )

    def of(self, site: Site) -> _SiteNetworks:
        """Find, or make, the networks of a site."""
        if self.config.generators == "per_layer":
            generator = self._generator(f"{site.path}.generator", self.tasks.width)
            return _SiteNetworks(self.tasks, None, generator)
        path = f"{site.stack}.generator"
        if self.config.generators == "per_kind":
            path = f"{path}.{KINDS[site.attribute]}"
        generator = self._generator(path, self.config.projected_width)
        return _SiteNetworks(self.tasks, self._site_embeddings(site.stack), generator)

    def _generator(self, path: str, inputs: int) -> WeightGenerator:
        return self._make(
            path,
            WeightGenerator,
            inputs=inputs,
            shapes=self.config.weight_shapes(self.backbone.config.d_model),
            form=self.config.form,
            hidden=self.config.hidden_width,
        )

    def _site_embeddings(self, stack: str) -> SiteEmbeddings:
        return self._make(
            f"{stack}.site_embeddings",
            SiteEmbeddings,
            blocks=len(unwrap(getattr(self.backbone, stack)).block),
            kinds=len(self.config.placement) if self.config.generators == "per_stack" else 0,
            width=self.config.task_embedding_width,
            projection=self.config.projection,
        )

    def _make(self, path: str, network: type[SharedNetwork], **settings: Any) -> Any:
        if path not in self.banks:
            bank = network(self.task_names, path, self.seed, name="hypernetwork", **settings)
            with tf.name_scope(path.replace(".", "/")):
                bank.build(None)
            self.banks[path] = bank
        return self.banks[path]


class GeneratedAdapter(TaskBank):
    """A bottleneck adapter whose weights are generated.

    Args:
        config: Its settings.
        task_names: As `TaskBank`; so is `seed`.
        site: The sublayer.
        seed: Unused: norms that are not generated start as the identity.
        networks: What generates the weights.
    """

    def __init__(
        self,
        config: HypernetworkConfig,
        task_names: tuple[str, ...],
        site: Site,
        seed: int,
        networks: _SiteNetworks,
        **kwargs: Any,
    ):
        super().__init__(task_names, site.path, seed, **kwargs)
        self.config, self.block = config, site.block
        self.kind = config.placement.index(KINDS[site.attribute])
        self.tasks, self.sites, self.generator = networks
        self.activation = ACTIVATIONS[config.activation]

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create what is not generated, for inputs [B, S, D]."""
        for norm in () if self.config.generate_norms else self.config.norms:
            self.add_shared(f"{norm}_gamma", (int(input_shape[-1]),), constant(1.0))
            self.add_shared(f"{norm}_beta", (int(input_shape[-1]),), constant(0.0))
        super().build(input_shape)

    def call(self, outputs: tf.Tensor, inputs: tf.Tensor | None = None) -> tf.Tensor:
        """Adapt a sublayer's output for the routed task.

        Args:
            outputs: [B, S, D], the sublayer's output before dropout and the residual add.
            inputs: [B, S, D], what the sublayer was given; not read.

        Returns:
            [B, S, D], in the outputs' dtype.
        """
        embedding = self.tasks.embed()
        if self.sites is not None:
            embedding = self.sites.embed(embedding, self.block, self.kind)
        weights = self.generator.generate(embedding)
        hidden = self._normalize("pre_norm", outputs, weights)
        hidden = multiply_routed(hidden, weights["down_kernel"])
        hidden = self.activation(hidden + _vector(weights["down_bias"], hidden))
        hidden = multiply_routed(hidden, weights["up_kernel"])
        hidden = hidden + _vector(weights["up_bias"], hidden)
        return outputs + self._normalize("post_norm", hidden, weights)

    def _normalize(self, norm: str, inputs: tf.Tensor, weights: dict[str, tf.Tensor]) -> tf.Tensor:
        if norm not in self.config.norms:
            return inputs
        if self.config.generate_norms:
            gamma, beta = (align_vector(weights[f"{norm}_{part}"]) for part in ("gamma", "beta"))
        else:
            gamma, beta = (self.shared[f"{norm}_{part}"] for part in ("gamma", "beta"))
        # In float32, as Keras's own layer norm does under mixed precision.
        gamma, beta = tf.cast(gamma, tf.float32), tf.cast(beta, tf.float32)
        normal = normalize(tf.cast(inputs, tf.float32), gamma, beta, NORM_EPSILON)
        return tf.cast(normal, inputs.dtype)


def _vector(row: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.cast(align_vector(row), like.dtype)
