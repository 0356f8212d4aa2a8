"""A run's settings, resolved: the one form in which they travel, from config.yaml and back.

Every function of a run takes a `ResolvedRun`; a dictionary exists only between it and the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from adapters_tf.errors import WeightsError, suggest
from adapters_tf.methods import method_class
from adapters_tf.runs.sections import (
    AdapterConfig,
    DataConfig,
    DistributionConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)

# Written into config.yaml for the reader; not part of what makes two runs the same.
PROVENANCE = ("commit", "versions")
# What settings were called in earlier versions: section, name, and the name now.
RENAMED = {("optimizer", "decay"): "schedule"}

Section = TypeVar("Section")


@dataclass(frozen=True)
class ResolvedModel(ModelConfig):
    """The backbone, with the vocabulary it is given.

    Attributes:
        vocabulary_size: Token ids of the dataset's vocabulary, sentinels included.
    """

    vocabulary_size: int = 0


@dataclass(frozen=True)
class ResolvedRun:
    """The settings of a run, with nothing left to the dataset.

    Attributes:
        dataset: The dataset folder, an absolute path or a gs:// address.
        run: The run folder, as an absolute path.
        tasks: Their names in the bank's row order.
        seed: Of the weights, the schedule, the epochs' orders and dropout.
        model: The backbone.
        adapters: The adapter method; the places it names are absolute.
        data: The batches; their lengths are above 0.
        optimizer: The optimizer and its learning rate.
        training: The loop.
        distribution: What the run is spread over.
        vocabulary_sha256: Of the dataset's vocabulary.
        bank_of: The run whose bank was edited to make this one; such a run is not trained on.
    """

    dataset: str
    run: str
    tasks: tuple[str, ...]
    seed: int
    model: ResolvedModel
    adapters: AdapterConfig
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    distribution: DistributionConfig = field(default_factory=DistributionConfig)
    vocabulary_sha256: str = ""
    bank_of: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Turn the tree into what YAML holds.

        Returns:
            Plain dictionaries; `bank_of` only where it says something.
        """
        tree = {**dataclasses.asdict(self), "tasks": list(self.tasks)}
        if not self.bank_of:
            del tree["bank_of"]
        return tree

    def without_files(self) -> ResolvedRun:
        """Describe the same model without the files its start was read from, which may be gone.

        Returns:
            A copy whose adapter settings name no such file; a checkpoint brings what they held.
        """
        settings = {
            method: dict(method_class(method).without_files(fields))
            for method, fields in self.adapters.settings.items()
        }
        adapters = dataclasses.replace(self.adapters, settings=settings)
        return dataclasses.replace(self, adapters=adapters)


def parse_settings(tree: Mapping[str, Any], where: str) -> ResolvedRun:
    """Read what `ResolvedRun.as_dict` made.

    Args:
        tree: Of config.yaml. What an earlier version left out has its default, and what it called
            otherwise is read under its old name.
        where: The file, for messages.

    Returns:
        The settings.

    Raises:
        WeightsError: A setting is missing or unknown, and a run of such settings would be another.
    """
    given = {name: value for name, value in tree.items() if name not in PROVENANCE}
    for section, old in RENAMED:
        if isinstance(given.get(section), Mapping) and old in given[section]:
            moved = {RENAMED[section, old]: given[section][old]}
            rest = {name: value for name, value in given[section].items() if name != old}
            given[section] = {**rest, **moved}
    for one in dataclasses.fields(ResolvedRun):
        if isinstance(given.get(one.name), Mapping):
            given[one.name] = _read_section(_SECTIONS[one.name], given[one.name], one.name, where)
    if isinstance(given.get("tasks"), list):
        given["tasks"] = tuple(given["tasks"])
    return _read_section(ResolvedRun, given, "", where)


_SECTIONS: Mapping[str, type] = {
    "model": ResolvedModel,
    "adapters": AdapterConfig,
    "data": DataConfig,
    "optimizer": OptimizerConfig,
    "training": TrainingConfig,
    "distribution": DistributionConfig,
}


def _read_section(kind: type[Section], given: Mapping[str, Any], name: str, where: str) -> Section:
    known = [one.name for one in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for setting in given:
        if setting not in known:
            what = f"{name}.{setting}" if name else setting
            raise WeightsError(
                f"{where} has the setting {what}, which this version does not know; "
                f"{suggest(setting, known)}"
            )
    try:
        return kind(**given)
    except TypeError as error:
        raise WeightsError(f"{where} is not whole: {error}; train the run again") from error
