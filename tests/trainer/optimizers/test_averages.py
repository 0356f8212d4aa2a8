"""The exponential moving average of what trains, row by row."""

import json

import numpy as np
import pytest
import tensorflow as tf

from prep import run_command
from trainer.__main__ import main
from trainer.optimizers.registry import OPTIMIZERS
from trainer.optimizers.taskwise import AVERAGE

DECAY = 0.75


def make(name="adamw"):
    bank = tf.Variable(np.arange(12, dtype=np.float32).reshape(3, 4))
    shared = tf.Variable(np.ones(4, np.float32))
    optimizer = OPTIMIZERS[name](0.5, lambda variable: variable is bank, ema_decay=DECAY)
    optimizer.build([bank, shared])
    return bank, shared, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_row_is_averaged_over_its_own_tasks_steps(name):
    bank, shared, optimizer = make(name)
    expected, expected_shared = bank.numpy(), shared.numpy()
    for task in (1, 1, 0):
        row = tf.IndexedSlices(tf.ones([1, 4]), tf.constant([task]), tf.constant([3, 4]))
        optimizer.take_step([(row, bank), (tf.ones(4), shared)])
        expected[task] = DECAY * expected[task] + (1 - DECAY) * bank[task].numpy()
        expected_shared = DECAY * expected_shared + (1 - DECAY) * shared.numpy()
    averages = [slots[AVERAGE].numpy() for slots in optimizer._slots]
    np.testing.assert_allclose(averages[0], expected, rtol=1e-5)
    np.testing.assert_allclose(averages[1], expected_shared, rtol=1e-5)
    np.testing.assert_array_equal(averages[0][2], bank[2])
    held = bank.numpy()
    with pytest.raises(RuntimeError), optimizer.averaged([bank, shared]):
        np.testing.assert_array_equal(bank, averages[0])
        raise RuntimeError
    np.testing.assert_array_equal(bank, held)


def test_they_begin_where_the_variables_are():
    bank, shared, optimizer = make()
    bank.assign(-bank)
    optimizer.begin_averages([bank, shared])
    with optimizer.averaged([bank, shared]):
        np.testing.assert_array_equal(bank, -np.arange(12, dtype=np.float32).reshape(3, 4))


SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}


@pytest.mark.slow
def test_a_run_keeps_and_exports_the_average_and_resumes_to_the_same_bits(small_dataset, tmp_path):
    def train(run, steps):
        arguments = [
            f"--dataset={small_dataset}",
            f"--run={tmp_path / run}",
            "--model.backbone=t5-tiny",
            f"--model.overrides={json.dumps(SMALL)}",
            "--adapters.method=ia3",
            "--data.batch_size=4",
            "--optimizer.schedule=constant",
            "--optimizer.learning_rate=1e-1",
            f"--optimizer.ema_decay={DECAY}",
            f"--training.steps={steps}",
            "--training.validation_examples=4",
        ]
        assert run_command(main, arguments) == 0

    def read(place):
        reader = tf.train.load_checkpoint(str(tmp_path / place))
        return {
            name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
            if "VARIABLE_VALUE" in name and not name.startswith("save_counter")
        }

    train("whole", 4)
    train("parts", 2)
    train("parts", 4)
    whole, parts = read("whole/checkpoints/ckpt-4"), read("parts/checkpoints/ckpt-4")
    for name, value in whole.items():
        np.testing.assert_array_equal(parts[name], value, err_msg=name)
    best = read("whole/best/ckpt-4")
    trained = [name for name in best if name.startswith("trainable/")]
    assert trained
    slots = [value for name, value in whole.items() if name.startswith("optimizer/")]
    for name in trained:
        assert any(np.array_equal(best[name], slot) for slot in slots), name
    assert any(not np.array_equal(best[name], whole[name]) for name in trained)
