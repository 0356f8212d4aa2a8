"""Trained bottleneck adapters, stacked over adapters to be composed.

Shape letters: D model width, R bottleneck, N adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tf_keras

from adapters_tf.backbone.sites import backbone_path
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.methods.bottleneck import BottleneckConfig
from adapters_tf.methods.trained.frozen import frozen_digest

BANK_NAME = "adapter"  # of a bottleneck bank in the names of its tensors


@dataclass(frozen=True)
class TrainedAdapters:
    """Adapters of several tasks with the same settings, as they were trained.

    Attributes:
        settings: Of all of them.
        tensors: By task, in the order of their names; then by module path.
        frozen_digest: Of the frozen adapters they were trained on; None for none.
    """

    settings: BottleneckConfig
    tensors: Mapping[str, Mapping[str, np.ndarray]]
    frozen_digest: str | None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The adapters' names."""
        return tuple(self.tensors)

    def at(self, path: str) -> dict[str, np.ndarray]:
        """Stack what the adapters hold at one sublayer.

        Args:
            path: Module path of the sublayer.

        Returns:
            float32 [N, …] by the variable's name, such as `down_kernel`.
        """
        prefix = f"{path}.{BANK_NAME}."
        names = [name for name in self._first() if name.startswith(prefix)]
        return {
            name.removeprefix(prefix): np.stack([own[name] for own in self.tensors.values()])
            for name in names
        }

    def backbone_tensors(self) -> dict[str, np.ndarray]:
        """Collect T5's own layer norms where they were trained beside the adapters.

        Returns:
            By module path.

        Raises:
            ConfigurationError: The adapters were trained with different ones.
        """
        own = {task: self._beside_the_adapter(task) for task in self.tasks}
        first, *others = own
        for task in others:
            is_same = own[task].keys() == own[first].keys() and all(
                np.array_equal(value, own[first][name]) for name, value in own[task].items()
            )
            if not is_same:
                raise ConfigurationError(
                    f"the adapters of {first!r} and {task!r} go with different layer norms of T5;"
                    " train them in one run, or with train_layer_norms: false"
                )
        return own[first]

    def check(self, backbone: tf_keras.Model) -> None:
        """Make sure that the adapters fit a backbone and what is frozen in it.

        Args:
            backbone: A built TFT5.

        Raises:
            WeightsError: Tensors are missing, unexpected or misshapen, or they were trained on
                other frozen adapters.
        """
        width = backbone.config.d_model
        expected: dict[str, tuple[int, ...]] = {}
        for site in self.settings.sites(backbone):
            shapes = bottleneck_shapes(self.settings, width, self.settings.width(width, site.block))
            expected |= {f"{site.path}.{BANK_NAME}.{n}": shape for n, shape in shapes.items()}
        own = {backbone_path(weight): tuple(weight.shape) for weight in backbone.weights}
        for task, tensors in self.tensors.items():
            wrong = [name for name in expected if name not in tensors]
            known = own | expected
            wrong += [n for n, value in tensors.items() if known.get(n) != value.shape]
            if wrong:
                raise WeightsError(
                    f"the adapter of {task!r} does not fit the backbone: {wrong[0]}"
                    f" ({len(wrong)} tensors are missing, unexpected or of another shape)"
                )
        if self.frozen_digest != frozen_digest(backbone):
            raise WeightsError(
                f"the adapter of {self.tasks[0]!r} was trained"
                f" {'on other frozen adapters' if self.frozen_digest else 'on none'}:"
                " give the same adapters.stack_on as its run"
            )

    def assign_layer_norms(self, backbone: tf_keras.Model) -> None:
        """Give T5 the layer norms the adapters were trained with, where they were.

        Args:
            backbone: A built TFT5.
        """
        values = self.backbone_tensors()
        for weight in backbone.weights:
            if backbone_path(weight) in values:
                weight.assign(values[backbone_path(weight)])

    def _beside_the_adapter(self, task: str) -> dict[str, np.ndarray]:
        tensors = self.tensors[task]
        return {name: tensors[name] for name in tensors if f".{BANK_NAME}." not in name}

    def _first(self) -> Mapping[str, np.ndarray]:
        return next(iter(self.tensors.values()))


def bottleneck_shapes(settings: BottleneckConfig, D: int, R: int) -> dict[str, tuple[int, ...]]:
    """List what one adapter holds at a sublayer.

    Args:
        settings: Of the adapter.
        D: Model width, in units.
        R: Bottleneck, in units.

    Returns:
        Shapes by the variable's name.
    """
    shapes = {"down_kernel": (D, R), "down_bias": (R,), "up_kernel": (R, D), "up_bias": (D,)}
    norms = {"pre_norm": settings.pre_norm, "post_norm": settings.post_norm}
    for norm in (name for name, is_there in norms.items() if is_there):
        shapes |= {f"{norm}.gamma": (D,), f"{norm}.beta": (D,)}
    if settings.is_scaling_learned:
        shapes["scale"] = (1,)
    return shapes
