# What `from adapters_tf import ...` offers; `__init__.py` reads this list.
from .backbone.huggingface import export_tensors, import_tensors, save_backbone
from .backbone.loading import load_backbone
from .backbone.presets import preset_config
from .banks.freezing import freeze_backbone
from .banks.injection import AdaptedLayer, AdaptedSublayer
from .banks.routing import route, select_row, task_matmul, task_vector
from .banks.task_bank import TaskBank
from .errors import ConfigurationError, WeightsError
from .methods import (
    METHODS,
    VARIANTS,
    BottleneckBank,
    BottleneckConfig,
    CompacterConfig,
    ConditionalLayerNormConfig,
    FusionConfig,
    HypernetworkConfig,
    Ia3Config,
    LayerNormConfig,
    LoraConfig,
    PrefixConfig,
    PromptConfig,
    read_methods,
)
from .model.forward import encode, project_logits, states_mask
from .model.task_model import TaskModel, inject_method
from .runs.loading import LoadedRun, build_model, load_average, load_run
from .runtime.dropout import make_dropout_stateless
from .runtime.strategy import make_strategy, set_precision
from .task_adapters.composing import average_adapters, stack_adapter
from .task_adapters.folder import load_task, save_task, task_tensors
from .task_adapters.merging import MERGERS, merge_tasks

__all__ = [
    "MERGERS",
    "METHODS",
    "VARIANTS",
    "AdaptedLayer",
    "AdaptedSublayer",
    "BottleneckBank",
    "BottleneckConfig",
    "CompacterConfig",
    "ConditionalLayerNormConfig",
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
