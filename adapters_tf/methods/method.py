"""What an adapter method is: its settings, and all that the rest of the package asks it.

A method's own file answers whether it reads packed rows, which trained adapters it is built on,
and which of its fields say how it trains rather than what it computes; nothing elsewhere knows a
method by its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from typing import Any, ClassVar, cast

import tf_keras

from adapters_tf.banks.task_bank import TaskBank

_TRAINING_ONLY = "training_only"


def training_only(default: Any) -> Any:
    """Declare a setting that says how an adapter starts or trains, not what it computes.

    Two adapters that differ in such settings alone mean the same function.

    Args:
        default: Its default; immutable.

    Returns:
        What `dataclasses.field` returns.
    """
    return field(default=default, metadata={_TRAINING_ONLY: True})


class AdapterMethod(ABC):
    """The settings of an adapter method: a frozen dataclass that can put itself into a backbone."""

    # A method that is built on trained adapters has the fields `of`, whose adapters these are (a
    # folder or several), and `tasks`, which of them (all by default).
    is_built_on_trained: ClassVar[bool] = False

    @abstractmethod
    def inject(
        self, backbone: tf_keras.Model, task_names: tuple[str, ...], seed: int
    ) -> dict[str, TaskBank]:
        """Put a bank of the method's weights at every place it changes.

        Args:
            backbone: A built TFT5ForConditionalGeneration.
            task_names: One per bank row, in row order.
            seed: Of the initial weights.

        Returns:
            The banks by module path, such as `encoder.block.0.layer.0.SelfAttention`; none if the
            settings match no layer.

        Raises:
            ConfigurationError: The settings do not fit the backbone, or a layer has an adapter
                already.
        """

    def packed_rows_problem(self) -> str:
        """Say why the method cannot read rows that hold several examples; empty if it can."""
        return ""

    def several_targets_problem(self) -> str:
        """Say why the decoder cannot read several targets of one input; empty if it can."""
        return ""

    @classmethod
    def without_files(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Describe the same adapters without the files their start was read from.

        Args:
            settings: Those of a run that differ from the defaults.

        Returns:
            Settings with which a checkpoint can be read when such files are gone.
        """
        return settings

    def meaning(self) -> dict[str, Any]:
        """List the settings that decide what the adapters compute."""
        ignored = training_only_fields(type(self))
        values = asdict(cast("Any", self))
        return {name: value for name, value in values.items() if name not in ignored}


def training_only_fields(method: type) -> frozenset[str]:
    """Name the settings of a method that were declared `training_only`.

    Args:
        method: A method's class.

    Returns:
        The fields' names.
    """
    return frozenset(one.name for one in fields(method) if one.metadata.get(_TRAINING_ONLY))
