"""The optimizers by name."""

from collections.abc import Mapping

from trainer.optimizers.adafactor import TaskwiseAdafactor
from trainer.optimizers.adamw import TaskwiseAdamW
from trainer.optimizers.lion import TaskwiseLion
from trainer.optimizers.taskwise import TaskwiseOptimizer

OPTIMIZERS: Mapping[str, type[TaskwiseOptimizer]] = {
    "adamw": TaskwiseAdamW,
    "adafactor": TaskwiseAdafactor,
    "lion": TaskwiseLion,
}
