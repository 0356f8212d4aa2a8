"""The cases that every adapter method is put to the same tests with, variants and all.

A method of `METHODS` and a variant of `VARIANTS` are cases by being registered; sizes that fit the
small model are said here.
"""

import numpy as np
import pytest

from adapters_tf import METHODS, VARIANTS, TaskModel, load_backbone, read_methods, save_task

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "dropout_rate": 0.0}
SMALL |= {"num_layers": 1, "num_decoder_layers": 1}
TASKS = ("a", "b", "c")
# Sizes that fit so small a model; everything else is as published.
SETTINGS = {
    "bottleneck": {"reduction_factor": 8},
    "houlsby": {"reduction_factor": 8},
    "lora": {"rank": 4},
    "dora": {"rank": 4},
    "compacter": {"reduction_factor": 4},
    "compacter++": {"reduction_factor": 4},
    "hypernetwork": {"reduction_factor": 8},
    "hyperformer": {"reduction_factor": 8},
    "hyperformer++": {"reduction_factor": 8},
    "meta_adapter": {"reduction_factor": 8},
    "prompt": {"length": 4},
    "prefix": {"length": 4},
    "prefix_flat": {"length": 4},
}
# Settings that take another way through the code, by a name of our own.
OTHER_WAYS = {
    "learned_scaling": ("parallel", {"scaling": "learned"}),
    "pfeiffer_of_the_stream": ("pfeiffer", {"reduction_factor": 8, "reads_residual_stream": True}),
    "parallel_of_the_stream": ("parallel", {"reduction_factor": 8, "reads_residual_stream": True}),
    "compacter_of_the_stream": (
        "compacter",
        {"reduction_factor": 4, "reads_residual_stream": True},
    ),
    "prefix_before": ("prefix_flat", {"length": 4, "positions": "before"}),
    "prefix_shifted": ("prefix", {"length": 4, "positions": "shifted"}),
}
NAMES = (*METHODS, *VARIANTS, *OTHER_WAYS)
# Those whose first output is the backbone's: their change starts at zero.
START_AS_THE_BACKBONE = ("lora", "dora", "ia3", "layer_norm", "conditional_layer_norm")
# What takes long to compile is tried with these: variants share the code of their method.
COMPILED = (*METHODS, "learned_scaling", "pfeiffer_of_the_stream", "prefix_shifted")

for_every_name = pytest.mark.parametrize("name", NAMES)
for_every_method = pytest.mark.parametrize("method", COMPILED)


def make_model(name, tasks=TASKS, seed=0, **keywords):
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL)
    method, settings = OTHER_WAYS.get(name, (name, SETTINGS.get(name, {})))
    methods = read_methods(method, {method: settings})
    return TaskModel(backbone, tasks, methods, seed=seed, **keywords)


def shake(model, seed=1, deviation=0.1):
    """Moves every adapter weight, so that tasks differ and nothing is at its start."""
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(0, deviation, variable.shape).astype(np.float32))


def save_trained_adapters(folder):
    """Write two adapters that an earlier run could have trained, for the fusion of them."""
    model = make_model("bottleneck", ("fused", "too"))
    shake(model, deviation=0.03)
    for task in model.task_names:
        save_task(model, task, folder / task)
    SETTINGS["fusion"] = {"of": str(folder)}


def mixed(uneven_batch):
    """A batch of examples of tasks a and c, padding rows of b among them."""
    batch = uneven_batch()
    batch["task"] = np.array([0, 2, 2, 1, 0, 2, 0, 1], np.int32)
    batch["decoder_loss_weights"][batch["task"] == 1] = 0.0
    return batch
