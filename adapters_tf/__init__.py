"""TFT5 with per-task adapters, for TensorFlow."""

# `python -m adapters_tf` imports this file first, and with it TensorFlow: silence it before that.
from adapters_tf.quiet import quiet_libraries

quiet_libraries()

from adapters_tf.backbone.huggingface import export_tensors, import_tensors, save_backbone
from adapters_tf.backbone.loading import load_backbone
from adapters_tf.backbone.presets import preset_config
from adapters_tf.banks.freezing import freeze_backbone
from adapters_tf.banks.injection import AdaptedLayer, AdaptedSublayer
from adapters_tf.banks.routing import route, select_row, task_matmul, task_vector
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.methods import (
    METHODS,
    VARIANTS,
    BottleneckBank,
    BottleneckConfig,
    CompacterConfig,
    FusionConfig,
    HypernetworkConfig,
    Ia3Config,
    LayerNormConfig,
    LoraConfig,
    PrefixConfig,
    PromptConfig,
    read_methods,
)
from adapters_tf.methods.prompt import states_mask
from adapters_tf.model.forward import encode, project_logits
from adapters_tf.model.task_model import TaskModel, inject_method
from adapters_tf.runs.loading import LoadedRun, build_model, load_average, load_run
from adapters_tf.runtime.dropout import make_dropout_stateless
from adapters_tf.runtime.strategy import make_strategy, set_precision
from adapters_tf.task_adapters.composing import average_adapters, stack_adapter
from adapters_tf.task_adapters.folder import load_task, save_task, task_tensors
from adapters_tf.task_adapters.merging import MERGERS, merge_tasks

__all__ = [
    "MERGERS",
    "METHODS",
    "VARIANTS",
    "AdaptedLayer",
    "AdaptedSublayer",
    "BottleneckBank",
    "BottleneckConfig",
    "CompacterConfig",
    "ConfigurationError",
    "FusionConfig",
    "HypernetworkConfig",
    "Ia3Config",
    "LayerNormConfig",
    "LoadedRun",
    "LoraConfig",
    "PrefixConfig",
    "PromptConfig",
    "TaskBank",
    "TaskModel",
    "WeightsError",
    "average_adapters",
    "build_model",
    "encode",
    "export_tensors",
    "freeze_backbone",
    "import_tensors",
    "inject_method",
    "load_average",
    "load_backbone",
    "load_run",
    "load_task",
    "make_dropout_stateless",
    "make_strategy",
    "merge_tasks",
    "preset_config",
    "project_logits",
    "read_methods",
    "route",
    "save_backbone",
    "save_task",
    "select_row",
    "set_precision",
    "stack_adapter",
    "states_mask",
    "task_matmul",
    "task_tensors",
    "task_vector",
]
