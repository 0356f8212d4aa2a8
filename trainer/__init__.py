"""Train a TFT5 with per-task adapters on a mixture of tasks."""

from trainer.batches.schedule import task_schedule
from trainer.settings.config import (
    AdapterConfig,
    DataConfig,
    DistributionConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)

__all__ = [
    "AdapterConfig",
    "DataConfig",
    "DistributionConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "TrainingConfig",
    "task_schedule",
]
