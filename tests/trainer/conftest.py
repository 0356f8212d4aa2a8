"""A small T5, uneven batches, and a small dataset folder of embedded tasks."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import BottleneckConfig, TaskModel, load_backbone
from prep.build import BuildOptions, build_dataset
from prep.tasks import get_task
from prep.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from trainer.optimizers import OPTIMIZERS

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "dropout_rate": 0.0}
TASKS = ("a", "b", "c")


def _uneven_batch(task=1, seed=0, examples=8, input_length=9, target_length=6):
    """Random tokens with a different number of padded positions in every row."""
    random = np.random.default_rng(seed)
    inputs = random.integers(3, 100, (examples, input_length)).astype(np.int32)
    targets = random.integers(3, 100, (examples, target_length)).astype(np.int32)
    for row in range(examples):
        inputs[row, 2 + row % (input_length - 1) :] = 0
        targets[row, 1 + row % target_length :] = 0
    shifted = np.zeros_like(targets)
    shifted[:, 1:] = targets[:, :-1]
    return {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": shifted,
        "decoder_target_tokens": targets,
        "decoder_loss_weights": (targets != 0).astype(np.float32),
        "task": np.full(examples, task, np.int32),
    }


def _make_model(adapters=True, seed=0):
    """A three-task model with, or without, adapters."""
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL, seed=seed)
    config = BottleneckConfig(reduction_factor=8) if adapters else None
    return TaskModel(backbone, TASKS, config, train_layer_norms=True, seed=seed)


def _make_optimizer(model, name="adamw", rate=1e-2, **settings):
    """An optimizer of a model, built."""
    optimizer = OPTIMIZERS[name](rate, model.is_bank, clip_norm=1.0, **settings)
    optimizer.build(model.trainable_variables)
    return optimizer


def _share_out(strategy, batch):
    """Give each replica its share of a global batch."""
    share = len(batch["task"]) // strategy.num_replicas_in_sync

    def take(context):
        first = context.replica_id_in_sync_group * share
        return {key: tf.constant(value[first : first + share]) for key, value in batch.items()}

    return strategy.experimental_distribute_values_from_function(take)


# Tests get these as fixtures, since they can't import from here.
uneven_batch, make_model, make_optimizer, share_out = (
    pytest.fixture(lambda function=function: function, scope="session", name=function.__name__[1:])
    for function in (_uneven_batch, _make_model, _make_optimizer, _share_out)
)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """A dataset folder of three embedded tasks."""
    folder = tmp_path_factory.mktemp("small")
    names = ("synthetic_entailment", "synthetic_similarity", "synthetic_choice")
    tasks = tuple(get_task(name) for name in names)
    vocabulary = folder / "spiece.model"
    train_vocabulary(task_texts(tasks, None), vocabulary, 300, words_to_keep(tasks))
    options = BuildOptions(
        tasks=tasks,
        vocabulary=vocabulary,
        out=folder / "dataset",
        max_input_length=32,
        max_target_length=8,
        workers=1,
    )
    build_dataset(options)
    return folder / "dataset"
