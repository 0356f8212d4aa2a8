"""Train a TFT5 with per-task adapters on a mixture of tasks.

What this package offers is loaded when it is first asked for: `python -m trainer.doctor` imports
this file, and must start where libraries are missing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.batches.schedule import task_schedule
    from trainer.settings.config import (
        AdapterConfig,
        BalancingConfig,
        DataConfig,
        DistributionConfig,
        ModelConfig,
        OptimizerConfig,
        RunConfig,
        TrainingConfig,
    )

__all__ = [
    "AdapterConfig",
    "BalancingConfig",
    "DataConfig",
    "DistributionConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "TrainingConfig",
    "task_schedule",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = "batches.schedule" if name == "task_schedule" else "settings.config"
    return getattr(importlib.import_module(f"{__name__}.{place}"), name)
