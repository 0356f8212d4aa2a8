"""How many parameters each adapter method adds to T5, at its published settings.

    python -m benchmarks.method_parameters --backbone t5-small

Of a task alone, of eight tasks, and so what is shared and what each further task adds. T5's layer
norms stay frozen. The vocabulary is left out: no adapter's size depends on it.
"""

import argparse
from unittest.mock import patch

import tensorflow as tf
from tf_keras.src.backend import RandomGenerator
from transformers import T5Config, TFT5ForConditionalGeneration

from adapters_tf import METHODS, VARIANTS, TaskModel, preset_config, read_methods

EIGHT = tuple("abcdefgh")
# What builds on trained adapters has none of its own to count from, and the hypernetwork is what
# its variants are made of.
LEFT_OUT = ("fusion", "hypernetwork")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="t5-small", help="a preset")
    options = parser.parse_args()
    print("| method | one task | eight tasks | each further task |\n|---|---|---|---|")
    for method in method_names():
        one, eight = (count(options.backbone, method, tasks) for tasks in (EIGHT[:1], EIGHT))
        print(f"| `{method}` | {one:,} | {eight:,} | {(eight - one) // 7:,} |", flush=True)


def method_names():
    return sorted({*METHODS, *VARIANTS} - {*LEFT_OUT})


def count(preset, method, tasks):
    """Counts what trains of a T5 of zeros, as drawing weights would take most of the time."""
    config = T5Config(**{**preset_config(preset).to_dict(), "vocab_size": 32})
    with patch.multiple(
        RandomGenerator, random_normal=_zeros, truncated_normal=_zeros, random_uniform=_zeros
    ):
        backbone = TFT5ForConditionalGeneration(config)
        backbone.build_in_name_scope()
    model = TaskModel(backbone, tasks, read_methods(method, {}), train_layer_norms=False)
    return model.count_trainable()


def _zeros(self, shape, *arguments, dtype=tf.float32, **keywords):
    return tf.zeros(shape, dtype)


if __name__ == "__main__":
    main()
