"""A run's settings, resolved: the one form in which they travel, from config.yaml and back.

Every function of a run takes a `ResolvedRun`; a dictionary exists only between it and the file.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from adapters_tf.errors import WeightsError, suggest
from adapters_tf.files.value_types import is_of
from adapters_tf.runs.sections import (
    RENAMED,
    AdapterConfig,
    BalancingConfig,
    DataConfig,
    DistributionConfig,
    HeadsConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
    renamed,
)

# Written into config.yaml for the reader; not part of what makes two runs the same.
PROVENANCE = ("commit", "versions", "exports")

# What every version has written: without it another run would be read, and not one word said.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "model": ("backbone", "overrides", "vocabulary_size"),
    "adapters": ("method", "settings", "train_layer_norms"),
    "data": ("batch_size", "input_length"),
    "training": ("precision",),
}

# What a run had before there was a setting for it, by section.
BEFORE: Mapping[str, Mapping[str, Any]] = {
    "model": {"dropout": "per_unit"},
    "data": {"memory_limit": 0},
}

Section = TypeVar("Section")


@dataclass(frozen=True)
class ResolvedModel(ModelConfig):
    """The backbone, with the vocabulary it is given.

    Attributes:
        vocabulary_size: Token ids of the dataset's vocabulary, sentinels included.
    """

    vocabulary_size: int = 0


@dataclass(frozen=True)
class ResolvedOptimizer(OptimizerConfig):
    """The optimizer, its warm-up and its schedule's ends in steps.

    Attributes:
        warmup_steps: Of linear rise.
        schedule_steps: What a falling schedule is laid out for; of a list, each but the last begins
            it anew; 0 for the steps of the run.
    """

    warmup_steps: int = 0
    schedule_steps: list[int] | int = 0


@dataclass(frozen=True)
class ResolvedTraining(TrainingConfig):
    """The loop, with all times in steps.

    Attributes:
        steps: Optimizer steps in all.
        log_every: Steps between lines of training losses.
        validate_every: Steps between validations; 0 for one at the end only.
        checkpoint_every: Steps between checkpoints.
        patience: Validations in a row without a new best one; 0 for none.
        max_skipped_steps: So many in a row stop the run.
    """

    steps: int = 1000
    log_every: int = 50
    validate_every: int = 500
    checkpoint_every: int = 500
    patience: int = 0
    max_skipped_steps: int = 10


@dataclass(frozen=True)
class ResolvedHeads(HeadsConfig):
    """Tasks that a head answers, with what it answers.

    Attributes:
        kinds: By task: classification, regression or multiple_choice.
        answers: Classes or choices, by task; 1 of a regression.
        words: Label words of those that give classes, by task, in the order of the classes; what
            an earlier version wrote has none.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)

    def choices(self, task: str) -> int:
        """Count the texts that a task's head scores one by one; 0 where it answers one text."""
        return self.answers[task] if self.kinds.get(task) == "multiple_choice" else 0


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
        balancing: How the tasks of a step are weighed.
        heads: Tasks that a head on the encoder answers.
        distribution: What the run is spread over.
        vocabulary_sha256: Of the dataset's vocabulary.
        bank_of: The run whose bank was edited to make this one; such a run is not trained on.
        fingerprints: Digests of what the run reads, by the setting that says where it lies; what
            an earlier version wrote has none.
    """

    dataset: str
    run: str
    tasks: tuple[str, ...]
    seed: int
    model: ResolvedModel
    adapters: AdapterConfig
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: ResolvedOptimizer = field(default_factory=ResolvedOptimizer)
    training: ResolvedTraining = field(default_factory=ResolvedTraining)
    balancing: BalancingConfig = field(default_factory=BalancingConfig)
    heads: ResolvedHeads = field(default_factory=ResolvedHeads)
    distribution: DistributionConfig = field(default_factory=DistributionConfig)
    vocabulary_sha256: str = ""
    bank_of: str = ""
    fingerprints: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Turn the tree into what YAML holds.

        Returns:
            Plain dictionaries; `bank_of` and `fingerprints` only where they say something.
        """
        tree = {**dataclasses.asdict(self), "tasks": list(self.tasks)}
        for name in ("bank_of", "fingerprints"):
            if not tree[name]:
                del tree[name]
        return tree

    def without_files(self) -> ResolvedRun:
        """Describe the same model without the files its start was read from, which may be gone.

        Returns:
            A copy whose adapter settings name no such file; a checkpoint brings what they held.
        """
        # Methods are Keras layers: to read a run's settings takes no TensorFlow.
        from adapters_tf.methods import method_class

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
        WeightsError: A setting is missing, unknown, or of another type.
    """
    given = {name: value for name, value in tree.items() if name not in PROVENANCE}
    for section, names in REQUIRED.items():
        values = given.get(section, {})
        for name in names:
            if isinstance(values, Mapping) and name not in values:
                raise WeightsError(f"{where} is not whole: it lacks {section}.{name}")
    for section, had in BEFORE.items():
        values = given.get(section)
        if isinstance(values, Mapping):
            given[section] = {**had, **values}
    for section, (old, new) in RENAMED.items():
        values = given.get(section)
        if isinstance(values, Mapping) and old in values:
            if values.get(new, values[old]) != values[old]:
                raise WeightsError(f"{where} has {section}.{old} and its new name, which differ")
            given[section] = renamed(values, old, new)
    for name, kind in _SECTIONS.items():
        if name in given:
            given[name] = _read_section(kind, given[name], name, where)
    if isinstance(given.get("tasks"), list):
        given["tasks"] = tuple(given["tasks"])
    run = _read_section(ResolvedRun, given, "", where)
    if not run.tasks or len(set(run.tasks)) < len(run.tasks):
        raise WeightsError(f"{where}: tasks is {list(run.tasks)}, expected one or more, each once")
    return run


_SECTIONS: Mapping[str, type] = {
    "model": ResolvedModel,
    "adapters": AdapterConfig,
    "data": DataConfig,
    "optimizer": ResolvedOptimizer,
    "training": ResolvedTraining,
    "balancing": BalancingConfig,
    "heads": ResolvedHeads,
    "distribution": DistributionConfig,
}


def _read_section(kind: type[Section], given: Any, name: str, where: str) -> Section:
    if not isinstance(given, Mapping):
        raise WeightsError(f"{where}: {name} is {given!r}, expected settings by name")
    hints = get_type_hints(kind)
    for setting, value in given.items():
        what = f"{name}.{setting}" if name else str(setting)
        if setting not in hints:
            raise WeightsError(
                f"{where} has the setting {what}, which this version does not know; "
                f"{suggest(str(setting), hints)}"
            )
        if not is_of(value, hints[setting]):
            expected = getattr(hints[setting], "__name__", str(hints[setting]))
            raise WeightsError(f"{where}: {what} is {value!r}, expected {expected}")
    try:
        return kind(**given)
    except TypeError as error:
        missing = ", ".join(re.findall(r"'(\w+)'", str(error)))
        raise WeightsError(f"{where} is not whole: it lacks {missing}") from error


def flatten_settings(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name every setting of a tree by its whole path.

    Args:
        tree: Such as `ResolvedRun.as_dict` gives.
        prefix: What the names begin with.

    Returns:
        Values by names such as "training.steps"; what is empty is a value too.
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves.update(flatten_settings(value, f"{prefix}{key}."))
        else:
            leaves[prefix + key] = value
    return leaves
