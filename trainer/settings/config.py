"""The settings of a run as a person gives them, in a file and on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters_tf.commands.arguments import split_names
from adapters_tf.runs.sections import (
    AdapterConfig,
    BalancingConfig,
    DataConfig,
    DistributionConfig,
    HeadsConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)

__all__ = [
    "AdapterConfig",
    "BalancingConfig",
    "DataConfig",
    "DistributionConfig",
    "HeadsConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "TrainingConfig",
]


@dataclass(frozen=True)
class RunConfig:
    """A run of the trainer.

    Attributes:
        dataset: The dataset folder that `prep build` wrote.
        run: The run folder to write, or to resume.
        tasks: Names separated by commas, or a list; by default all of the dataset's that have the
            training split.
        seed: Of the weights, the schedule, the epochs' orders and dropout.
        model: The backbone.
        adapters: The adapter method.
        data: The batches.
        optimizer: The optimizer and its learning rate.
        training: The loop.
        balancing: How the tasks of a step are weighed.
        heads: Tasks that a head on the encoder answers.
        distribution: What the run is spread over.
    """

    dataset: str = ""
    run: str = ""
    tasks: list[str] | str = ""
    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    adapters: AdapterConfig = field(default_factory=AdapterConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    balancing: BalancingConfig = field(default_factory=BalancingConfig)
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    distribution: DistributionConfig = field(default_factory=DistributionConfig)

    def task_list(self) -> list[str]:
        """List the tasks asked for; empty for all."""
        return split_names(self.tasks) if isinstance(self.tasks, str) else list(self.tasks)
